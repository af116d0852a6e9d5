/*
 * See supervise.h. A tick of 250 ms looks at the clocks and samples the memory; everything else is an event.
 * All that a worker says is checked by the decoders; what breaks a rule kills it. Its output counts only once
 * it is dead: nobody writes to a published file.
 */
#include "supervisor/sched/supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/sched/environment.h"
#include "supervisor/sched/errlog.h"

#define TICK_MS 250
#define FRAMES_A_TURN 32   /* so that a flood leaves the loop free for others */
#define LINGER_MS 2000     /* between its last frame and its exit */
#define WORKER_FIXED_FDS 4 /* input, output, control, engine: 3 to 6 */

enum worker_state { WORKER_RUNNING, WORKER_REPORTED, WORKER_TERMINATING, WORKER_KILLED };

struct worker {
    struct worker_spec spec; /* strings and arrays not kept */
    char name[64];
    enum worker_state state;
    struct child child;
    int control;
    uv_poll_t control_poll, pid_poll;
    uv_timer_t tick;
    int open_handles;
    struct errlog *errlog;
    int64_t started_ms, progress_ms, stop_ms;
    struct ipc_progress progress; /* the last */
    bool reported;                /* DONE or FAIL has come */
    bool is_done;
    struct ipc_done done;
    struct ipc_failure failure;
    uint64_t rss_bytes; /* last sampled */
    struct death death;
    char protocol_message[128];
    struct ipc_frame *frame; /* 64 KiB */
};

static void on_tick(uv_timer_t *timer);

/* ---- stopping ---- */

static void kill_now(struct worker *w)
{
    w->state = WORKER_KILLED;
    child_signal(&w->child, SIGKILL);
}

void worker_stop(struct worker *w, enum stop_reason reason)
{
    if (w->death.reason == STOP_NONE)
        w->death.reason = reason;
    if (w->state == WORKER_TERMINATING || w->state == WORKER_KILLED)
        return;
    if (reason == STOP_PROTOCOL || reason == STOP_LINGER) {
        kill_now(w);
        return;
    }
    if (reason == STOP_CANCEL && w->control >= 0)
        (void)ipc_send(w->control, IPC_WORKER_CANCEL, 0, 0, NULL, 0, -1, NULL); /* SIGTERM says the same */
    w->state = WORKER_TERMINATING;
    w->stop_ms = clock_mono_ms();
    child_signal(&w->child, SIGTERM);
    int64_t grace_ms = (int64_t)(w->spec.grace_s * 1000);
    if (grace_ms < TICK_MS)
        (void)uv_timer_start(&w->tick, on_tick, (uint64_t)MAX(grace_ms, 1), TICK_MS);
}

static void break_protocol(struct worker *w, const char *what)
{
    (void)snprintf(w->protocol_message, sizeof(w->protocol_message), "%s", what);
    worker_stop(w, STOP_PROTOCOL);
}

/* ---- the clocks ---- */

/* VmData of the process is what RLIMIT_DATA counts. */
static void sample_memory(struct worker *w)
{
    char path[40];
    char text[4096];
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)w->child.pid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1, &n, NULL) < 0)
        return; /* it may have just ended */
    text[n] = '\0';
    const char *line = strstr(text, "\nVmData:");
    uint64_t bytes = line ? strtoull(line + 8, NULL, 10) * 1024 : 0;
    w->death.data_peak_bytes = MAX(w->death.data_peak_bytes, bytes);
    line = strstr(text, "\nVmRSS:");
    w->rss_bytes = line ? strtoull(line + 7, NULL, 10) * 1024 : w->rss_bytes;
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    int64_t now = clock_mono_ms();
    switch (w->state) {
    case WORKER_RUNNING:
        sample_memory(w);
        if (w->spec.timeout_s > 0 && (double)(now - w->started_ms) > w->spec.timeout_s * 1000) {
            w->death.limit_s = w->spec.timeout_s;
            worker_stop(w, STOP_TIMEOUT);
        } else if (w->spec.no_progress_s > 0 &&
                   (double)(now - w->progress_ms) > w->spec.no_progress_s * 1000) {
            w->death.limit_s = w->spec.no_progress_s;
            worker_stop(w, STOP_STALLED);
        }
        break;
    case WORKER_REPORTED:
        if (now - w->stop_ms > LINGER_MS)
            worker_stop(w, STOP_LINGER);
        break;
    case WORKER_TERMINATING:
        if ((double)(now - w->stop_ms) >= w->spec.grace_s * 1000)
            kill_now(w);
        break;
    case WORKER_KILLED: /* again: a new member of its group may have escaped the first */
        child_signal(&w->child, SIGKILL);
        break;
    }
}

