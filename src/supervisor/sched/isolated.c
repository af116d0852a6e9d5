/*
 * The isolated way (see orchestrator.h): a zygote forks an engine for each lease into the process group of
 * the lease's worker. The child is not ours but the zygote's: its end comes as a frame when the zygote has
 * reaped it; its pidfd, which came with the news of its birth, kills it whatever happens. A child of a zygote
 * that dies is killed by the kernel, becomes ours, and is reaped as a stray.
 *
 *   ASKED --CHILD--> RUNNING --GONE--> GONE     (from either to GONE: REFUSED, or the end of the zygote and
 *                                                of the process)
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/sched/orchestrator_parts.h"

#define FRAMES_A_TURN 64

struct zygote {
    struct engine_entry entry; /* first */
};

enum forked_state { FORKED_ASKED, FORKED_RUNNING, FORKED_GONE };

struct forked {
    struct lease *lease;
    struct zygote *zygote; /* NULL: it has ended */
    enum forked_state state;
    int control;
    uv_poll_t *control_poll; /* closed together with control */
    pid_t pid;
    int pidfd;
    uint64_t start_ticks;
    struct ipc_engine_stats stats;
    char death[ERR_MESSAGE_BYTES];
};

static void free_forked(struct forked *c)
{
    if (!c)
        return;
    watched_close(&c->control_poll, &c->control);
    fd_closep(&c->pidfd);
    free(c);
}

static void kill_forked(struct forked *c)
{
    watched_close(&c->control_poll, &c->control); /* its lifeline */
    if (c->pidfd >= 0)                            /* ESRCH when it has ended: what we want */
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
}

/* ---- the words of a child ---- */

static int take_child_frame(struct forked *c, const struct ipc_frame *f, struct err *err)
{
    switch (f->type) {
    case IPC_ENGINE_READY:
    case IPC_ENGINE_DETACHED: return 0;
    case IPC_ENGINE_STATS: return ipc_decode_engine_stats(f, &c->stats, err);
    case IPC_ENGINE_FIRST: lease_tell_first(f, c->lease); return 0;
    default: return err_fail(err, ERR_FORMAT, "frame of type %u", f->type);
    }
}

static void on_child_control(uv_poll_t *handle, int status, int events)
{
    (void)events;
    struct forked *c = handle->data;
    struct ipc_frame *f = &c->lease->o->frame;
    struct err err = ERR_INIT;
    int rc = status < 0 ? ERR_CRASH : 1;
    for (int i = 0; rc == 1 && i < FRAMES_A_TURN; i++) {
        rc = ipc_recv(c->control, f, &err);
        if (rc != 1)
            break;
        fd_closep(&f->fd);
        if (take_child_frame(c, f, &err) < 0)
            rc = ERR_FORMAT;
    }
    if (rc == 1 || rc == ERR_BUSY)
        return;
    if (rc == ERR_FORMAT)
        log_error("engine pid=%d broke the protocol: %s", (int)c->pid, err.message);
    kill_forked(c);
}

/* ---- the words of the zygote ---- */

static struct lease *lease_of(const struct zygote *z, uint32_t id)
{
    for (struct lease *l = z->entry.o->leases; l; l = l->next) {
        if (l->id == id && l->forked && l->forked->zygote == z)
            return l;
    }
    return NULL;
}

static int on_born(struct forked *c, struct ipc_frame *f, struct err *err)
{
    struct ipc_zygote_child m;
    if (c->state != FORKED_ASKED)
        return err_fail(err, ERR_FORMAT, "a second child for one request");
    int rc = ipc_decode_zygote_child(f, &m, err);
    if (rc < 0)
        return rc;
    c->state = FORKED_RUNNING;
    c->pid = (pid_t)m.pid;
    c->start_ticks = m.start_ticks;
    c->pidfd = f->fd;
    f->fd = -1;
    log_debug("Task %s engine pid=%d group=%d", c->lease->task_id, (int)c->pid, (int)c->lease->group);
    if (c->lease->ending)
        kill_forked(c);
    return 0;
}

