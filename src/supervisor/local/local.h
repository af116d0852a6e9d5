/*
 * The private supervisor's side of `platen convert`: jobs come in as frames on one inherited socket instead
 * of over HTTP, and take the same way through the service. When the command line goes, so does the
 * supervisor.
 */
#ifndef PLATEN_SUPERVISOR_LOCAL_LOCAL_H
#define PLATEN_SUPERVISOR_LOCAL_LOCAL_H

#include "base/err.h"
#include "supervisor/sched/service.h"

struct uv_loop_s;
struct local; /* opaque */

/* Serves the socket (taken) until its peer closes it; then calls `gone` on the loop. */
int local_start(struct uv_loop_s *loop, struct service *service, int sock, void (*gone)(void *ctx), void *ctx,
                struct local **ret, struct err *err);
void local_stop(struct local *l);

#endif
