/*
 * See pool.h. A lease is a socket pair whose engine end we keep until the worker has sent its first frame:
 * documents that need no inference never wake an engine. An engine object lives until its process is reaped;
 * `current` is the one that takes clients, so a dying one never meets a new worker.
 */
#include "supervisor/sched/pool.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/messages.h"
#include "process/spawn.h"
#include "supervisor/sched/environment.h"
#include "supervisor/sched/errlog.h"

#define FRAMES_A_TURN 64
#define LAST_DEATH_MS 10000 /* later it explains nothing any more */

struct engine {
    struct pool *pool;
    struct engine *next;
    struct child child;
    int control;
    uv_poll_t control_poll, pid_poll;
    uv_timer_t kill_timer;
    int open_handles;
    struct errlog *errlog;
    unsigned clients; /* leases attached and not ended */
    bool ready, leaving;
    int64_t started_ms;
    struct ipc_engine_stats stats;
};

struct pool_lease {
    struct pool *pool;
    struct engine *engine; /* attached to; NULL before, and after that engine's end */
    struct pool_lease *next;
    uint32_t id;
    int engine_end;
    uv_poll_t poll;
};

struct pool {
    uv_loop_t *loop;
    const struct settings *settings;
    char *program;
    struct engine *current;
    struct engine *engines; /* the dying ones too */
    struct pool_lease *leases;
    uint32_t next_id;
    uv_timer_t idle_timer;
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
    char last_death[ERR_MESSAGE_BYTES];
    int64_t last_death_ms;
    struct ipc_frame frame; /* 64 KiB: not on the stack */
};

/* ---- the end of an engine ---- */

static void on_engine_closed(uv_handle_t *handle)
{
    struct engine *e = handle->data;
    if (--e->open_handles > 0)
        return;
    struct pool *p = e->pool;
    struct engine **link = &p->engines;
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    free(e);
    if (p->stopping && !p->engines)
        p->gone(p->gone_ctx);
}

static void close_control(struct engine *e)
{
    if (e->control < 0)
        return;
    (void)uv_poll_stop(&e->control_poll);
    fd_closep(&e->control);
}

static void on_kill_timer(uv_timer_t *timer)
{
    const struct engine *e = timer->data;
    log_warning("engine %d did not leave in time: killed", (int)e->child.pid);
    child_signal(&e->child, SIGKILL);
}

/* No new clients. grace_ms 0: killed at once, else it may leave by itself first (its control socket ends). */
static void retire(struct engine *e, uint64_t grace_ms)
{
    if (e->pool->current == e)
        e->pool->current = NULL;
    if (grace_ms == 0) {
        child_signal(&e->child, SIGKILL);
    } else if (!e->leaving) {
        (void)uv_timer_start(&e->kill_timer, on_kill_timer, grace_ms, 0);
        child_signal(&e->child, SIGTERM);
    }
    e->leaving = true;
    close_control(e);
}

static void describe_death(struct engine *e, const struct child_exit *x)
{
    char *what = x->signalled ? xasprintf("the engine died (SIG%s)", sigabbrev_np(x->code))
                              : xasprintf("the engine ended with status %d", x->code);
    const char *last = errlog_last(e->errlog);
    (void)snprintf(e->pool->last_death, sizeof(e->pool->last_death), "%s%s%s%s", what,
                   e->ready ? "" : " before it was ready", *last ? ": " : "", last);
    e->pool->last_death_ms = clock_mono_ms();
    log_warning("%s", e->pool->last_death);
    free(what);
}

static void on_engine_exit(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct engine *e = poll->data;
    struct err err = ERR_INIT;
    struct child_exit x = {0};
    pid_t pid = e->child.pid;
    child_signal(&e->child, SIGKILL); /* whatever it may have left in its group */
    (void)uv_poll_stop(poll);         /* before the reaping closes its descriptor */
    int ended = child_reap(&e->child, &x, &err);
    if (ended == 0) {
        (void)uv_poll_start(poll, UV_READABLE, on_engine_exit);
        return;
    }
    if (ended < 0) {
        log_error("engine %d: %s", (int)pid, err.message);
        fd_closep(&e->child.pidfd);
    } else if (!e->leaving) {
        describe_death(e, &x);
    }
    if (e->pool->current == e)
        e->pool->current = NULL;
    log_debug("engine pid=%d ended signalled=%d code=%d peak_rss_kb=%ld lived_ms=%lld", (int)pid, x.signalled,
              x.code, x.usage.ru_maxrss, (long long)(clock_mono_ms() - e->started_ms));
    for (struct pool_lease *l = e->pool->leases; l; l = l->next) {
        if (l->engine == e)
            l->engine = NULL;
    }
    close_control(e);
    errlog_end(e->errlog);
    uv_close((uv_handle_t *)&e->control_poll, on_engine_closed);
    uv_close((uv_handle_t *)&e->pid_poll, on_engine_closed);
    uv_close((uv_handle_t *)&e->kill_timer, on_engine_closed);
}

