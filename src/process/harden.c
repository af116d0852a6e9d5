/*
 * See harden.h. PR_SET_PDEATHSIG is lost if the parent dies between fork and prctl: hence the check of
 * getppid() after it. The signal fires when the thread that spawned us ends, so only the supervisor's main
 * thread spawns.
 */
#include "process/harden.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fdio.h"

/*
 * AddressSanitizer reserves terabytes of private memory, and its leak check attaches by ptrace: under it a
 * data limit and the dumpable flag would end every child.
 */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static int set_limit(__rlimit_resource_t resource, uint64_t value, const char *name, struct err *err)
{
    struct rlimit old;
    if (getrlimit(resource, &old) < 0)
        return err_errno(err, "getrlimit %s", name);
    rlim_t v = (rlim_t)value;
    if (old.rlim_max != RLIM_INFINITY && old.rlim_max < v)
        v = old.rlim_max; /* already stricter */
    struct rlimit want = {v, v};
    if (setrlimit(resource, &want) < 0)
        return err_errno(err, "setrlimit %s", name);
    return 0;
}

static int set_limits(const struct harden_limits *l, struct err *err)
{
    int rc = set_limit(RLIMIT_CORE, 0, "core", err); /* core dumps hold documents */
    if (rc == 0 && l->data_bytes && !sanitized)
        rc = set_limit(RLIMIT_DATA, l->data_bytes, "data", err);
    if (rc == 0 && l->file_bytes) {
        (void)signal(SIGXFSZ, SIG_IGN); /* write then fails with EFBIG, which is a typed error */
        rc = set_limit(RLIMIT_FSIZE, l->file_bytes, "fsize", err);
    }
    if (rc == 0 && l->cpu_seconds)
        rc = set_limit(RLIMIT_CPU, l->cpu_seconds, "cpu", err);
    if (rc == 0 && l->open_files)
        rc = set_limit(RLIMIT_NOFILE, l->open_files, "nofile", err);
    if (rc == 0 && l->alone && !sanitized) /* the leak check is a process */
        rc = set_limit(RLIMIT_NPROC, 1, "nproc", err);
    if (rc == 0) /* no child of ours uses message queues */
        rc = set_limit(RLIMIT_MSGQUEUE, 0, "msgqueue", err);
    return rc;
}

/* The kernel's out-of-memory killer takes children before the supervisor. Raising is allowed to everybody. */
static void offer_to_oom_killer(void)
{
    CLEANUP(fd_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)fd_write_all(fd, "1000", 4, NULL); /* without /proc there is nothing to adjust */
}

int harden_child(pid_t expected_parent, const struct harden_limits *limits, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_errno(err, "PR_SET_PDEATHSIG");
    if (getppid() != expected_parent)
        return err_fail(err, ERR_CRASH, "the parent is gone");
    (void)signal(SIGPIPE, SIG_IGN);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "PR_SET_NO_NEW_PRIVS");
    offer_to_oom_killer();
    /* Not dumpable: another process of the same user cannot attach or read our memory. */
    if (!sanitized && prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, "PR_SET_DUMPABLE");
    return set_limits(limits, err);
}
