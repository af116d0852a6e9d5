/*
 * See zygote.h. What makes the fork sound (tests/process/test_zygote.py tries it hundreds of times):
 *
 * - This code makes no thread. The runtime has some of its own (OpenVINO keeps two a model), but with one
 *   stream a model they only wait; before each fork we see in /proc that all of them sleep, so that none
 *   holds a lock that the child would never get.
 * - The zygote runs no inference: what the runtime makes at the first run is made in the child.
 * - A child never frees what it inherited and ends by _exit.
 *
 * Invariant: between the fork and the return in the child nothing is used that another child or the
 * supervisor owns: the inherited control socket and signal descriptor are closed first.
 */
#include "engine/zygote/zygote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/models/manifest.h"
#include "ipc/messages.h"
#include "process/harden.h"
#include "process/stat.h"

#define QUIET_WAIT_MS 500 /* for the runtime's threads to fall asleep; they need a few after a load */

struct living {
    pid_t pid; /* 0: free */
    uint32_t id;
};

struct zygote {
    struct zygote_options o;
    int signal_fd;
    sigset_t old_mask;
    struct living children[ZYGOTE_MAX_CHILDREN];
    size_t next_load;
    struct ipc_frame frame;
};

/* ---- is it safe to fork? ---- */

/* The state letter in /proc/self/task/TID/stat; 'X' when the thread has gone. */
static char thread_state(const char *tid)
{
    char path[64], text[256];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", tid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1, &n, NULL) < 0)
        return 'X';
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : 'X';
}

static bool others_sleep(struct err *err, int *ret)
{
    DIR *d = opendir("/proc/self/task");
    if (d == NULL) {
        *ret = err_errno(err, "/proc/self/task");
        return false;
    }
    char self[24];
    (void)snprintf(self, sizeof(self), "%d", (int)getpid());
    bool all = true;
    for (const struct dirent *e; all && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, self) == 0)
            continue;
        char state = thread_state(e->d_name);
        all = state == 'S' || state == 'X';
    }
    (void)closedir(d);
    *ret = 0;
    return all;
}

static int wait_quiet(struct err *err)
{
    int64_t end_ms = clock_mono_ms() + QUIET_WAIT_MS;
    int r = 0;
    while (!others_sleep(err, &r)) {
        if (r < 0)
            return r;
        if (clock_mono_ms() > end_ms)
            return err_fail(err, ERR_BUSY, "the inference runtime does not come to rest");
        (void)poll(NULL, 0, 1);
    }
    return 0;
}

/* ---- a child ---- */

static uint64_t start_ticks_of(pid_t pid)
{
    struct process_stat stat;
    return process_stat_read(pid, &stat) ? stat.start_ticks : 0;
}

/* Runs in the child. */
static int become_engine(const struct zygote *z, const struct ipc_zygote_fork *ask, pid_t parent, int control,
                         struct zygote_child *ret, struct err *err)
{
    int fd = z->o.control_fd;
    fd_closep(&fd);
    fd = z->signal_fd;
    fd_closep(&fd);
    (void)sigprocmask(SIG_SETMASK, &z->old_mask, NULL);
    if (setpgid(0, (pid_t)ask->group) < 0)
        return err_errno(err, "joining the process group %u", ask->group); /* the task has ended already */
    const struct harden_limits limits = {0};
    int r = harden_child(parent, &limits, err); /* what dies with the parent must be asked for anew */
    if (r < 0)
        return r;
    *ret = (struct zygote_child){.control_fd = control, .lanes = MIN((int)ask->lanes, z->o.lanes)};
    return 1;
}

static struct living *free_slot(struct zygote *z)
{
    for (size_t i = 0; i < ARRAY_LEN(z->children); i++)
        if (z->children[i].pid == 0)
            return &z->children[i];
    return NULL;
}