/* ---- its words ---- */

static void report(struct worker *w)
{
    sample_memory(w); /* while it is there */
    w->reported = true;
    if (w->state == WORKER_RUNNING) {
        w->state = WORKER_REPORTED;
        w->stop_ms = clock_mono_ms();
    }
}

static int take_progress(struct worker *w, const struct ipc_frame *f, struct err *err)
{
    struct ipc_progress p;
    int rc = ipc_decode_progress(f, &p, err);
    if (rc < 0)
        return rc;
    /* Only news push the clock on: a loop that repeats itself is no progress. */
    if (p.pages_done != w->progress.pages_done || p.pages_total != w->progress.pages_total ||
        strcmp(p.stage, w->progress.stage) != 0)
        w->progress_ms = clock_mono_ms();
    w->progress = p;
    w->spec.progress(w->spec.ctx, &p);
    return 0;
}

static int take_frame(struct worker *w, const struct ipc_frame *f, struct err *err)
{
    if (f->fd >= 0)
        return err_fail(err, ERR_FORMAT, "a descriptor that nobody asked for");
    if (w->reported)
        return err_fail(err, ERR_FORMAT, "a frame after the last one");
    int rc;
    switch (f->type) {
    case IPC_WORKER_PROGRESS: return take_progress(w, f, err);
    case IPC_WORKER_DONE:
        rc = ipc_decode_done(f, &w->done, err);
        w->is_done = rc == 0;
        break;
    case IPC_WORKER_FAIL:
        rc = ipc_decode_failure(f, &w->failure, err);
        if (rc == 0 && (w->failure.kind >= 0 || w->failure.kind <= -ERR_KIND_COUNT))
            rc = err_fail(err, ERR_FORMAT, "failure of kind %d", (int)w->failure.kind);
        break;
    default: return err_fail(err, ERR_FORMAT, "frame of type %u", f->type);
    }
    if (rc == 0)
        report(w);
    return rc;
}

/* Reads up to `turns` frames. False when nothing more can come. */
static bool read_frames(struct worker *w, int turns)
{
    while (turns-- > 0 && w->death.reason != STOP_PROTOCOL) {
        struct err err = ERR_INIT;
        int rc = ipc_recv(w->control, w->frame, &err);
        if (rc == ERR_BUSY)
            return true;
        if (rc == 1) {
            rc = take_frame(w, w->frame, &err);
            fd_closep(&w->frame->fd);
            if (rc == 0)
                continue;
            break_protocol(w, err.message);
            return false;
        }
        if (rc == ERR_FORMAT)
            break_protocol(w, err.message);
        return false; /* its end: the exit follows, or the clocks find it */
    }
    return w->death.reason != STOP_PROTOCOL;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0 || !read_frames(poll->data, FRAMES_A_TURN))
        (void)uv_poll_stop(poll);
}

/* ---- its end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct worker *w = handle->data;
    if (--w->open_handles > 0)
        return;
    free(w->frame);
    free(w);
}

static void check_output(struct worker *w)
{
    struct stat st;
    if (!w->is_done || w->death.reason == STOP_PROTOCOL)
        return;
    if (fstat(w->spec.output_fd, &st) < 0 || (uint64_t)st.st_size != w->done.output_bytes) {
        if (w->death.reason == STOP_NONE || w->death.reason == STOP_LINGER)
            w->death.reason = STOP_PROTOCOL;
        (void)snprintf(w->protocol_message, sizeof(w->protocol_message),
                       "the output is not as long as it said");
        return;
    }
    w->death.done = true;
}

static void finish(struct worker *w, pid_t pid, const struct child_exit *x)
{
    (void)read_frames(w, 1024); /* what it said before it died */
    check_output(w);
    w->death.exit = *x;
    w->death.data_limit_bytes = LIMIT_WORKER_DATA_BYTES;
    w->death.failure_kind = w->reported && !w->is_done ? w->failure.kind : 0;
    w->death.message = w->death.reason == STOP_PROTOCOL ? w->protocol_message : w->failure.message;
    struct worker_end end = {.done = w->done,
                             .exit = *x,
                             .pid = pid,
                             .rss_bytes = w->rss_bytes,
                             .lived_ms = clock_mono_ms() - w->started_ms};
    death_judge(&w->death, &end.verdict);
    errlog_end(w->errlog);
    uv_close((uv_handle_t *)&w->control_poll, on_closed);
    uv_close((uv_handle_t *)&w->pid_poll, on_closed);
    uv_close((uv_handle_t *)&w->tick, on_closed);
    fd_closep(&w->control);
    w->spec.ended(w->spec.ctx, &end);
}

