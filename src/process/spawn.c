/*
 * See spawn.h. posix_spawn costs the same at any size of the parent (it is vfork underneath) and runs no code
 * of ours between fork and exec; what it cannot do (limits, death signal), the child's own main does first
 * (harden.h). pidfd_open right after is safe: the pid cannot be reused before we have reaped it, and only
 * child_reap reaps.
 */
#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define FIRST_FD 3
#define FD_PARK                                                                                              \
    200 /* above any target; sources are duplicated here first so that targets cannot clobber them */
#define MAX_FDS 100

/* Duplicates each fd to a high number (CLOEXEC), then the file actions dup2 these down to 3, 4, …. */
static int park_fds(const struct spawn_request *q, int *parked, struct err *err)
{
    for (size_t i = 0; i < q->fd_count; i++) {
        parked[i] = fcntl(q->fds[i], F_DUPFD_CLOEXEC, FD_PARK);
        if (parked[i] < 0) {
            int rc = err_errno(err, "duplicating descriptor %d", q->fds[i]);
            while (i-- > 0)
                (void)close(parked[i]);
            return rc;
        }
    }
    return 0;
}

static int add_actions(posix_spawn_file_actions_t *a, const struct spawn_request *q, const int *parked)
{
    int rc = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(a, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (q->err_fd >= 0)
        rc = rc ? rc : posix_spawn_file_actions_adddup2(a, q->err_fd, STDERR_FILENO);
    for (size_t i = 0; i < q->fd_count; i++)
        rc = rc ? rc : posix_spawn_file_actions_adddup2(a, parked[i], FIRST_FD + (int)i);
    /* What is not listed closes, also descriptors that a library opened without CLOEXEC. */
    return rc ? rc : posix_spawn_file_actions_addclosefrom_np(a, FIRST_FD + (int)q->fd_count);
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int rc = posix_spawnattr_setflags(attr,
                                      POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnattr_setpgroup(attr, 0);
    rc = rc ? rc : posix_spawnattr_setsigdefault(attr, &all);
    return rc ? rc : posix_spawnattr_setsigmask(attr, &none);
}

static int spawn_with(const struct spawn_request *q, const int *parked, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    int rc = add_actions(&actions, q, parked);
    rc = rc ? rc : set_attributes(&attr);
    char *const *argv = NULL, *const
                                  *env = NULL; /* posix_spawn takes them without const, and does not write */
    memcpy(&argv, &q->argv, sizeof(argv));
    memcpy(&env, &q->env, sizeof(env));
    rc = rc ? rc : posix_spawn(ret_pid, q->program, &actions, &attr, argv, env);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int spawn_child(const struct spawn_request *q, struct child *ret, struct err *err)
{
    int parked[MAX_FDS];
    if (q->fd_count > MAX_FDS)
        return err_fail(err, ERR_LIMIT, "%zu descriptors for a child, at most %d", q->fd_count, MAX_FDS);
    int rc = park_fds(q, parked, err);
    if (rc < 0)
        return rc;
    pid_t pid = 0;
    int failed = spawn_with(q, parked, &pid);
    for (size_t i = 0; i < q->fd_count; i++)
        (void)close(parked[i]);
    if (failed) {
        errno = failed;
        return err_errno(err, "starting %s", q->program);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        rc = err_errno(err, "pidfd_open");
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return rc;
    }
    *ret = (struct child){pid, pidfd};
    return 0;
}

void child_signal(const struct child *c, int signal_number)
{
    if (c->pid <= 0)
        return;
    /* Both may fail with ESRCH when all are gone, which is what we want. */
    (void)syscall(SYS_pidfd_send_signal, c->pidfd, signal_number, NULL, 0);
    (void)kill(-c->pid, signal_number);
}

int child_reap(struct child *c, struct child_exit *ret, struct err *err)
{
    siginfo_t info = {0};
    struct child_exit e = {0};
    /* The raw call: glibc's waitid has no rusage. */
    if (syscall(SYS_waitid, P_PIDFD, c->pidfd, &info, WEXITED | WNOHANG, &e.usage) < 0)
        return err_errno(err, "waitid of %d", (int)c->pid);
    if (info.si_pid == 0)
        return 0;
    e.signalled = info.si_code != CLD_EXITED;
    e.code = info.si_status;
    (void)close(c->pidfd);
    *c = (struct child){0, -1};
    *ret = e;
    return 1;
}

int spawn_find_program(const char *name, char **ret_path, struct err *err)
{
    char *dir = exe_dir();
    char *beside = xasprintf("%s/%s", dir, name);
    char *libexec = xasprintf("%s/../libexec/platen/%s", dir, name);
    int rc = 0;
    if (access(beside, X_OK) == 0)
        *ret_path = take_ptr(&beside);
    else if (access(libexec, X_OK) == 0)
        *ret_path = take_ptr(&libexec);
    else
        rc = err_fail(err, ERR_NOTFOUND, "no program %s beside %s or in %s/../libexec/platen", name, dir,
                      dir);
    free(beside);
    free(libexec);
    free(dir);
    return rc;
}