static int tell_child(struct zygote *z, uint32_t id, pid_t pid, struct err *err)
{
    /* Before it is reaped its number cannot be another's; the descriptor keeps that true for the supervisor.
     */
    CLEANUP(fd_closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return err_errno(err, "pidfd_open");
    const struct ipc_zygote_child m = {.pid = (uint32_t)pid, .start_ticks = start_ticks_of(pid)};
    size_t len = ipc_encode_zygote_child(&m, z->frame.payload);
    return ipc_send(z->o.control_fd, IPC_ZYGOTE_CHILD, 0, id, z->frame.payload, len, pidfd, err);
}

static int refuse(const struct zygote *z, uint32_t id, const struct err *why, struct err *err)
{
    log_warning("no child: %s", why->message);
    return ipc_send_refusal(z->o.control_fd, id, why, err);
}

/* 1: we are the child. 0: served, or refused. */
static int fork_child(struct zygote *z, uint32_t id, int control, struct zygote_child *ret, struct err *err)
{
    struct ipc_zygote_fork ask;
    int r = ipc_decode_zygote_fork(&z->frame, &ask, err);
    if (r < 0)
        return r;
    struct err why = ERR_INIT;
    struct living *slot = free_slot(z);
    r = slot == NULL ? err_fail(&why, ERR_LIMIT, "more than %d children", ZYGOTE_MAX_CHILDREN) : 0;
    if (r == 0)
        r = wait_quiet(&why);
    pid_t parent = getpid();
    pid_t pid = r == 0 ? fork() : -1;
    if (r == 0 && pid < 0)
        r = err_errno(&why, "fork");
    if (r < 0)
        return refuse(z, id, &why, err);
    if (pid == 0)
        return become_engine(z, &ask, parent, control, ret, err);
    *slot = (struct living){pid, id};
    (void)setpgid(pid, (pid_t)ask.group); /* the child does the same; whoever is first */
    return tell_child(z, id, pid, err);
}

/* ---- the zygote ---- */

static int reap(struct zygote *z, struct err *err)
{
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0)
            return 0;
        struct ipc_zygote_gone m = {
            .pid = (uint32_t)pid,
            .signalled = WIFSIGNALED(status),
            .code = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
            .peak_bytes = (uint64_t)usage.ru_maxrss * 1024};
        for (size_t i = 0; i < ARRAY_LEN(z->children); i++) {
            if (z->children[i].pid != pid)
                continue;
            z->children[i].pid = 0;
            size_t len = ipc_encode_zygote_gone(&m, z->frame.payload);
            int r = ipc_send(z->o.control_fd, IPC_ZYGOTE_GONE, 0, z->children[i].id, z->frame.payload, len,
                             -1, err);
            if (r < 0)
                return r;
        }
    }
}

/* As zygote_run; 2: go on. */
static int serve_control(struct zygote *z, struct zygote_child *ret, struct err *err)
{
    int r = ipc_recv(z->o.control_fd, &z->frame, err);
    if (r == ERR_CRASH)
        return 0;
    if (r <= 0)
        return r;
    int fd = z->frame.fd;
    if (z->frame.type != IPC_ZYGOTE_FORK) {
        fd_closep(&fd);
        return err_fail(err, ERR_FORMAT, "the supervisor sent a message of type %u", z->frame.type);
    }
    r = fork_child(z, z->frame.id, fd, ret, err);
    if (r == 1)
        return 1;
    fd_closep(&fd);
    return r == 0 ? 2 : r == ERR_CRASH ? 0 : r;
}

/* One model. A model that cannot be loaded is the children's to report: they try again when they need it. */
static void load_next(struct zygote *z)
{
    enum model_role role = z->o.preload[z->next_load++];
    struct err err = ERR_INIT;
    if (models_preload(z->o.models, role, &err) < 0)
        log_warning("%s is not loaded: %s", manifest_role_name(role), err.message);
    if (z->next_load == z->o.preload_count)
        (void)malloc_trim(0); /* what the loading needed: every fork would copy its page tables */
}

static int open_signals(struct zygote *z, struct err *err)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, &z->old_mask) < 0)
        return err_errno(err, "sigprocmask");
    z->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return z->signal_fd < 0 ? err_errno(err, "signalfd") : 0;
}

static int loop(struct zygote *z, struct zygote_child *ret, struct err *err)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = z->o.control_fd, .events = POLLIN},
                               {.fd = z->signal_fd, .events = POLLIN}};
        bool loading = z->next_load < z->o.preload_count;
        if (poll(fds, ARRAY_LEN(fds), loading ? 0 : -1) < 0 && errno != EINTR)
            return err_errno(err, "poll");
        struct signalfd_siginfo info;
        while (fds[1].revents != 0 && read(z->signal_fd, &info, sizeof(info)) > 0)
            continue; /* one signal may stand for many */
        int r = fds[1].revents != 0 ? reap(z, err) : 0;
        if (r < 0)
            return r == ERR_CRASH ? 0 : r;
        if (fds[0].revents != 0) {
            r = serve_control(z, ret, err);
            if (r != 2)
                return r;
        } else if (loading) {
            load_next(z);
        }
    }
}

int zygote_run(const struct zygote_options *o, struct zygote_child *ret, struct err *err)
{
    struct zygote *z = xnew(struct zygote); /* the process ends with it */
    z->o = *o;
    int r = open_signals(z, err);
    if (r == 0)
        r = ipc_send(o->control_fd, IPC_ENGINE_READY, 0, 0, NULL, 0, -1, err);
    if (r == ERR_CRASH)
        return 0;
    return r == 0 ? loop(z, ret, err) : r;
}