static int on_gone(struct forked *c, const struct ipc_frame *f, struct err *err)
{
    struct ipc_zygote_gone m;
    int rc = ipc_decode_zygote_gone(f, &m, err);
    if (rc < 0)
        return rc;
    c->state = FORKED_GONE;
    log_debug("Task %s engine pid=%u ended signalled=%d code=%u peak_rss_kb=%llu", c->lease->task_id, m.pid,
              m.signalled, m.code, (unsigned long long)(m.peak_bytes >> 10));
    if (!c->lease->ending && m.signalled)
        (void)snprintf(c->death, sizeof(c->death), "the engine died (SIG%s)", sigabbrev_np(m.code));
    else if (!c->lease->ending && m.code != 0) /* 0: our own SIGTERM to the group */
        (void)snprintf(c->death, sizeof(c->death), "the engine ended with status %u", m.code);
    if (*c->death)
        log_warning("Task %s: %s", c->lease->task_id, c->death);
    watched_close(&c->control_poll, &c->control);
    lease_poke(c->lease);
    return 0;
}

static int on_refused(struct forked *c, const struct ipc_frame *f, struct err *err)
{
    struct ipc_failure m;
    if (c->state != FORKED_ASKED)
        return err_fail(err, ERR_FORMAT, "a child that runs is refused");
    int rc = ipc_decode_failure(f, &m, err);
    if (rc < 0)
        return rc;
    c->state = FORKED_GONE;
    (void)snprintf(c->death, sizeof(c->death), "no engine: %.480s", m.message);
    log_error("Task %s: %s", c->lease->task_id, c->death);
    watched_close(&c->control_poll, &c->control); /* with the worker's socket, which waits in it */
    lease_poke(c->lease);
    return 0;
}

static int on_frame(void *ctx, struct ipc_frame *f, struct err *err)
{
    const struct zygote *z = ctx;
    if (f->type != IPC_ZYGOTE_CHILD && f->type != IPC_ZYGOTE_GONE && f->type != IPC_REFUSED)
        return err_fail(err, ERR_FORMAT, "frame of type %u", f->type);
    struct lease *l = lease_of(z, f->id);
    if (!l)
        return err_fail(err, ERR_FORMAT, "a child that nobody asked for");
    if (f->type == IPC_ZYGOTE_CHILD)
        return on_born(l->forked, f, err);
    return f->type == IPC_ZYGOTE_GONE ? on_gone(l->forked, f, err) : on_refused(l->forked, f, err);
}

static void on_lost(void *ctx)
{
    struct zygote *z = ctx;
    if (z->entry.o->zygote == z)
        z->entry.o->zygote = NULL;
}

/* Its children die with it; what is left of them becomes ours. */
static void on_ended(void *ctx)
{
    struct zygote *z = ctx;
    struct orchestrator *o = z->entry.o;
    const char *death = engine_process_death(z->entry.process);
    if (*death)
        orchestrator_note_death(o, death);
    orchestrator_engine_ended(&z->entry);
    for (struct lease *l = o->leases; l; l = l->next) {
        if (!l->forked || l->forked->zygote != z)
            continue;
        l->forked->zygote = NULL;
        kill_forked(l->forked);
        lease_poke(l);
    }
    free(z);
}

/* ---- the way ---- */

static int ensure_zygote(struct orchestrator *o, struct err *err)
{
    if (o->zygote && !engine_process_is_dying(o->zygote->entry.process))
        return 0;
    if (o->zygote)
        engine_process_retire(o->zygote->entry.process, 0);
    struct zygote *z = xnew(struct zygote);
    const struct engine_process_spec spec = {.program = o->program,
                                             .name = "zygote",
                                             .settings = o->config.settings,
                                             .zygote = true,
                                             .frame = on_frame,
                                             .lost = on_lost,
                                             .ended = on_ended,
                                             .ctx = z};
    int rc = orchestrator_start_engine(o, &z->entry, &spec, err);
    if (rc < 0)
        free(z);
    else
        o->zygote = z;
    return rc;
}

static int ask_for_child(struct forked *c, int child_end, struct err *err)
{
    const struct lease *l = c->lease;
    struct orchestrator *o = l->o;
    const struct ipc_zygote_fork m = {
        .group = (uint32_t)l->group,
        .lanes = (uint16_t)MIN(engine_process_lanes(o->config.settings), IPC_MAX_LANES)};
    size_t len = ipc_encode_zygote_fork(&m, o->frame.payload);
    return engine_process_send(o->zygote->entry.process, IPC_ZYGOTE_FORK, l->id, o->frame.payload, len,
                               child_end, err);
}

