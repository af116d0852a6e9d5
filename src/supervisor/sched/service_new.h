/* Making and ending the service; only main (and tests) see this side of it. */
#ifndef PLATEN_SUPERVISOR_SCHED_SERVICE_NEW_H
#define PLATEN_SUPERVISOR_SCHED_SERVICE_NEW_H

#include "base/err.h"
#include "conf/settings.h"
#include "process/probe.h"
#include "supervisor/sched/service.h"

struct uv_loop_s;

struct service_config {
    const struct settings *settings; /* must outlive the service */
    const char *worker_program, *engine_program;
    const struct sandbox_report
        *sandbox; /* what held when it was probed; must outlive the service; NULL: not probed */
    /* The store cannot be trusted any more: nothing is lost, but this process must end. */
    void (*fatal)(void *ctx, const char *message);
    void *ctx;
};

/* Opens the store (recovering), and starts on what was waiting as soon as the loop runs. */
int service_new(struct uv_loop_s *loop, const struct service_config *config, struct service **ret,
                struct err *err);
/*
 * Takes no new work, lets running tasks finish for grace_s, queues the rest again, ends engine and workers,
 * then calls drained on the loop. To be called once; afterwards only service_free.
 */
void service_drain(struct service *s, double grace_s, void (*drained)(void *ctx), void *ctx);
/* After drained. Runs the loop until its handles are closed. NULL is accepted. */
void service_free(struct service *s);

/* Reaps children that are not ours by birth (orphans of our children): call on SIGCHLD. */
void service_reap_strays(struct service *s);

struct service_counts {
    size_t queued, active, ended;
};
struct service_counts service_counts(const struct service *s);

#endif
