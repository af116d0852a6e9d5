/*
 * See sandbox.h. Order: Landlock first (it needs to open paths), the filter last (it forbids to change
 * either). What one half cannot hold the other does as far as it can: without Landlock the worker's filter
 * closes open() altogether, and both forbid sockets.
 */
#include "process/sandbox.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "process/sandbox_parts.h"

static const char *const mode_names[] = {"off", "best_effort", "required"};

static const char *const facility_names[SANDBOX_FACILITY_COUNT] = {
    "nnp", "rlimit", "seccomp", "landlock", "net", "scope", "nodump", "oomadj", "cgroup2"};

bool sandbox_mode_of_name(const char *name, enum sandbox_mode *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *ret = (enum sandbox_mode)i;
            return true;
        }
    }
    return false;
}

const char *sandbox_mode_name(enum sandbox_mode mode)
{
    return mode_names[mode];
}

const char *sandbox_facility_name(unsigned index)
{
    return facility_names[index];
}

/* Landlock binds the calling thread only, and a thread that was there before would stay free. */
static int check_single_thread(struct err *err)
{
    struct stat st;
    if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3) /* ".", "..", one per thread */
        return err_fail(err, ERR_BUG, "the sandbox was asked for with %lu threads running",
                        (unsigned long)st.st_nlink - 2);
    return 0;
}

static void apply_landlock(const struct sandbox_policy *p, struct sandbox_state *s)
{
    s->landlock_abi = sandbox_landlock_abi();
    if (s->landlock_abi <= 0 || sandbox_landlock_apply(p, s->landlock_abi, NULL) < 0) {
        s->landlock_abi = 0; /* best effort in every mode: the state says so, and the filter closes open() */
        return;
    }
    s->facilities |= SANDBOX_HAS_LANDLOCK;
    if (s->landlock_abi >= 4)
        s->facilities |= SANDBOX_HAS_NET;
    if (s->landlock_abi >= 6)
        s->facilities |= SANDBOX_HAS_SCOPE;
}

int sandbox_apply(const struct sandbox_policy *policy, struct sandbox_state *ret, struct err *err)
{
    struct sandbox_state s = {0};
    if (policy->mode == SANDBOX_OFF) {
        *ret = s;
        return 0;
    }
    int rc = check_single_thread(err);
    if (rc < 0)
        return rc;
    tzset(); /* reads /etc/localtime while that can be opened */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        s.facilities |= SANDBOX_HAS_NO_NEW_PRIVS;
    apply_landlock(policy, &s);
    if (!SANDBOX_SANITIZED) {
        bool no_open = policy->role == SANDBOX_WORKER && s.landlock_abi == 0;
        rc = sandbox_seccomp_apply(policy->role, no_open, err);
        if (rc == 0)
            s.facilities |= SANDBOX_HAS_SECCOMP;
        else if (policy->mode == SANDBOX_REQUIRED)
            return rc;
    }
    *ret = s;
    return 0;
}
