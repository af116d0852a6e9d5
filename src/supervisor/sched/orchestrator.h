/*
 * The engines that tasks get, and the proof that a task has given everything back. One interface, two ways:
 *
 *   pooled    one engine for all, started when the first worker really asks it something, gone after
 *             engine_idle_s without clients (OCRServicePool)
 *   isolated  an engine of its own for each task, in the worker's process group, gone with it
 *             (WorkerOrchestrator); forked from a zygote that leaves after engine_idle_s
 *
 * A lease is one task's hold on an engine, from before its worker's start until nothing of the task is left.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_ORCHESTRATOR_H
#define PLATEN_SUPERVISOR_SCHED_ORCHESTRATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "conf/settings.h"
#include "supervisor/sched/release.h"

struct uv_loop_s;
struct orchestrator;
struct lease;

/* Can the isolated way work? The programs are there, the scratch folder can be written and has the space that
 * is kept free. */
int orchestrator_preflight(const struct settings *settings, const char *worker_program,
                           const char *engine_program, struct err *err);

struct orchestrator_config {
    struct uv_loop_s *loop;
    const struct settings *settings; /* must outlive it */
    const char *engine_program;      /* copied */
    bool isolated;
    void (*sweep)(void *ctx); /* ends what has left its process group and became our child */
    void *ctx;
};
struct orchestrator *orchestrator_new(const struct orchestrator_config *config);
/* Ends the engines (their clients lose them) and calls gone on the loop once every engine process has ended.
 * No lease may be left or taken. */
void orchestrator_stop(struct orchestrator *o, void (*gone)(void *ctx), void *ctx);
/* Only after gone. NULL is accepted. */
void orchestrator_free(struct orchestrator *o);

bool orchestrator_is_isolated(const struct orchestrator *o);
/* Is it a child of ours that is or was an engine, a dying one too? */
bool orchestrator_knows_pid(const struct orchestrator *o, pid_t pid);
const struct release_counters *orchestrator_releases(const struct orchestrator *o);

struct lease_request {
    const char *task_id; /* copied */
    /* The first inference for the task has begun, at this time of the monotonic clock. */
    void (*first)(void *ctx, int64_t mono_us);
    /* After lease_end, never from inside a call of ours: nothing of the task is left; the lease is gone. */
    void (*released)(void *ctx);
    void *ctx;
};

/* *ret_worker_fd is the worker's end of a socket to an engine (the caller closes it after the spawn). */
int lease_new(struct orchestrator *o, const struct lease_request *q, struct lease **ret, int *ret_worker_fd,
              struct err *err);
/* The worker runs; its process group is the task's. */
void lease_join(struct lease *l, pid_t group);
/* The worker has been reaped, or never started. rss_bytes: what the worker last had. */
void lease_end(struct lease *l, uint64_t rss_bytes);
/* How the engine of this lease died, for the message of its task; "" = it did not, lately. */
const char *lease_engine_death(const struct lease *l);

#endif
