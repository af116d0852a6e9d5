/* Waiting tasks: three classes, first in first out within each. The highest class goes first, but no class
 * starves. */
#ifndef PLATEN_SUPERVISOR_SCHED_QUEUE_H
#define PLATEN_SUPERVISOR_SCHED_QUEUE_H

#include "supervisor/sched/task.h"

#define QUEUE_CLASSES 3    /* high, normal, low */
#define QUEUE_FAIR_EVERY 8 /* each so many-th pick is taken from the lowest class that waits */

struct queue {
    struct task_list classes[QUEUE_CLASSES];
    uint64_t bytes; /* of the sources of all that wait */
    unsigned picks;
};

size_t queue_count(const struct queue *q);
void queue_push(struct queue *q, struct task *t);
void queue_push_front(struct queue *q, struct task *t); /* of its class: it has waited before */
void queue_remove(struct queue *q, struct task *t);
/* The next to run, or NULL. It stays until queue_remove. */
struct task *queue_peek(const struct queue *q);
/* queue_remove, and the pick counts for fairness. */
void queue_pick(struct queue *q, struct task *t);
/* 1 for the next to run; classes count whole. */
int queue_position(const struct queue *q, const struct task *t);

#endif