/* Asks the zygote, which must be there, for a child. */
static int request_child(struct lease *l, struct err *err)
{
    struct orchestrator *o = l->o;
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    CLEANUP(fd_closep) int child_end = pair[1];
    struct forked *c = xnew(struct forked);
    c->lease = l;
    c->control = pair[0];
    c->pidfd = -1;
    c->zygote = o->zygote;
    rc = fd_set_nonblocking(c->control, err);
    if (rc == 0)
        rc = watched_new(o->config.loop, c->control, c, &c->control_poll, err);
    if (rc == 0)
        rc = ask_for_child(c, child_end, err);
    if (rc < 0) {
        free_forked(c);
        return rc;
    }
    (void)uv_poll_start(c->control_poll, UV_READABLE | UV_DISCONNECT, on_child_control);
    (void)uv_timer_stop(&o->idle_timer);
    l->forked = c;
    return 0;
}

/* While the worker starts, its engine is forked; only by a zygote that is there anyway. */
static void prepare(struct lease *l)
{
    struct err err = ERR_INIT;
    const struct orchestrator *o = l->o;
    if (o->zygote && !engine_process_is_dying(o->zygote->entry.process) && request_child(l, &err) < 0)
        log_debug("Task %s: no engine beforehand: %s", l->task_id, err.message);
}

/* The worker's socket waits in the child's control socket until there is a child. */
static int attach(struct lease *l, struct err *err)
{
    int rc = l->forked ? 0 : ensure_zygote(l->o, err);
    if (rc == 0 && !l->forked)
        rc = request_child(l, err);
    if (rc == 0 && l->forked->control < 0)
        rc = err_fail(err, ERR_CRASH, "%s", *l->forked->death ? l->forked->death : "the engine has ended");
    if (rc == 0)
        rc = ipc_send(l->forked->control, IPC_ENGINE_ATTACH, 0, l->id, NULL, 0, l->engine_end, err);
    return rc;
}

static void detach(struct lease *l)
{
    if (l->forked)
        kill_forked(l->forked);
}

/* A descriptor of a process is readable when it has ended. */
static bool has_ended(int pidfd)
{
    struct pollfd f = {.fd = pidfd, .events = POLLIN};
    return pidfd < 0 || poll(&f, 1, 0) == 1;
}

static bool is_clear(const struct lease *l)
{
    const struct forked *c = l->forked;
    return !c || c->state == FORKED_GONE || (!c->zygote && has_ended(c->pidfd));
}

/* A zygote that neither answers nor reaps is ended: its other children die too, and their tasks run again;
 * the corpses become ours. */
static void heal(struct lease *l)
{
    const struct forked *c = l->forked;
    if (is_clear(l) || !c->zygote || !has_ended(c->pidfd))
        return;
    log_error("zygote pid=%d does not reap its children: killed",
              (int)engine_process_pid(c->zygote->entry.process));
    engine_process_retire(c->zygote->entry.process, 0);
}

static void measure(const struct lease *l, pid_t *ret_pid, uint64_t *ret_start_ticks, uint64_t *ret_rss_bytes)
{
    const struct forked *c = l->forked;
    *ret_pid = c ? c->pid : 0;
    *ret_start_ticks = c ? c->start_ticks : 0;
    *ret_rss_bytes = c ? c->stats.rss_bytes : 0;
}

static void on_idle(uv_timer_t *timer)
{
    struct orchestrator *o = timer->data;
    if (!o->zygote)
        return;
    log_debug("zygote pid=%d leaves: idle for %g s", (int)engine_process_pid(o->zygote->entry.process),
              o->config.settings->engine_idle_s);
    engine_process_retire(o->zygote->entry.process, o->config.settings->kill_grace_s);
}

static void forget(struct lease *l)
{
    struct orchestrator *o = l->o;
    bool had_one = l->forked != NULL;
    free_forked(take_ptr(&l->forked));
    bool others = false;
    for (const struct lease *at = o->leases; at; at = at->next)
        others = others || at->forked;
    if (had_one && !others)
        orchestrator_idle(o, on_idle);
}

static void stop(struct orchestrator *o)
{
    if (o->zygote)
        engine_process_retire(o->zygote->entry.process, o->config.settings->kill_grace_s);
}

static const char *death(const struct lease *l)
{
    return l->forked ? l->forked->death : "";
}

const struct orchestrator_ops orchestrator_isolated = {.prepare = prepare,
                                                       .attach = attach,
                                                       .detach = detach,
                                                       .is_clear = is_clear,
                                                       .heal = heal,
                                                       .measure = measure,
                                                       .forget = forget,
                                                       .stop = stop,
                                                       .death = death};
