/*
 * See lane.h. A lane takes the next job, runs it, and answers through the job's client. Without a job it
 * takes a step of warming, if any is left: steps are short, and a job that comes in is taken by the next lane
 * that ends one.
 */
#include "engine/server/lane.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/server/read.h"
#include "engine/server/warm.h"

#define LANE_STACK_BYTES (8 * 1024 * 1024) /* the inference runtime recurses */

struct lane {
    struct lanes *lanes;
    pthread_t thread;
    int number;
};

struct lanes {
    struct lanes_options o;
    int started;
    struct lane *items;
};

void job_free(struct job *job)
{
    page_unref(job->page);
    client_unref(job->client);
    reading_unref(job->reading);
    free(job);
}

static void run_table(const struct job *job, const struct vision_lane *v, const struct vision_image *im)
{
    struct answer a = {.id = job->id, .kind = ANSWER_GRID};
    struct err err = ERR_INIT;
    if (vision_table(v, im, job->table_box, &a.grid, &err) < 0)
        client_refuse(job->client, job->id, &err);
    else
        client_answer(job->client, &a);
}

static void run_layout(const struct job *job, const struct vision_lane *v, const struct vision_image *im)
{
    struct answer a = {.id = job->id, .kind = ANSWER_REGIONS};
    struct err err = ERR_INIT;
    if (vision_layout(v, im, &a.regions, &err) < 0)
        client_refuse(job->client, job->id, &err);
    else
        client_answer(job->client, &a);
}

static void run_orient(const struct job *job, const struct vision_lane *v, const struct vision_image *im)
{
    struct answer a = {.id = job->id, .kind = ANSWER_ORIENTATION};
    struct err err = ERR_INIT;
    if (vision_orient(v, im, &a.orientation, &err) < 0)
        client_refuse(job->client, job->id, &err);
    else
        client_answer(job->client, &a);
}

static void run_job(const struct lane *lane, const struct job *job)
{
    if (atomic_load(&job->client->gone))
        return; /* nobody waits for it */
    const struct lanes_options *o = &lane->lanes->o;
    const struct vision_lane v = {
        .models = o->models, .lane = lane->number, .first_us = &job->client->first_us};
    const struct vision_image im = page_image(job->page);
    switch (job->kind) {
    case JOB_ORIENT: run_orient(job, &v, &im); break;
    case JOB_LAYOUT: run_layout(job, &v, &im); break;
    case JOB_TABLE: run_table(job, &v, &im); break;
    case JOB_DETECT: reading_detect(job, o->queue, &v, o->count); break;
    case JOB_CHUNK: reading_chunk(job, &v); break;
    }
}

static void *lane_loop(void *arg)
{
    const struct lane *lane = arg;
    const struct lanes_options *o = &lane->lanes->o;
    struct warming warming = {0};
    char name[16];
    snprintf(name, sizeof(name), "lane-%d", lane->number % 1000);
    pthread_setname_np(pthread_self(),
                       name); /* by a system call; another thread's would be a write to /proc */
    bool warm = o->warm, stop = false;
    while (!stop) {
        struct job *job = queue_take(o->queue, !warm, &stop);
        if (job != NULL) {
            enum job_kind kind = job->kind;
            run_job(lane, job);
            job_free(job);
            queue_finish(o->queue, kind);
            o->changed(o->ctx);
        } else if (warm && !stop) {
            struct err err = ERR_INIT;
            int r = warm_step(&warming, o->models, lane->number, o->count, &err);
            if (r < 0)
                log_warning("lane %d was not warmed: %s", lane->number, err.message);
            warm = r > 0;
        }
    }
    warm_done(&warming);
    return NULL;
}

int lanes_start(const struct lanes_options *o, struct lanes **ret, struct err *err)
{
    struct lanes *l = xnew(struct lanes);
    l->o = *o;
    l->items = xnew_array(struct lane, (size_t)o->count);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, LANE_STACK_BYTES);
    int r = 0;
    for (int i = 0; r == 0 && i < o->count; i++) {
        l->items[i] = (struct lane){.lanes = l, .number = i};
        if (pthread_create(&l->items[i].thread, &attributes, lane_loop, &l->items[i]) != 0) {
            r = err_fail(err, ERR_LIMIT, "no thread can be made for lane %d of %d", i + 1, o->count);
            break;
        }

        l->started++;
    }
    pthread_attr_destroy(&attributes);
    if (r < 0) {
        lanes_stop(l);
        return r;
    }
    *ret = l;
    return 0;
}

void lanes_stop(struct lanes *l)
{
    if (l == NULL)
        return;
    queue_stop(l->o.queue);
    for (int i = 0; i < l->started; i++)
        pthread_join(l->items[i].thread, NULL);
    free(l->items);
    free(l);
}
