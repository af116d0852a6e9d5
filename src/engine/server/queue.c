/* See queue.h. Invariant: a client is in the ring exactly when its line is not empty. */
#include "engine/server/queue.h"

void queue_init(struct queue *q, int lanes)
{
    *q = (struct queue){.limit = {
                            [JOB_ORIENT] = models_streams(MODEL_ORIENTATION, lanes),
                            [JOB_LAYOUT] = models_streams(MODEL_LAYOUT, lanes),
                            [JOB_TABLE] = models_streams(MODEL_TABLE, lanes),
                            [JOB_DETECT] = models_streams(MODEL_DET_TINY, lanes),
                            [JOB_CHUNK] = lanes,
                        }};
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->wake, NULL);
}

void queue_done(struct queue *q)
{
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
}

static void enter_ring(struct queue *q, struct client *c)
{
    if (c->in_ring)
        return;
    client_ref(c);
    c->in_ring = true;
    c->ring_next = NULL;
    if (q->ring_last != NULL)
        q->ring_last->ring_next = c;
    else
        q->ring_first = c;
    q->ring_last = c;
}

/* Takes a client out of the ring; the caller has the ring's reference then. */
static void leave_ring(struct queue *q, struct client *c)
{
    struct client *before = NULL;
    for (struct client *at = q->ring_first; at != c; at = at->ring_next)
        before = at;
    if (before != NULL)
        before->ring_next = c->ring_next;
    else
        q->ring_first = c->ring_next;
    if (q->ring_last == c)
        q->ring_last = before;
    c->ring_next = NULL;
    c->in_ring = false;
}

/* The client's first job that may run now, taken out of its line. */
static struct job *take_runnable(struct queue *q, struct client *c)
{
    struct job *before = NULL;
    for (struct job *j = c->first; j != NULL; before = j, j = j->next) {
        if (q->running[j->kind] >= q->limit[j->kind])
            continue;
        if (before != NULL)
            before->next = j->next;
        else
            c->first = j->next;
        if (c->last == j)
            c->last = before;
        j->next = NULL;
        q->waiting--;
        q->running[j->kind]++;
        return j;
    }
    return NULL;
}

/* Goes round the clients once; the one that was served goes to the end of the ring. *ret_left: a reference to
 * drop without the lock. */
static struct job *take_turn(struct queue *q, struct client **ret_left)
{
    for (struct client *c = q->ring_first; c != NULL; c = c->ring_next) {
        struct job *job = take_runnable(q, c);
        if (job == NULL)
            continue;
        leave_ring(q, c);
        *ret_left = c;
        if (c->first != NULL)
            enter_ring(q, c);
        return job;
    }
    return NULL;
}

void queue_push(struct queue *q, struct job *job)
{
    struct client *c = job->client;
    job->next = NULL;
    pthread_mutex_lock(&q->lock);
    if (c->last != NULL)
        c->last->next = job;
    else
        c->first = job;
    c->last = job;
    enter_ring(q, c);
    q->waiting++;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

void queue_push_front(struct queue *q, struct job *jobs)
{
    struct client *c = jobs->client;
    int count = 1;
    struct job *last = jobs;
    for (; last->next != NULL; last = last->next)
        count++;
    pthread_mutex_lock(&q->lock);
    last->next = c->first;
    c->first = jobs;
    if (c->last == NULL)
        c->last = last;
    enter_ring(q, c);
    q->waiting += count;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

struct job *queue_take(struct queue *q, bool wait, bool *ret_stop)
{
    struct job *job = NULL;
    struct client *left = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->stop && (job = take_turn(q, &left)) == NULL && wait)
        pthread_cond_wait(&q->wake, &q->lock);
    *ret_stop = q->stop;
    pthread_mutex_unlock(&q->lock);
    if (left != NULL)
        client_unref(left);
    return job;
}

void queue_finish(struct queue *q, enum job_kind kind)
{
    pthread_mutex_lock(&q->lock);
    /* A lane may have passed over a job because this one was running. */
    if (q->running[kind]-- == q->limit[kind] && q->waiting > 0)
        pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

struct job *queue_remove_client(struct queue *q, struct client *c)
{
    pthread_mutex_lock(&q->lock);
    struct job *jobs = c->first;
    for (const struct job *j = jobs; j != NULL; j = j->next)
        q->waiting--;
    c->first = c->last = NULL;
    bool was_in_ring = c->in_ring;
    if (was_in_ring)
        leave_ring(q, c);
    pthread_mutex_unlock(&q->lock);
    if (was_in_ring)
        client_unref(c);
    return jobs;
}

int queue_busy(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    int busy = q->waiting;
    for (int i = 0; i < JOB_KIND_COUNT; i++)
        busy += q->running[i];
    pthread_mutex_unlock(&q->lock);
    return busy;
}

void queue_stop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
}
