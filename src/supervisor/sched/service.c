/* See service.h and service_new.h: the face of the scheduler. Admission, status, results; the work is in
 * dispatch.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/sched/inside.h"

#define SOURCES_MAX 64 /* descriptors of one worker; max_sources may be lower */
#define RETRY_AFTER_MAX_S 300
#define FIRST_GUESS_S 3.0 /* of the mean service time */

/* ---- spool ---- */

int service_spool_open(struct service *s, struct spool_file **ret, struct err *err)
{
    if (s->draining)
        return err_fail(err, ERR_BUSY, "the service is shutting down");
    uint64_t free_bytes = store_free_bytes(s->store);
    if (free_bytes < (uint64_t)s->settings->free_space_floor_bytes)
        return err_fail(err, ERR_LIMIT, "only %llu MiB of disk space are left, and %lld MiB are kept free",
                        (unsigned long long)(free_bytes >> 20),
                        (long long)(s->settings->free_space_floor_bytes >> 20));
    return store_spool_open(s->store, ret, err);
}

int service_spool_write(struct spool_file *f, const void *bytes, size_t len, struct err *err)
{
    return store_spool_write(f, bytes, len, err);
}

uint64_t service_spool_bytes(const struct spool_file *f)
{
    return store_spool_bytes(f);
}

void service_spool_discard(struct spool_file *f)
{
    store_spool_discard(f);
}

/* ---- submit ---- */

struct submission {
    struct service *service;
    struct task *task;
    service_submit_cb *done;
    void *ctx;
};

int service_retry_after_s(const struct service *s)
{
    double tasks = (double)(queue_count(&s->queue) + s->submitting + s->running);
    double wait = tasks * s->mean_service_s / (double)MAX(s->settings->num_workers, 1);
    return wait < 1 ? 1 : wait > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)(wait + 0.999);
}

static int admit(const struct service *s, const struct task_request *r, uint64_t bytes, struct err *err)
{
    if (s->draining)
        return err_fail(err, ERR_BUSY, "the service is shutting down");
    if (store_broken(s->store))
        return err_fail(err, ERR_IO, "the store has failed");
    if (r->source_count == 0 || r->source_count > SOURCES_MAX)
        return err_fail(err, ERR_LIMIT, "%zu files in one request, 1 to %d are allowed", r->source_count,
                        SOURCES_MAX);
    size_t waiting = queue_count(&s->queue) + s->submitting;
    if (s->settings->queue_max_size > 0 && waiting >= (size_t)s->settings->queue_max_size)
        return err_fail(err, ERR_BUSY, "the queue is full (%zu tasks)", waiting);
    if (s->settings->queue_max_bytes > 0 &&
        s->queue.bytes + s->submitting_bytes + bytes > (uint64_t)s->settings->queue_max_bytes)
        return err_fail(err, ERR_BUSY, "the files of the waiting tasks fill the queue (%llu MiB)",
                        (unsigned long long)((s->queue.bytes + s->submitting_bytes) >> 20));
    return 0;
}

static void on_submitted(void *ctx, int rc, const struct err *err)
{
    struct submission *sub = ctx;
    struct service *s = sub->service;
    struct task *t = sub->task;
    s->submitting--;
    s->submitting_bytes -= t->bytes;
    if (rc < 0) {
        log_error("Task %s not accepted: %s", t->id, err->message);
        sub->done(sub->ctx, rc, NULL, err);
        task_free(t);
        if (store_broken(s->store))
            service_fatal(s, err->message);
    } else {
        t->accepted_us = clock_mono_us();
        task_table_add(&s->tasks, t);
        queue_push(&s->queue, t);
        log_info("Task %s queued for worker processing", t->id);
        sub->done(sub->ctx, 0, t->id, err);
        dispatch(s);
    }
    free(sub);
    dispatch_check_drained(s);
}

static void discard_all(const struct task_request *r)
{
    for (size_t i = 0; i < r->source_count; i++)
        store_spool_discard(r->sources[i].file);
}

int service_submit(struct service *s, const struct task_request *r, service_submit_cb *done, void *ctx,
                   struct err *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->source_count; i++)
        bytes += store_spool_bytes(r->sources[i].file);
    int rc = admit(s, r, bytes, err);
    if (rc < 0) {
        discard_all(r);
        return rc;
    }
    struct task_row row = {.tenant = r->tenant ? r->tenant : "",
                           .life = {.state = LIFE_QUEUED},
                           .priority = r->priority,
                           .ephemeral = r->ephemeral,
                           .created_ms = clock_wall_ms(),
                           .timeout_s = r->document_timeout_s,
                           .source_count = (uint32_t)r->source_count,
                           .bytes = bytes};
    uuid_new(row.id);
    struct submission *sub = xnew(struct submission);
    *sub = (struct submission){.service = s, .task = task_of_row(s, &row), .done = done, .ctx = ctx};
    struct store_source sources[SOURCES_MAX];
    for (size_t i = 0; i < r->source_count; i++) {
        const char *name = r->sources[i].filename;
        sources[i] = (struct store_source){r->sources[i].file, name ? name : ""};
    }
    s->submitting++;
    s->submitting_bytes += bytes;
    store_submit(s->store, &row, r->options_json, sources, r->source_count, on_submitted, sub);
    return 0;
}

