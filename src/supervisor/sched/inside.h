/* Inside of the service: what service.c, dispatch.c, watch.c and expire.c share. Not for other folders. */
#ifndef PLATEN_SUPERVISOR_SCHED_INSIDE_H
#define PLATEN_SUPERVISOR_SCHED_INSIDE_H

#include <uv.h>

#include "supervisor/sched/orchestrator.h"
#include "supervisor/sched/queue.h"
#include "supervisor/sched/service_new.h"
#include "supervisor/sched/task.h"
#include "supervisor/store/store.h"

struct watch {
    uint64_t id;
    struct task *task; /* NULL: ended by service_unwatch, or its task is gone */
    service_watch_cb *cb;
    void *ctx;
};

struct service {
    uv_loop_t *loop;
    struct service_config config;
    char *worker_program;
    const struct settings *settings;
    struct store *store;
    struct orchestrator *orchestrator;
    struct task_table tasks;
    struct queue queue;
    struct task_list ended; /* by time of their end */
    size_t running;         /* slots in use: claiming or with a worker */
    size_t active;          /* claiming, running or settling */
    struct run *runs;       /* of the slots in use */
    bool exclusive;         /* a task that was blamed before runs alone */
    bool draining, drained_called;
    void (*drained)(void *ctx);
    void *drained_ctx;
    size_t submitting; /* on their way to the disk */
    uint64_t submitting_bytes;
    double mean_service_s; /* moving average */

    struct watch *watches;
    size_t watch_count, watch_cap;
    uint64_t next_watch;
    int notifying; /* depth: watches are only compacted at 0 */

    uv_timer_t flush_timer;  /* progress to watchers */
    uv_timer_t expire_timer; /* removal of results */
    uv_timer_t drain_timer;
    uv_timer_t retry_timer; /* dispatch again after a full disk */
    int open_handles;
};

/* service.c */
void service_fill_status(const struct service *s, const struct task *t, struct task_status *ret);
void service_fatal(struct service *s, const char *message);

/* dispatch.c */
void dispatch(struct service *s);
void dispatch_cancel_queued(struct task *t);
void dispatch_cancel_running(struct task *t);
void dispatch_stop_all(struct service *s);
void dispatch_check_drained(struct service *s);
bool dispatch_knows_pid(const struct service *s, pid_t pid);

/* strays.c */
void strays_kill(const struct service *s); /* ends every child that nobody knows */

/* watch.c */
void watch_notify(struct task *t);
void watch_progress(struct task *t); /* soon, coalesced */
void watch_on_flush(uv_timer_t *timer);
void watch_forget_task(struct task *t);

/* expire.c */
void expire_ended(struct task *t); /* a task has ended (again at the start): put it on the list */
void expire_plan(struct service *s);
void expire_remove(struct task *t); /* frees t */

#endif