static void on_exit_seen(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct worker *w = poll->data;
    struct err err = ERR_INIT;
    struct child_exit x = {0};
    pid_t pid = w->child.pid;
    child_signal(&w->child, SIGKILL); /* its group, while the dead leader still holds the number */
    (void)uv_poll_stop(poll);         /* before the reaping closes its descriptor */
    int ended = child_reap(&w->child, &x, &err);
    if (ended == 0) {
        (void)uv_poll_start(poll, UV_READABLE, on_exit_seen);
        return;
    }
    if (ended < 0) {
        log_error("worker %d: %s", (int)pid, err.message);
        fd_closep(&w->child.pidfd);
        x = (struct child_exit){.signalled = true, .code = SIGKILL};
    }
    finish(w, pid, &x);
}

/* ---- its start ---- */

static int spawn_worker(struct worker *w, int child_control, int err_fd, struct err *err)
{
    const struct worker_spec *s = &w->spec;
    size_t count = WORKER_FIXED_FDS + s->source_count;
    int *fds = xnew_array(int, count);
    const int fixed[WORKER_FIXED_FDS] = {s->input_fd, s->output_fd, child_control, s->engine_fd};
    memcpy(fds, fixed, sizeof(fixed));
    memcpy(fds + WORKER_FIXED_FDS, s->source_fds, s->source_count * sizeof(int));
    char parent[24];
    (void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
    const char *const argv[] = {"platen-worker", "--parent", parent, s->sandbox ? "--sandbox" : NULL,
                                s->sandbox,      NULL};
    struct environment env;
    environment_init(&env);
    const struct spawn_request q = {.program = s->program,
                                    .argv = argv,
                                    .env = env.vars,
                                    .fds = fds,
                                    .fd_count = count,
                                    .err_fd = err_fd};
    int rc = spawn_child(&q, &w->child, err);
    environment_done(&env);
    free(fds);
    return rc;
}

static int watch_worker(struct worker *w, struct uv_loop_s *loop, struct err *err)
{
    if (uv_poll_init(loop, &w->pid_poll, w->child.pidfd) != 0)
        return err_fail(err, ERR_IO, "watching the worker");
    w->control_poll.data = w->pid_poll.data = w->tick.data = w;
    w->open_handles = 3;
    (void)uv_timer_init(loop, &w->tick); /* the starts fail only on closing handles */
    (void)uv_poll_start(&w->control_poll, UV_READABLE, on_control);
    (void)uv_poll_start(&w->pid_poll, UV_READABLE, on_exit_seen);
    (void)uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    return 0;
}

/* The worker with its control socket, before the spawn. */
static int worker_new(struct uv_loop_s *loop, const struct worker_spec *spec, struct worker **ret,
                      int *ret_child_control, struct err *err)
{
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    struct worker *w = xnew(struct worker);
    w->spec = *spec;
    w->control = pair[0];
    (void)snprintf(w->name, sizeof(w->name), "worker %s", spec->task_id);
    rc = fd_set_nonblocking(pair[0], err);
    if (rc == 0 && uv_poll_init(loop, &w->control_poll, pair[0]) != 0)
        rc = err_fail(err, ERR_IO, "watching a socket");
    if (rc < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(w);
        return rc;
    }
    w->frame = xnew(struct ipc_frame);
    w->control_poll.data = w;
    w->started_ms = w->progress_ms = clock_mono_ms();
    *ret = w;
    *ret_child_control = pair[1];
    return 0;
}

int worker_start(struct uv_loop_s *loop, const struct worker_spec *spec, struct worker **ret, struct err *err)
{
    struct worker *w;
    int child_control = -1;
    int err_fd = -1;
    int rc = worker_new(loop, spec, &w, &child_control, err);
    if (rc < 0)
        return rc;
    rc = errlog_new(loop, w->name, &w->errlog, &err_fd, err);
    if (rc == 0)
        rc = spawn_worker(w, child_control, err_fd, err);
    if (rc == 0) {
        rc = watch_worker(w, loop, err);
        if (rc < 0) { /* it is not watched, so end it here; the stray reaper takes the corpse */
            child_signal(&w->child, SIGKILL);
            fd_closep(&w->child.pidfd);
        }
    }
    fd_closep(&err_fd);
    fd_closep(&child_control);
    if (rc < 0) {
        errlog_end(w->errlog);
        w->open_handles = 1;
        uv_close((uv_handle_t *)&w->control_poll, on_closed);
        fd_closep(&w->control);
        return rc;
    }
    log_debug("%s attempt=%d pid=%d started", w->name, spec->attempt, (int)w->child.pid);
    *ret = w;
    return 0;
}

pid_t worker_pid(const struct worker *w)
{
    return w->child.pid;
}