/* ---- its words ---- */

static int take_frame(struct engine *e, const struct ipc_frame *f, struct err *err)
{
    switch (f->type) {
    case IPC_ENGINE_READY:
        e->ready = true;
        log_debug("engine pid=%d ready after_ms=%lld", (int)e->child.pid,
                  (long long)(clock_mono_ms() - e->started_ms));
        return 0;
    case IPC_ENGINE_DETACHED: /* our own count of leases is what decides */ return 0;
    case IPC_ENGINE_STATS: return ipc_decode_engine_stats(f, &e->stats, err);
    default: return err_fail(err, ERR_FORMAT, "frame of type %u", f->type);
    }
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct engine *e = poll->data;
    struct ipc_frame *f = &e->pool->frame;
    struct err err = ERR_INIT;
    int rc = status < 0 ? ERR_CRASH : 1;
    for (int i = 0; rc == 1 && i < FRAMES_A_TURN; i++) {
        rc = ipc_recv(e->control, f, &err);
        if (rc != 1)
            break;
        fd_closep(&f->fd);
        rc = take_frame(e, f, &err);
        rc = rc < 0 ? ERR_FORMAT : 1;
    }
    if (rc == 1 || rc == ERR_BUSY)
        return;
    if (rc == ERR_FORMAT)
        log_error("engine pid=%d broke the protocol: %s", (int)e->child.pid, err.message);
    if (e->pool->current == e)
        e->pool->current = NULL;
    close_control(e);
    child_signal(&e->child, SIGKILL); /* an engine that has closed its lifeline is of no use */
}

/* ---- its start ---- */

