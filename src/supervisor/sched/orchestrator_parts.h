/* Inside of the orchestrator: what its face (orchestrator.c) and its two ways (pooled.c, isolated.c) share.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_ORCHESTRATOR_PARTS_H
#define PLATEN_SUPERVISOR_SCHED_ORCHESTRATOR_PARTS_H

#include <uv.h>

#include "supervisor/sched/engine_process.h"
#include "supervisor/sched/orchestrator.h"
#include "supervisor/sched/service.h"

struct orchestrator;

/* One way to give tasks engines. */
struct orchestrator_ops {
    /* The worker runs, and the last task needed an engine: what can be done for this one beforehand. May be
     * NULL. */
    void (*prepare)(struct lease *l);
    /* The worker has said its first word: hand l->engine_end to an engine. */
    int (*attach)(struct lease *l, struct err *err);
    /* The task is over (also when it was never attached). May be called again while it is not clear. */
    void (*detach)(struct lease *l);
    /* Nothing of the lease's engine is left to it. */
    bool (*is_clear)(const struct lease *l);
    /* It is still not clear after RELEASE_ALARM_MS: end what stands in the way. May be NULL. */
    void (*heal)(struct lease *l);
    /* Fills in what its engine held, for the log. */
    void (*measure)(const struct lease *l, pid_t *ret_pid, uint64_t *ret_start_ticks,
                    uint64_t *ret_rss_bytes);
    void (*forget)(struct lease *l); /* frees what the way keeps for it; it is clear */
    /* Retires the engines; every orchestrator_engine_ended may be the last. */
    void (*stop)(struct orchestrator *o);
    const char *(*death)(const struct lease *l);
};

extern const struct orchestrator_ops orchestrator_pooled, orchestrator_isolated;

struct lease {
    struct orchestrator *o;
    struct lease *next;
    struct lease_request request;
    char task_id[TASK_ID_BYTES];
    uint32_t id;
    pid_t group; /* 0: no worker was started */
    int engine_end;
    uv_poll_t *speaks; /* closed together with engine_end */
    /* the way's own */
    struct pooled_engine *engine; /* attached to; NULL before, and after that engine's end */
    struct forked *forked;        /* its own engine */
    /* after lease_end */
    uv_timer_t timer;
    bool spoken; /* the worker has asked an engine */
    bool ending, alarmed;
    unsigned rounds;
    int64_t end_us;
    uint64_t rss_bytes; /* of all its processes, when they last were measured */
};

#define LAST_DEATH_MS 10000 /* later it explains nothing any more */

struct orchestrator {
    struct orchestrator_config config;
    char *program;
    const struct orchestrator_ops *ops;
    struct lease *leases;
    uint32_t next_id;
    struct release_counters releases;
    bool expecting; /* the last worker that came to an end had asked an engine */
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
    uv_timer_t idle_timer;
    char last_death[ERR_MESSAGE_BYTES];
    int64_t last_death_ms;
    struct engine_entry *processes; /* all of ours that are not reaped, the dying ones too */
    struct pooled_engine *current;  /* pooled: takes clients */
    struct zygote *zygote;          /* isolated: takes requests */
    struct ipc_frame frame;         /* 64 KiB: not on the stack */
};

/* A process of ours in the list; the first member of the way's own struct. */
struct engine_entry {
    struct orchestrator *o;
    struct engine_entry *next;
    struct engine_process *process;
};

int orchestrator_start_engine(struct orchestrator *o, struct engine_entry *e,
                              const struct engine_process_spec *spec, struct err *err);
/* In ended of the process: takes it off the list; the caller frees it afterwards. */
void orchestrator_engine_ended(struct engine_entry *e);
/* Nobody needs an engine any more: starts the idle clock. */
void orchestrator_idle(struct orchestrator *o, void (*on_idle)(uv_timer_t *timer));
void orchestrator_note_death(struct orchestrator *o, const char *text);
void lease_tell_first(const struct ipc_frame *f, struct lease *l);
/* Looks again whether a lease that has ended is clear. */
void lease_poke(struct lease *l);

#endif
