/*
 * The zygote: an engine that loads models, runs none, and forks itself on request. A child finds the models
 * loaded and shares their memory; it becomes an ordinary engine (server/) for one task, and its end gives
 * everything back. A fork costs milliseconds where a fresh process pays hundreds.
 */
#ifndef PLATEN_ENGINE_ZYGOTE_ZYGOTE_H
#define PLATEN_ENGINE_ZYGOTE_ZYGOTE_H

#include <stddef.h>

#include "base/err.h"
#include "engine/models/models.h"

#define ZYGOTE_MAX_CHILDREN 256

struct zygote_options {
    int control_fd;        /* stays the caller's; closed in a child */
    int lanes;             /* that a child may have at most */
    struct models *models; /* of a backend that was made fork_safe */
    /* Loaded first to last; a child forked before the end loads the rest itself, when it needs it. */
    const enum model_role *preload;
    size_t preload_count;
};

struct zygote_child {
    int control_fd;
    int lanes;
};

/*
 * Returns 1 in every child, which is alone in its process group or has joined the one it was told, with
 * *ret filled; 0 in the zygote when the supervisor has gone; or an error, in either. To be called from the
 * main thread: a child dies when the thread that forked it ends.
 */
int zygote_run(const struct zygote_options *o, struct zygote_child *ret, struct err *err);

#endif
