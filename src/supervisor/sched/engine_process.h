/*
 * One platen-engine program of ours, from spawn to reaping: a pooled engine, or a zygote. What it says is
 * handed on frame by frame; that it is of no use any more is told at once (lost), its end when it is reaped
 * (ended).
 */
#ifndef PLATEN_SUPERVISOR_SCHED_ENGINE_PROCESS_H
#define PLATEN_SUPERVISOR_SCHED_ENGINE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "conf/settings.h"
#include "ipc/messages.h"

struct engine_process; /* opaque */

struct engine_process_spec {
    const char *program;
    const char *name; /* in the log: "engine", "zygote"; kept */
    const struct settings *settings;
    bool zygote;
    /* One frame other than READY. Its descriptor is closed afterwards unless f->fd was set to -1. An error
     * means that it broke the protocol: it is killed. */
    int (*frame)(void *ctx, struct ipc_frame *f, struct err *err);
    void (*lost)(void *ctx);  /* once: it takes no more requests; may come before and with ended */
    void (*ended)(void *ctx); /* once, when it is reaped; the object is gone afterwards */
    void *ctx;
};

int engine_process_start(struct uv_loop_s *loop, const struct engine_process_spec *spec,
                         struct engine_process **ret, struct err *err);
/* No more requests. grace_s 0: killed at once, else it may leave by itself first. Calls lost, not ended. */
void engine_process_retire(struct engine_process *e, double grace_s);
/* ERR_CRASH when it is gone or going, also when the loop does not know that yet. fd < 0: none. */
int engine_process_send(struct engine_process *e, uint16_t type, uint32_t id, const void *payload, size_t len,
                        int fd, struct err *err);
/* It is dying, though lost has not been called yet: its control socket ends before its clients see theirs
 * end. */
bool engine_process_is_dying(const struct engine_process *e);
pid_t engine_process_pid(const struct engine_process *e);
/* In ended: how it died, for the message of a task that it took along; "" when it left as it was told. */
const char *engine_process_death(const struct engine_process *e);
/* The last warning that it or a child of it wrote, "" = none. Borrowed. */
const char *engine_process_last_line(const struct engine_process *e);

/* How many inferences it runs at once. */
long engine_process_lanes(const struct settings *s);

/*
 * A watch on a descriptor, and their common end: libuv forgets a descriptor by its number when the watch is
 * closed, and by then the number could be another's.
 */
int watched_new(struct uv_loop_s *loop, int fd, void *data, uv_poll_t **ret, struct err *err);
void watched_close(uv_poll_t **watch, int *fd);

#endif
