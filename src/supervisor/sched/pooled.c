/*
 * The pooled way (see orchestrator.h): one engine on the CPU for all leases. When it dies, each of its
 * workers sees the end of its socket, and the next lease gets a new one. `current` is the one that takes
 * clients, so a dying one never meets a new worker.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/sched/orchestrator_parts.h"

struct pooled_engine {
    struct engine_entry entry; /* first */
    unsigned clients;          /* leases attached and not ended */
    struct ipc_engine_stats stats;
};

static int on_frame(void *ctx, struct ipc_frame *f, struct err *err)
{
    struct pooled_engine *e = ctx;
    switch (f->type) {
    case IPC_ENGINE_STATS: return ipc_decode_engine_stats(f, &e->stats, err);
    case IPC_ENGINE_DETACHED: /* our own count of leases is what decides */ return 0;
    case IPC_ENGINE_FIRST:
        for (struct lease *l = e->entry.o->leases; l; l = l->next) {
            if (l->engine == e && l->id == f->id)
                lease_tell_first(f, l);
        }
        return 0;
    default: return err_fail(err, ERR_FORMAT, "frame of type %u", f->type);
    }
}

static void on_lost(void *ctx)
{
    struct pooled_engine *e = ctx;
    if (e->entry.o->current == e)
        e->entry.o->current = NULL;
}

static void on_ended(void *ctx)
{
    struct pooled_engine *e = ctx;
    struct orchestrator *o = e->entry.o;
    const char *death = engine_process_death(e->entry.process);
    if (*death)
        orchestrator_note_death(o, death);
    for (struct lease *l = o->leases; l; l = l->next) {
        if (l->engine == e)
            l->engine = NULL;
    }
    orchestrator_engine_ended(&e->entry);
    free(e);
}

/* The current engine, unless it has just died. */
static int ensure_engine(struct orchestrator *o, struct err *err)
{
    if (o->current && !engine_process_is_dying(o->current->entry.process))
        return 0;
    if (o->current) {
        log_debug("engine is dying: a new one is started");
        engine_process_retire(o->current->entry.process, 0);
    }
    struct pooled_engine *e = xnew(struct pooled_engine);
    const struct engine_process_spec spec = {.program = o->program,
                                             .name = "engine",
                                             .settings = o->config.settings,
                                             .frame = on_frame,
                                             .lost = on_lost,
                                             .ended = on_ended,
                                             .ctx = e};
    int rc = orchestrator_start_engine(o, &e->entry, &spec, err);
    if (rc < 0)
        free(e);
    else
        o->current = e;
    return rc;
}

static int attach(struct lease *l, struct err *err)
{
    struct orchestrator *o = l->o;
    int rc = ensure_engine(o, err);
    if (rc == 0)
        rc = engine_process_send(o->current->entry.process, IPC_ENGINE_ATTACH, l->id, NULL, 0, l->engine_end,
                                 err);
    if (rc < 0)
        return rc;
    l->engine = o->current;
    l->engine->clients++;
    (void)uv_timer_stop(&o->idle_timer);
    return 0;
}

static void on_idle(uv_timer_t *timer)
{
    struct orchestrator *o = timer->data;
    if (!o->current || o->current->clients > 0)
        return;
    log_debug("engine pid=%d leaves: idle for %g s", (int)engine_process_pid(o->current->entry.process),
              o->config.settings->engine_idle_s);
    engine_process_retire(o->current->entry.process, o->config.settings->kill_grace_s);
}

/* The end of the worker's socket is what the engine sees. */
static void detach(struct lease *l)
{
    struct pooled_engine *e = l->engine;
    l->engine = NULL;
    if (e && --e->clients == 0 && e == l->o->current)
        orchestrator_idle(l->o, on_idle);
}

static bool is_clear(const struct lease *l)
{
    return l->engine == NULL;
}

/* The engine is everybody's. */
static void measure(const struct lease *l, pid_t *ret_pid, uint64_t *ret_start_ticks, uint64_t *ret_rss_bytes)
{
    (void)l;
    *ret_pid = 0;
    *ret_start_ticks = *ret_rss_bytes = 0;
}

static void forget(struct lease *l)
{
    (void)l;
}

static void stop(struct orchestrator *o)
{
    if (o->current)
        engine_process_retire(o->current->entry.process, o->config.settings->kill_grace_s);
}

static const char *death(const struct lease *l)
{
    (void)l;
    return ""; /* the orchestrator's last one */
}

const struct orchestrator_ops orchestrator_pooled = {.attach = attach,
                                                     .detach = detach,
                                                     .is_clear = is_clear,
                                                     .measure = measure,
                                                     .forget = forget,
                                                     .stop = stop,
                                                     .death = death};
