/* The table of system calls behind the filter, for sandbox_seccomp.c and its tests. */
#ifndef PLATEN_PROCESS_SANDBOX_CALLS_H
#define PLATEN_PROCESS_SANDBOX_CALLS_H

#include <stddef.h>

enum sandbox_verdict {
    NOSYS, /* as if the kernel did not have it */
    ALLOW,
    DENY,    /* EPERM */
    KILL,    /* SIGSYS for the whole process */
    PRETEND, /* answers 0 and does nothing */
    /* by argument; what does not fit gets EPERM */
    IF_OWN_PID,     /* the first is our pid */
    IF_SELF,        /* the first is 0 */
    IF_THREAD,      /* clone: a thread, no process and no namespace */
    IF_FCNTL,       /* nothing that makes the kernel signal others */
    IF_IOCTL,       /* questions only */
    IF_PRCTL,       /* names of threads and mappings */
    IF_QUERY,       /* prlimit64: of ourselves, and without a new value */
    IF_READING,     /* openat: for reading; EACCES when files are closed altogether */
    IF_READING_OLD, /* open: the same, flags are the second argument */
    IF_NOT_CODE,    /* mprotect: not PROT_EXEC */
    IF_FILE_CODE,   /* mmap: PROT_EXEC only for a file, and not writable */
    IF_CONNECTED,   /* sendto: no address */
};

struct sandbox_call {
    int number;
    const char *name;
    enum sandbox_verdict worker, engine;
};

extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_call_count;

#endif
