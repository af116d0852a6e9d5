/*
 * Tries to get out of the worker's sandbox, one way at a time.
 *   escape_probe --list                    the names of all probes
 *   escape_probe MODE SECRET NAME...       MODE: worker, no-landlock (as on a kernel without it), engine,
 * bare SECRET is a file outside that nobody confined may read or change. Prints for each probe one line,
 * "NAME denied EPERM", "NAME denied SIGSYS", "NAME allowed" or "NAME reached ENOENT" (the kernel got as far
 * as looking at the arguments, which only counts as denied where the probe says so). Each runs in a child of
 * its own, and this program plays the supervisor. Nothing here does harm where it succeeds: the dangerous
 * calls get arguments that fail.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/limits.h"
#include "escape_acts.h"
#include "process/harden.h"
#include "process/sandbox_parts.h"

/* The same calls as the programs make, in the same order. */
static int confine(const char *mode, struct err *err)
{
    bool engine = strcmp(mode, "engine") == 0;
    const struct harden_limits worker = {.data_bytes = LIMIT_WORKER_DATA_BYTES,
                                         .file_bytes = LIMIT_OUTPUT_BYTES,
                                         .open_files = LIMIT_WORKER_OPEN_FILES,
                                         .alone = true};
    const struct harden_limits none = {0};
    const struct sandbox_policy policy = {.role = engine ? SANDBOX_ENGINE : SANDBOX_WORKER,
                                          .mode = SANDBOX_REQUIRED};
    struct sandbox_state state;
    int rc = harden_child(supervisor, engine ? &none : &worker, err);
    if (rc == 0 && strcmp(mode, "no-landlock") == 0)
        return sandbox_seccomp_apply(SANDBOX_WORKER, true, err);
    if (rc == 0)
        rc = sandbox_apply(&policy, &state, err);
    if (rc == 0 && !(state.facilities & SANDBOX_HAS_LANDLOCK))
        rc = err_fail(err, ERR_UNSUPPORTED, "no Landlock here");
    return rc;
}

static void run(const struct probe *p, const char *mode, int out)
{
    struct err err = ERR_INIT;
    if (strcmp(mode, "bare") != 0 && confine(mode, &err) < 0) {
        (void)dprintf(STDERR_FILENO, "%s\n", err.message);
        _exit(2);
    }
    int outcome = p->run();
    _exit(write(out, &outcome, sizeof(outcome)) == sizeof(outcome) ? 0 : 2);
}

static bool is_refusal(const struct probe *p, int outcome)
{
    return outcome == EPERM || outcome == EACCES || outcome == ENOSYS || (p->also && outcome == p->also);
}

static int attempt(const struct probe *p, const char *mode)
{
    int fds[2], status, outcome;
    if (pipe(fds) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        run(p, mode, fds[1]);
    }
    (void)close(fds[1]);
    bool told = pid > 0 && read(fds[0], &outcome, sizeof(outcome)) == sizeof(outcome);
    (void)close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 2;
    if (WIFSIGNALED(status))
        return printf("%s denied SIG%s\n", p->name, sigabbrev_np(WTERMSIG(status))) < 0;
    if (WEXITSTATUS(status) == 2)
        return 2;
    if (!told || outcome == 0) /* not told: another program has taken its place */
        return printf("%s allowed\n", p->name) < 0;
    return printf("%s %s %s\n", p->name, is_refusal(p, outcome) ? "denied" : "reached",
                  strerrorname_np(outcome)) < 0;
}

/* Something to connect to, so that a probe that gets through succeeds. */
static int make_targets(void)
{
    socklen_t length = sizeof(tcp_address);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tcp_address.sin_family = AF_INET;
    tcp_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    abstract_address.sun_family = AF_UNIX;
    int n = snprintf(abstract_address.sun_path + 1, sizeof(abstract_address.sun_path) - 1, "escape-probe-%d",
                     (int)supervisor);
    abstract_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (bind(tcp, (struct sockaddr *)&tcp_address, length) < 0 || listen(tcp, 8) < 0 ||
        getsockname(tcp, (struct sockaddr *)&tcp_address, &length) < 0 ||
        bind(local, (struct sockaddr *)&abstract_address, abstract_length) < 0 || listen(local, 8) < 0)
        return 2;
    return 0;
}

static const struct probe *find(const char *name)
{
    for (size_t i = 0; i < probe_count; i++)
        if (strcmp(probes[i].name, name) == 0)
            return &probes[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < probe_count; i++)
            (void)printf("%s%s\n", probes[i].name, probes[i].worker_only ? " worker" : "");
        return 0;
    }
    supervisor = getpid();
    if (argc < 4 || make_targets() != 0)
        return 2;
    secret = argv[2];
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 3; i < argc; i++) {
        const struct probe *p = find(argv[i]);
        int rc = p ? attempt(p, argv[1]) : 2;
        if (rc != 0)
            return rc;
    }
    return 0;
}
