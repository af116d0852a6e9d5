/*
 * The jobs that wait for a lane. Some kinds may only run a few at once (their models have few streams): a
 * lane passes over those and takes the next job that may run. Each client has a line of its own, first come
 * first served; the clients take turns, so that one with a hundred pages does not keep out one with a single
 * page.
 */
#ifndef PLATEN_ENGINE_SERVER_QUEUE_H
#define PLATEN_ENGINE_SERVER_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/server/client.h"

enum job_kind { JOB_ORIENT, JOB_LAYOUT, JOB_TABLE, JOB_DETECT, JOB_CHUNK };
#define JOB_KIND_COUNT (JOB_CHUNK + 1)

struct reading; /* read.h: a READ under way */

struct job {
    struct job *next;
    enum job_kind kind;
    struct client *client; /* a reference */
    struct page *page;     /* a reference */
    uint32_t id;
    struct ipc_box table_box;
    struct reading *reading; /* DETECT, CHUNK */
    size_t from, count;      /* CHUNK: which quads */
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct client *ring_first, *ring_last; /* clients with waiting jobs; each a reference */
    int waiting, running[JOB_KIND_COUNT], limit[JOB_KIND_COUNT];
    bool stop;
};

/* lanes: sets how many jobs of each kind may run at once. */
void queue_init(struct queue *q, int lanes);
void queue_done(struct queue *q);
/* Takes the job: behind the client's others, or (front) ahead of them. */
void queue_push(struct queue *q, struct job *job);
void queue_push_front(struct queue *q, struct job *jobs);
/* The next job, or NULL at once when there is none and !wait, or when the queue stops. The caller runs it and
 * then calls queue_finish. */
struct job *queue_take(struct queue *q, bool wait, bool *ret_stop);
void queue_finish(struct queue *q, enum job_kind kind);
/* The waiting jobs of a client, taken out; the caller frees them. */
struct job *queue_remove_client(struct queue *q, struct client *c);
int queue_busy(struct queue *q); /* waiting and running */
void queue_stop(struct queue *q);

#endif
