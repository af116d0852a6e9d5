/*
 * The life of engines, in one place. Pooled: one engine on the CPU, started when the first worker really asks
 * it something, shared by all, gone after engine_idle_s without clients. When it dies, each of its workers
 * sees the end of its socket; the next lease gets a new engine.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_POOL_H
#define PLATEN_SUPERVISOR_SCHED_POOL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "conf/settings.h"

struct uv_loop_s;
struct pool;
struct pool_lease;

/* settings stay the caller's, and must outlive the pool. program: path of platen-engine, copied. */
struct pool *pool_new(struct uv_loop_s *loop, const struct settings *settings, const char *program);
/* Ends the engine (its clients lose it) and calls gone on the loop once every engine process has ended. No
 * lease may be taken afterwards. */
void pool_stop(struct pool *p, void (*gone)(void *ctx), void *ctx);
/* Only after gone. NULL is accepted. */
void pool_free(struct pool *p);

/* A socket to the engine for one worker: *ret_worker_fd is the worker's end (the caller closes it after the
 * spawn). */
int pool_lease(struct pool *p, struct pool_lease **ret, int *ret_worker_fd, struct err *err);
/* The worker has ended. NULL is accepted. */
void pool_lease_end(struct pool_lease *l);

/* How the last engine died, for the message of a task that it took along; "" = none died lately. */
const char *pool_last_death(const struct pool *p);
/* Is it the process of an engine, a dying one too? */
bool pool_knows_pid(const struct pool *p, pid_t pid);
/* The running engine's pid, or 0. */
pid_t pool_engine_pid(const struct pool *p);

#endif