/* ---- status and result ---- */

static struct task *find(const struct service *s, const char *task_id, const char *tenant, struct err *err)
{
    struct task *t = task_table_find(&s->tasks, task_id);
    if (t && strcmp(t->tenant, tenant ? tenant : "") == 0)
        return t;
    (void)err_fail(err, ERR_NOTFOUND, "Task not found.");
    return NULL;
}

static enum task_state state_of(const struct task *t)
{
    switch (t->life.state) {
    case LIFE_RUNNING: return TASK_STARTED;
    case LIFE_SUCCESS: return TASK_SUCCESS;
    case LIFE_FAILURE: return TASK_FAILURE;
    case LIFE_CANCELLED: return TASK_CANCELLED;
    case LIFE_NONE:
    case LIFE_QUEUED:
    case LIFE_STATE_COUNT: break;
    }
    return TASK_PENDING;
}

static void fill_counts(const struct task *t, struct task_status *st)
{
    st->num_docs = t->source_count;
    if (t->life.state == LIFE_SUCCESS) {
        st->num_succeeded = t->result.succeeded;
        st->num_partial = t->result.partial;
        st->num_failed = t->result.failed;
        st->num_processed = t->result.documents;
        st->pages_done = st->pages_total = t->result.pages;
        st->document_error = t->document_error;
    } else {
        st->pages_done = t->progress.pages_done;
        st->pages_total = t->progress.pages_total;
        if (life_ended(t->life.state))
            st->num_processed = st->num_failed = t->source_count;
    }
}

void service_fill_status(const struct service *s, const struct task *t, struct task_status *st)
{
    *st = (struct task_status){
        .state = state_of(t), .attempt = t->life.attempt, .created_wall_ms = t->created_ms};
    memcpy(st->id, t->id, sizeof(st->id));
    st->position = t->phase == PHASE_QUEUED ? queue_position(&s->queue, t) : 0;
    fill_counts(t, st);
    if (t->life.state == LIFE_RUNNING)
        memcpy(st->stage, t->progress.stage, sizeof(st->stage));
    if (t->life.state == LIFE_FAILURE || t->life.state == LIFE_CANCELLED) {
        st->error_kind = t->error_kind ? t->error_kind : ERR_BUG;
        (void)snprintf(st->error_message, sizeof(st->error_message), "%s",
                       t->error_message ? t->error_message : "");
    }
    int64_t now = clock_wall_ms();
    bool started = t->started_ms && t->life.state != LIFE_QUEUED;
    int64_t ended = t->done_ms ? t->done_ms : now;
    st->queued_s = (double)((started ? t->started_ms : ended) - t->created_ms) / 1000;
    st->running_s = started ? (double)(ended - t->started_ms) / 1000 : 0;
}

int service_status(const struct service *s, const char *task_id, const char *tenant, struct task_status *ret,
                   struct err *err)
{
    const struct task *t = find(s, task_id, tenant, err);
    if (!t)
        return ERR_NOTFOUND;
    service_fill_status(s, t, ret);
    return 0;
}

int service_result(struct service *s, const char *task_id, const char *tenant, struct task_result *ret,
                   struct err *err)
{
    const struct task *t = find(s, task_id, tenant, err);
    if (!t)
        return ERR_NOTFOUND;
    if (t->phase != PHASE_ENDED)
        return err_fail(err, ERR_NOTFOUND, "Task result not found. Please wait for a completion status.");
    struct task_result r = {.fd = -1};
    if (t->life.state == LIFE_SUCCESS) {
        int rc = store_result_open(s->store, t->id, t->life.attempt, &r.fd, err);
        if (rc < 0)
            return rc;
        r.bytes = t->result.bytes;
        memcpy(r.content_type, t->result.content_type, sizeof(r.content_type));
        if (strcmp(r.content_type, "application/zip") == 0)
            (void)snprintf(r.filename, sizeof(r.filename), "converted_docs.zip");
    }
    service_fill_status(s, t, &r.status);
    *ret = r;
    return 0;
}

int service_cancel(struct service *s, const char *task_id, const char *tenant, struct err *err)
{
    struct task *t = find(s, task_id, tenant, err);
    if (!t)
        return ERR_NOTFOUND;
    if (t->phase == PHASE_QUEUED)
        dispatch_cancel_queued(t);
    else if (t->phase != PHASE_ENDED)
        dispatch_cancel_running(t);
    else if (t->ephemeral)
        expire_remove(t); /* its only client has gone before it was sent */
    return 0;
}

const struct sandbox_report *service_sandbox(const struct service *s)
{
    return s->config.sandbox;
}

