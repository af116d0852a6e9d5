/* See engine_process.h. The object lives until its process is reaped and its handles are closed. */
#include "supervisor/sched/engine_process.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "process/spawn.h"
#include "supervisor/sched/environment.h"
#include "supervisor/sched/errlog.h"

#define FRAMES_A_TURN 64
/* In the order in which a page needs them, so that a child which is forked early finds the first ones. */
#define ZYGOTE_MODELS "orientation,det_tiny,rec_tiny,layout,rec_small,table"

struct engine_process {
    struct engine_process_spec spec;
    struct child child;
    pid_t pid; /* also after the reaping */
    int control;
    uv_poll_t *control_poll; /* closed together with control */
    uv_poll_t pid_poll;
    uv_timer_t kill_timer;
    int open_handles;
    struct errlog *errlog;
    bool ready, leaving, lost;
    int64_t started_ms;
    char death[ERR_MESSAGE_BYTES];
    struct ipc_frame frame; /* 64 KiB: not on the stack */
};

/* ---- watches ---- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

int watched_new(struct uv_loop_s *loop, int fd, void *data, uv_poll_t **ret, struct err *err)
{
    uv_poll_t *handle = xnew(uv_poll_t);
    if (uv_poll_init(loop, handle, fd) != 0) {
        free(handle);
        return err_fail(err, ERR_IO, "watching a socket");
    }
    handle->data = data;
    *ret = handle;
    return 0;
}

void watched_close(uv_poll_t **watch, int *fd)
{
    if (*watch)
        uv_close((uv_handle_t *)take_ptr(watch), free_handle);
    fd_closep(fd);
}

/* ---- its end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct engine_process *e = handle->data;
    if (--e->open_handles == 0)
        free(e);
}

/* No more requests; the control socket is its lifeline. */
static void lose(struct engine_process *e)
{
    watched_close(&e->control_poll, &e->control);
    if (e->lost)
        return;
    e->lost = true;
    e->spec.lost(e->spec.ctx);
}

static void on_kill_timer(uv_timer_t *timer)
{
    const struct engine_process *e = timer->data;
    log_warning("%s %d did not leave in time: killed", e->spec.name, (int)e->pid);
    child_signal(&e->child, SIGKILL);
}

void engine_process_retire(struct engine_process *e, double grace_s)
{
    if (grace_s <= 0) {
        child_signal(&e->child, SIGKILL);
    } else if (!e->leaving) {
        (void)uv_timer_start(&e->kill_timer, on_kill_timer, (uint64_t)(grace_s * 1000) + 1, 0);
        child_signal(&e->child, SIGTERM);
    }
    e->leaving = true;
    lose(e);
}

static void describe_death(struct engine_process *e, const struct child_exit *x)
{
    char *what = x->signalled ? xasprintf("the %s died (SIG%s)", e->spec.name, sigabbrev_np(x->code))
                              : xasprintf("the %s ended with status %d", e->spec.name, x->code);
    const char *last = errlog_last(e->errlog);
    (void)snprintf(e->death, sizeof(e->death), "%s%s%s%s", what, e->ready ? "" : " before it was ready",
                   *last ? ": " : "", last);
    log_warning("%s", e->death);
    free(what);
}

static void on_exit_seen(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct engine_process *e = poll->data;
    struct err err = ERR_INIT;
    struct child_exit x = {0};
    child_signal(&e->child, SIGKILL); /* whatever it may have left in its group */
    (void)uv_poll_stop(poll);         /* before the reaping closes its descriptor */
    int ended = child_reap(&e->child, &x, &err);
    if (ended == 0) {
        (void)uv_poll_start(poll, UV_READABLE, on_exit_seen);
        return;
    }
    if (ended < 0) {
        log_error("%s %d: %s", e->spec.name, (int)e->pid, err.message);
        fd_closep(&e->child.pidfd);
    } else if (!e->leaving) {
        describe_death(e, &x);
    }
    log_debug("%s pid=%d ended signalled=%d code=%d peak_rss_kb=%ld lived_ms=%lld", e->spec.name, (int)e->pid,
              x.signalled, x.code, x.usage.ru_maxrss, (long long)(clock_mono_ms() - e->started_ms));
    lose(e);
    e->spec.ended(e->spec.ctx);
    errlog_end(e->errlog);
    uv_close((uv_handle_t *)&e->pid_poll, on_closed);
    uv_close((uv_handle_t *)&e->kill_timer, on_closed);
}

/* ---- its words ---- */