static long lanes_of(const struct settings *s)
{
    if (s->engine_threads > 0)
        return (long)s->engine_threads;
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int spawn_engine(struct engine *e, int child_end, int err_fd, struct err *err)
{
    const struct settings *s = e->pool->settings;
    char lanes[24];
    char parent[24];
    (void)snprintf(lanes, sizeof(lanes), "%ld", lanes_of(s));
    (void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
    const char *const argv[] = {"platen-engine",   "--control-fd", "3",       "--models", s->artifacts_path,
                                "--cache",         s->cache_dir,   "--lanes", lanes,      "--backend",
                                s->engine_backend, "--parent",     parent,    NULL};
    struct environment env;
    environment_init(&env);
    const struct spawn_request q = {.program = e->pool->program,
                                    .argv = argv,
                                    .env = env.vars,
                                    .fds = &child_end,
                                    .fd_count = 1,
                                    .err_fd = err_fd};
    int rc = spawn_child(&q, &e->child, err);
    environment_done(&env);
    return rc;
}

static int watch_engine(struct engine *e, struct err *err)
{
    uv_loop_t *loop = e->pool->loop;
    if (uv_poll_init(loop, &e->pid_poll, e->child.pidfd) != 0)
        return err_fail(err, ERR_IO, "watching the engine");
    e->open_handles = 3;
    e->control_poll.data = e->pid_poll.data = e->kill_timer.data = e;
    (void)uv_timer_init(loop, &e->kill_timer); /* cannot fail */
    (void)uv_poll_start(&e->control_poll, UV_READABLE | UV_DISCONNECT, on_control);
    (void)uv_poll_start(&e->pid_poll, UV_READABLE, on_engine_exit);
    return 0;
}

static void free_unwatched(uv_handle_t *handle)
{
    free(handle->data);
}

static int start_engine(struct pool *p, struct err *err)
{
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    struct engine *e = xnew(struct engine);
    e->pool = p;
    e->control = pair[0];
    e->started_ms = clock_mono_ms();
    int err_fd = -1;
    rc = fd_set_nonblocking(pair[0], err);
    if (rc == 0 && uv_poll_init(p->loop, &e->control_poll, pair[0]) != 0)
        rc = err_fail(err, ERR_IO, "watching a socket");
    if (rc < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(e);
        return rc;
    }
    e->control_poll.data = e;
    rc = errlog_new(p->loop, "engine", &e->errlog, &err_fd, err);
    if (rc == 0)
        rc = spawn_engine(e, pair[1], err_fd, err);
    if (rc == 0) {
        rc = watch_engine(e, err);
        if (rc < 0) { /* it is not watched, so end it here; the stray reaper takes the corpse */
            child_signal(&e->child, SIGKILL);
            fd_closep(&e->child.pidfd);
        }
    }
    fd_closep(&err_fd);
    (void)close(pair[1]);
    if (rc < 0) {
        errlog_end(e->errlog);
        uv_close((uv_handle_t *)&e->control_poll, free_unwatched);
        fd_closep(&e->control);
        return rc;
    }
    e->next = p->engines;
    p->engines = e;
    p->current = e;
    log_debug("engine pid=%d started backend=%s", (int)e->child.pid, p->settings->engine_backend);
    return 0;
}

/* The current engine, unless it has just died: its control socket ends before its clients see theirs end. */
static int ensure_engine(struct pool *p, struct err *err)
{
    if (p->stopping)
        return err_fail(err, ERR_BUSY, "shutting down");
    if (p->current) {
        struct pollfd f = {.fd = p->current->control, .events = POLLRDHUP};
        if (poll(&f, 1, 0) == 0)
            return 0;
        retire(p->current, 0);
        log_debug("engine is dying: a new one is started");
    }
    return start_engine(p, err);
}

/* ---- leases ---- */

static void on_idle(uv_timer_t *timer)
{
    struct pool *p = timer->data;
    if (!p->current || p->current->clients > 0)
        return;
    log_debug("engine pid=%d leaves: idle for %g s", (int)p->current->child.pid, p->settings->engine_idle_s);
    retire(p->current, (uint64_t)(p->settings->kill_grace_s * 1000) + 1);
}

static int attach(struct pool_lease *l, struct err *err)
{
    struct pool *p = l->pool;
    int rc = ensure_engine(p, err);
    if (rc < 0)
        return rc;
    rc = ipc_send(p->current->control, IPC_ENGINE_ATTACH, 0, l->id, NULL, 0, l->engine_end, err);
    if (rc < 0)
        return rc;
    l->engine = p->current;
    l->engine->clients++;
    (void)uv_timer_stop(&p->idle_timer);
    return 0;
}

/* The worker has said its first word, or has gone. */
static void on_worker_speaks(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct pool_lease *l = poll->data;
    char byte;
    bool speaks = status >= 0 && recv(l->engine_end, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    if (speaks) {
        struct err err = ERR_INIT;
        if (attach(l, &err) < 0) { /* the worker sees the end of its socket and fails its task */
            (void)snprintf(l->pool->last_death, sizeof(l->pool->last_death), "no engine: %.480s",
                           err.message);
            l->pool->last_death_ms = clock_mono_ms();
            log_error("%s", l->pool->last_death);
        }
    }
    (void)uv_poll_stop(poll);
    fd_closep(&l->engine_end); /* the engine has its own copy now */
}

int pool_lease(struct pool *p, struct pool_lease **ret, int *ret_worker_fd, struct err *err)
{
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    struct pool_lease *l = xnew(struct pool_lease);
    if (uv_poll_init(p->loop, &l->poll, pair[1]) != 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(l);
        return err_fail(err, ERR_IO, "watching a socket");
    }
    l->pool = p;
    l->id = ++p->next_id;
    l->engine_end = pair[1];
    l->poll.data = l;
    l->next = p->leases;
    p->leases = l;
    (void)uv_poll_start(&l->poll, UV_READABLE | UV_DISCONNECT, on_worker_speaks);
    *ret = l;
    *ret_worker_fd = pair[0];
    return 0;
}

static void on_lease_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pool_lease_end(struct pool_lease *l)
{
    if (!l)
        return;
    struct pool *p = l->pool;
    struct pool_lease **link = &p->leases;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    if (l->engine && --l->engine->clients == 0 && l->engine == p->current && !p->stopping)
        (void)uv_timer_start(&p->idle_timer, on_idle, (uint64_t)(p->settings->engine_idle_s * 1000), 0);
    uv_close((uv_handle_t *)&l->poll, on_lease_closed);
    fd_closep(&l->engine_end);
}

/* ---- the pool ---- */

struct pool *pool_new(struct uv_loop_s *loop, const struct settings *settings, const char *program)
{
    struct pool *p = xnew(struct pool);
    p->loop = loop;
    p->settings = settings;
    p->program = xstrdup(program);
    (void)uv_timer_init(loop, &p->idle_timer); /* cannot fail */
    p->idle_timer.data = p;
    return p;
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct pool *p = handle->data;
    if (!p->engines)
        p->gone(p->gone_ctx);
    else
        p->stopping = true; /* the last engine's end calls gone */
}

void pool_stop(struct pool *p, void (*gone)(void *ctx), void *ctx)
{
    p->gone = gone;
    p->gone_ctx = ctx;
    if (p->current)
        retire(p->current, (uint64_t)(p->settings->kill_grace_s * 1000) + 1);
    uv_close((uv_handle_t *)&p->idle_timer, on_idle_closed);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    free(p->program);
    free(p);
}

const char *pool_last_death(const struct pool *p)
{
    return clock_mono_ms() - p->last_death_ms < LAST_DEATH_MS ? p->last_death : "";
}

bool pool_knows_pid(const struct pool *p, pid_t pid)
{
    for (const struct engine *e = p->engines; e; e = e->next) {
        if (e->child.pid == pid)
            return true;
    }
    return false;
}

pid_t pool_engine_pid(const struct pool *p)
{
    return p->current ? p->current->child.pid : 0;
}
