/* The threads that do the work, one inference at a time each. */
#ifndef PLATEN_ENGINE_SERVER_LANE_H
#define PLATEN_ENGINE_SERVER_LANE_H

#include "engine/server/queue.h"

struct lanes; /* opaque */

struct lanes_options {
    struct models *models;
    struct queue *queue;
    int count;
    bool warm;
    void (*changed)(void *ctx); /* called from lanes when a job has ended */
    void *ctx;
};

int lanes_start(const struct lanes_options *o, struct lanes **ret, struct err *err);
/* Stops the queue and waits for the jobs that run. */
void lanes_stop(struct lanes *l);
void job_free(struct job *job); /* and what it refers to */

#endif