static int take_frame(struct engine_process *e, struct err *err)
{
    if (e->frame.type != IPC_ENGINE_READY) {
        int rc = e->spec.frame(e->spec.ctx, &e->frame, err);
        fd_closep(&e->frame.fd);
        return rc;
    }
    fd_closep(&e->frame.fd);
    e->ready = true;
    log_debug("%s pid=%d ready after_ms=%lld", e->spec.name, (int)e->pid,
              (long long)(clock_mono_ms() - e->started_ms));
    return 0;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct engine_process *e = poll->data;
    struct err err = ERR_INIT;
    int rc = status < 0 ? ERR_CRASH : 1;
    for (int i = 0; rc == 1 && i < FRAMES_A_TURN && e->control >= 0; i++) {
        rc = ipc_recv(e->control, &e->frame, &err);
        if (rc == 1 && take_frame(e, &err) < 0)
            rc = ERR_FORMAT;
    }
    if (rc == 1 || rc == ERR_BUSY)
        return;
    if (rc == ERR_FORMAT)
        log_error("%s pid=%d broke the protocol: %s", e->spec.name, (int)e->pid, err.message);
    child_signal(&e->child, SIGKILL); /* one that has closed its lifeline is of no use */
    lose(e);
}

int engine_process_send(struct engine_process *e, uint16_t type, uint32_t id, const void *payload, size_t len,
                        int fd, struct err *err)
{
    if (e->control < 0)
        return err_fail(err, ERR_CRASH, "the %s is going", e->spec.name);
    return ipc_send(e->control, type, 0, id, payload, len, fd, err);
}

bool engine_process_is_dying(const struct engine_process *e)
{
    struct pollfd f = {.fd = e->control, .events = POLLRDHUP};
    return e->control < 0 || poll(&f, 1, 0) != 0;
}

pid_t engine_process_pid(const struct engine_process *e)
{
    return e->pid;
}

const char *engine_process_death(const struct engine_process *e)
{
    return e->death;
}

const char *engine_process_last_line(const struct engine_process *e)
{
    return errlog_last(e->errlog);
}

/* ---- its start ---- */

long engine_process_lanes(const struct settings *s)
{
    if (s->engine_threads > 0)
        return (long)s->engine_threads;
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int spawn(struct engine_process *e, int child_end, int err_fd, struct err *err)
{
    const struct settings *s = e->spec.settings;
    char lanes[24];
    char parent[24];
    (void)snprintf(lanes, sizeof(lanes), "%ld", engine_process_lanes(s));
    (void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
    const char *const argv[] = {"platen-engine",
                                "--control-fd",
                                "3",
                                "--models",
                                s->artifacts_path,
                                "--cache",
                                s->cache_dir,
                                "--lanes",
                                lanes,
                                "--backend",
                                s->engine_backend,
                                "--parent",
                                parent,
                                "--sandbox",
                                s->sandbox,
                                e->spec.zygote ? "--zygote" : NULL,
                                "--preload",
                                ZYGOTE_MODELS,
                                NULL};
    struct environment env;
    environment_init(&env);
    const struct spawn_request q = {.program = e->spec.program,
                                    .argv = argv,
                                    .env = env.vars,
                                    .fds = &child_end,
                                    .fd_count = 1,
                                    .err_fd = err_fd};
    int rc = spawn_child(&q, &e->child, err);
    environment_done(&env);
    return rc;
}

static int watch(struct engine_process *e, struct uv_loop_s *loop, struct err *err)
{
    if (uv_poll_init(loop, &e->pid_poll, e->child.pidfd) != 0)
        return err_fail(err, ERR_IO, "watching the %s", e->spec.name);
    e->pid = e->child.pid;
    e->open_handles = 2;
    e->pid_poll.data = e->kill_timer.data = e;
    (void)uv_timer_init(loop, &e->kill_timer); /* cannot fail */
    (void)uv_poll_start(e->control_poll, UV_READABLE | UV_DISCONNECT, on_control);
    (void)uv_poll_start(&e->pid_poll, UV_READABLE, on_exit_seen);
    return 0;
}

int engine_process_start(struct uv_loop_s *loop, const struct engine_process_spec *spec,
                         struct engine_process **ret, struct err *err)
{
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    struct engine_process *e = xnew(struct engine_process);
    e->spec = *spec;
    e->control = pair[0];
    e->started_ms = clock_mono_ms();
    CLEANUP(fd_closep) int child_end = pair[1];
    CLEANUP(fd_closep) int err_fd = -1;
    rc = fd_set_nonblocking(pair[0], err);
    if (rc == 0)
        rc = watched_new(loop, pair[0], e, &e->control_poll, err);
    if (rc == 0)
        rc = errlog_new(loop, spec->name, &e->errlog, &err_fd, err);
    if (rc == 0)
        rc = spawn(e, child_end, err_fd, err);
    if (rc == 0) {
        rc = watch(e, loop, err);
        if (rc < 0) { /* it is not watched, so end it here; the stray reaper takes the corpse */
            child_signal(&e->child, SIGKILL);
            fd_closep(&e->child.pidfd);
        }
    }
    if (rc < 0) {
        errlog_end(e->errlog);
        watched_close(&e->control_poll, &e->control);
        free(e);
        return rc;
    }
    log_debug("%s pid=%d started backend=%s", spec->name, (int)e->pid, spec->settings->engine_backend);
    *ret = e;
    return 0;
}