bool service_ready(const struct service *s)
{
    return !s->draining && !store_broken(s->store);
}

struct service_counts service_counts(const struct service *s)
{
    return (struct service_counts){queue_count(&s->queue), s->active, s->ended.count};
}

/* ---- making and ending ---- */

void service_fatal(struct service *s, const char *message)
{
    s->config.fatal(s->config.ctx, message);
}

static int on_row(void *ctx, const struct task_row *row, struct err *err)
{
    struct service *s = ctx;
    if (task_table_find(&s->tasks, row->id))
        return err_fail(err, ERR_IO, "task %s is there twice", row->id);
    struct task *t = task_of_row(s, row);
    task_table_add(&s->tasks, t);
    if (t->phase == PHASE_ENDED)
        expire_ended(t);
    else
        queue_push(&s->queue, t);
    return 0;
}

static void start_timers(struct service *s)
{
    uv_timer_t *const timers[] = {&s->flush_timer, &s->expire_timer, &s->drain_timer, &s->retry_timer};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        (void)uv_timer_init(s->loop, timers[i]); /* cannot fail */
        timers[i]->data = s;
        s->open_handles++;
    }
}

/* Before the store opens: when the scratch folder is what fails, the pooled way takes the one in the data
 * folder. */
static bool preflight(const struct service_config *config)
{
    struct err err = ERR_INIT;
    if (!config->settings->free_vram_on_idle)
        return false;
    if (orchestrator_preflight(config->settings, config->worker_program, config->engine_program, &err) == 0)
        return true;
    log_error("WorkerOrchestrator cannot work (%s): the pooled engines serve instead", err.message);
    return false;
}

static void on_sweep(void *ctx)
{
    service_reap_strays(ctx);
}

static struct orchestrator *choose_orchestrator(struct service *s, bool isolated)
{
    const struct orchestrator_config c = {.loop = s->loop,
                                          .settings = s->settings,
                                          .engine_program = s->config.engine_program,
                                          .isolated = isolated,
                                          .sweep = on_sweep,
                                          .ctx = s};
    if (isolated)
        log_info("Using WorkerOrchestrator for complete VRAM isolation");
    return orchestrator_new(&c);
}

const struct release_counters *service_releases(const struct service *s)
{
    return orchestrator_releases(s->orchestrator);
}

int service_new(struct uv_loop_s *loop, const struct service_config *config, struct service **ret,
                struct err *err)
{
    const struct settings *set = config->settings;
    struct service *s = xnew(struct service);
    s->loop = loop;
    s->config = *config;
    s->settings = set;
    s->mean_service_s = FIRST_GUESS_S;
    s->worker_program = xstrdup(config->worker_program);
    bool isolated = preflight(config);
    const struct store_config sc = {.data_dir = set->data_dir,
                                    .scratch_dir = set->free_vram_on_idle && !isolated ? ""
                                                                                       : set->scratch_path,
                                    .max_num_pages = set->max_num_pages,
                                    .page_batch_size = set->page_batch_size};
    int rc = store_open(loop, &sc, &s->store, err);
    if (rc < 0) {
        free(s->worker_program);
        free(s);
        return rc;
    }
    start_timers(s);
    s->orchestrator = choose_orchestrator(s, isolated);
    rc = store_load(s->store, on_row, s, err);
    if (rc < 0)
        return rc; /* main ends with it; nothing has been started */
    if (store_recovered(s->store) || store_swept(s->store) || queue_count(&s->queue))
        log_info("Store: %zu tasks waiting, of which %u were running when the last platend ended; %u "
                 "left-over files removed",
                 queue_count(&s->queue), store_recovered(s->store), store_swept(s->store));
    dispatch(s);
    *ret = s;
    return 0;
}

static void on_drain_over(uv_timer_t *timer)
{
    dispatch_stop_all(timer->data);
}

void service_drain(struct service *s, double grace_s, void (*drained)(void *ctx), void *ctx)
{
    s->draining = true;
    s->drained = drained;
    s->drained_ctx = ctx;
    if (s->active > 0)
        log_info("Shutting down: %zu tasks may run for another %g s, %zu stay queued", s->active, grace_s,
                 queue_count(&s->queue));
    (void)uv_timer_start(&s->drain_timer, on_drain_over, (uint64_t)(grace_s * 1000),
                         0); /* fails only on a closing handle */
    dispatch_check_drained(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct service *s = handle->data;
    s->open_handles--;
}

void service_free(struct service *s)
{
    if (!s)
        return;
    store_close(s->store);
    uv_timer_t *const timers[] = {&s->flush_timer, &s->expire_timer, &s->drain_timer, &s->retry_timer};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        uv_close((uv_handle_t *)timers[i], on_timer_closed);
    while (s->open_handles > 0)
        (void)uv_run(s->loop, UV_RUN_ONCE);
    orchestrator_free(s->orchestrator);
    task_table_done(&s->tasks);
    free(s->watches);
    free(s->worker_program);
    free(s);
}
