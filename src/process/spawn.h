/*
 * Starting and killing child programs. A child gets a clean environment, its own process group, exactly the
 * descriptors that are listed (as 3, 4, 5 … in that order; 0 and 1 are /dev/null, 2 is err_fd), and dies with
 * us.
 */
#ifndef PLATEN_PROCESS_SPAWN_H
#define PLATEN_PROCESS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

struct spawn_request {
    const char *program;     /* path */
    const char *const *argv; /* NULL-terminated, argv[0] included */
    const char *const *env;  /* NULL-terminated NAME=value; nothing else is in the child's environment */
    const int *fds;          /* become 3, 4, …; stay open in the caller */
    size_t fd_count;
    int err_fd; /* becomes 2; -1: inherit ours */
};

struct child {
    pid_t pid; /* also the process group; 0: none */
    int pidfd; /* readable when it has ended */
};

struct child_exit {
    bool signalled;
    int code; /* exit status, or signal number */
    struct rusage usage;
};

/* posix_spawn with POSIX_SPAWN_SETPGROUP, then pidfd_open. */
int spawn_child(const struct spawn_request *request, struct child *ret, struct err *err);

/* Sends the signal to the process (by pidfd) and to its whole group. A process that is gone is no error. */
void child_signal(const struct child *c, int signal_number);

/* Without blocking: 1 and *ret when it has ended (reaped; pidfd closed, c reset), 0 while it runs, or an
 * error. */
int child_reap(struct child *c, struct child_exit *ret, struct err *err);

/* Path of a sibling program: beside this executable, or in ../libexec/platen. Malloced; ERR_NOTFOUND says
 * where it looked. */
int spawn_find_program(const char *name, char **ret_path, struct err *err);

#endif
