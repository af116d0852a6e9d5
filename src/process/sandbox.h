/*
 * The sandbox that a child program puts on itself: Landlock for files, TCP and signals, a seccomp filter for
 * system calls. To be called once, after harden_child, while the process has one thread, with its libraries
 * loaded and before the first input byte. It cannot be taken off.
 */
#ifndef PLATEN_PROCESS_SANDBOX_H
#define PLATEN_PROCESS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * The sanitizers attach by ptrace, read /proc and start helpers: in their builds the system call filter is
 * left out, and /proc stays readable.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#else
#define SANDBOX_SANITIZED 0
#endif

enum sandbox_mode {
    SANDBOX_OFF,
    SANDBOX_BEST_EFFORT, /* what the kernel has; less is no error */
    SANDBOX_REQUIRED, /* no new privileges, limits and the filter must hold; Landlock where the kernel has it
                       */
};

enum sandbox_role {
    SANDBOX_WORKER, /* one thread, opens nothing for writing, makes no code */
    SANDBOX_ENGINE, /* threads, generated code, files in its cache folder */
};

struct sandbox_path {
    const char *path; /* a file, or a folder with all below it; one that does not exist is left out */
    bool writable;
};

struct sandbox_policy {
    enum sandbox_role role;
    enum sandbox_mode mode;
    /*
     * Besides what the role always has (fonts or topology) and the folders of the loaded libraries, from
     * which more may be loaded. What a readable folder links to can be read too.
     */
    const struct sandbox_path *paths;
    size_t path_count;
};

/* What can hold. The order is that of the text (sandbox_facility_name). */
enum sandbox_facility {
    SANDBOX_HAS_NO_NEW_PRIVS = 1 << 0,
    SANDBOX_HAS_RLIMIT = 1 << 1,
    SANDBOX_HAS_SECCOMP = 1 << 2,
    SANDBOX_HAS_LANDLOCK = 1 << 3, /* files */
    SANDBOX_HAS_NET = 1 << 4,      /* Landlock from ABI 4: TCP */
    SANDBOX_HAS_SCOPE = 1 << 5,    /* Landlock from ABI 6: abstract sockets, signals */
    SANDBOX_HAS_NO_DUMP = 1 << 6,
    SANDBOX_HAS_OOM_ADJ = 1 << 7,
    SANDBOX_HAS_CGROUP2 = 1 << 8, /* found writable, with the memory controller */
};
#define SANDBOX_FACILITY_COUNT 9
#define SANDBOX_MUST_HAVE (SANDBOX_HAS_NO_NEW_PRIVS | SANDBOX_HAS_RLIMIT | SANDBOX_HAS_SECCOMP)

struct sandbox_state {
    unsigned facilities; /* of those that sandbox_apply puts on: the first six without RLIMIT */
    int landlock_abi;    /* 0: the kernel has none */
};

/*
 * Returns 0 and what holds now. Where Landlock is missing, the worker's filter refuses to open anything at
 * all, so that it reads no file either way. ERR_UNSUPPORTED (mode required) when the filter cannot be put on;
 * ERR_BUG when the process has several threads already.
 */
int sandbox_apply(const struct sandbox_policy *policy, struct sandbox_state *ret, struct err *err);

/* "required", "best_effort" or "off"; false for anything else. */
bool sandbox_mode_of_name(const char *name, enum sandbox_mode *ret);
const char *sandbox_mode_name(enum sandbox_mode mode);
const char *sandbox_facility_name(unsigned index); /* 0 … SANDBOX_FACILITY_COUNT - 1 */

#endif
