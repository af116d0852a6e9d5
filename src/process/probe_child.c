/*
 * The child's side of the probe: for each facility a fork that applies it and then tries what it forbids.
 * Runs in a small program that has just started (one thread, no document), never in the supervisor. A fork
 * that cannot even be made counts as a facility that does not hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdio.h"
#include "process/harden.h"
#include "process/probe.h"
#include "process/sandbox_parts.h"

#define TRIAL_DATA_BYTES (64ull << 20)
#define TRIAL_FILES 32

/* Each returns true when the forbidden act failed as it must. They run in a process of their own. */

static bool try_no_new_privs(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool try_no_dump(void)
{
    return prctl(PR_GET_DUMPABLE) == 0 || SANDBOX_SANITIZED;
}

static bool try_rlimit(void)
{
    bool files_end = false;
    for (int i = 0; i <= TRIAL_FILES && !files_end; i++)
        files_end = dup(STDERR_FILENO) < 0 && errno == EMFILE;
    if (!files_end || SANDBOX_SANITIZED)
        return files_end;
    return mmap(NULL, 2 * TRIAL_DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
}

static bool try_oom_adj(void)
{
    char text[8] = "";
    size_t len = 0;
    CLEANUP(fd_closep) int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fd_read_full(fd, text, sizeof(text) - 1, &len, NULL) == 0 &&
           strcmp(text, "1000\n") == 0;
}

static bool try_landlock(void)
{
    static const struct sandbox_policy policy = {.role = SANDBOX_WORKER};
    if (sandbox_landlock_apply(&policy, sandbox_landlock_abi(), NULL) < 0)
        return false;
    bool folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES;
    /* Where nothing may be written EROFS or ENOENT would come in place of EACCES: only success is failure. */
    bool file = open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) < 0;
    return folder && file;
}

/* Must end by SIGSYS, after a call that is merely refused has been refused: see holds_seccomp. */
static bool try_seccomp(void)
{
    if (sandbox_seccomp_apply(SANDBOX_WORKER, false, NULL) < 0)
        return false;
    if (kill(getppid(), 0) == 0 || errno != EPERM || syscall(SYS_clone3, NULL, 0) == 0 || errno != ENOSYS)
        return false;
    (void)socket(AF_INET, SOCK_STREAM, 0);
    return false; /* still here */
}

/* The status of a fork that hardens itself and then runs the trial; -1 when it could not be made. */
static int run(bool (*trial)(void))
{
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        const struct harden_limits limits = {.data_bytes = TRIAL_DATA_BYTES, .open_files = TRIAL_FILES};
        bool hardened = harden_child(self, &limits, NULL) == 0;
        _exit(hardened && trial() ? 0 : 1);
    }
    int status;
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static bool holds(bool (*trial)(void))
{
    int status = run(trial);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool holds_seccomp(void)
{
    int status = SANDBOX_SANITIZED ? -1 : run(try_seccomp);
    return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

/* Our control group is of version 2, can be written, and has the memory controller. */
static bool has_cgroup2(void)
{
    struct buf b = BUF_INIT(16384);
    char path[4200] = "", name[4300];
    if (file_read_all("/proc/self/cgroup", &b, NULL) == 0) {
        const char *line = strstr(buf_str(&b), "0::");
        if (line && (line == b.data || line[-1] == '\n'))
            (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s", (int)MIN(strcspn(line + 3, "\n"), 4096u),
                           line + 3);
    }
    buf_reset(&b);
    bool ret = false;
    (void)snprintf(name, sizeof(name), "%s/cgroup.subtree_control", path);
    if (*path && access(name, W_OK) == 0) {
        (void)snprintf(name, sizeof(name), "%s/cgroup.controllers", path);
        ret = file_read_all(name, &b, NULL) == 0 && strstr(buf_str(&b), "memory") != NULL;
    }
    buf_done(&b);
    return ret;
}

int sandbox_probe_run(int fd)
{
    struct sandbox_report r = {
        .mode = SANDBOX_REQUIRED, .sanitized = SANDBOX_SANITIZED, .landlock_abi = sandbox_landlock_abi()};
    r.facilities |= holds(try_no_new_privs) ? SANDBOX_HAS_NO_NEW_PRIVS : 0;
    r.facilities |= holds(try_rlimit) ? SANDBOX_HAS_RLIMIT : 0;
    r.facilities |= holds(try_no_dump) ? SANDBOX_HAS_NO_DUMP : 0;
    r.facilities |= holds(try_oom_adj) ? SANDBOX_HAS_OOM_ADJ : 0;
    r.facilities |= holds_seccomp() ? SANDBOX_HAS_SECCOMP : 0;
    if (r.landlock_abi > 0 && holds(try_landlock)) {
        r.facilities |= SANDBOX_HAS_LANDLOCK;
        r.facilities |= r.landlock_abi >= 4 ? SANDBOX_HAS_NET : 0;
        r.facilities |= r.landlock_abi >= 6 ? SANDBOX_HAS_SCOPE : 0;
    }
    r.facilities |= has_cgroup2() ? SANDBOX_HAS_CGROUP2 : 0;
    sandbox_report_print(&r);
    return fd_write_all(fd, r.text, strlen(r.text), NULL) == 0 && fd_write_all(fd, "\n", 1, NULL) == 0 ? 0
                                                                                                       : 1;
}
