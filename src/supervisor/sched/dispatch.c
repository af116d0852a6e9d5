/*
 * From the queue to a worker, and from its end to a settled row:
 *
 *   queued -> claim (durable: attempt + 1) -> worker -> verdict -> finish, fail, cancel or requeue (durable)
 *
 * A slot is in use from the claim until nothing of the attempt is left (release.h). Nobody is told of
 * anything before it is on the disk. A task that was blamed for the death of an engine runs alone the next
 * times, so that it can take no neighbour with it twice.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/sched/inside.h"
#include "supervisor/sched/supervise.h"

#define RETRY_MS 1000

struct run {
    struct run *next;
    struct service *service;
    struct task *task;     /* NULL while releasing: it may be gone */
    struct worker *worker; /* NULL while claiming and releasing */
    struct lease *lease;
    bool over; /* the task has ended with this attempt */
    char task_id[TASK_ID_BYTES];
    int output_fd;
};

static void on_settled(void *ctx, int rc, const struct life *life, const struct err *err);

/* ---- slots ---- */

static struct run *run_new(struct task *t)
{
    struct service *s = t->service;
    struct run *r = xnew(struct run);
    r->service = s;
    r->task = t;
    memcpy(r->task_id, t->id, sizeof(r->task_id));
    r->output_fd = -1;
    r->next = s->runs;
    s->runs = r;
    s->running++;
    s->active++;
    t->run = r;
    t->phase = PHASE_CLAIMING;
    return r;
}

/* Gives the slot back. */
static void run_free(struct run *r)
{
    struct service *s = r->service;
    struct run **link = &s->runs;
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    s->running--;
    if (s->running == 0)
        s->exclusive = false;
    free(r);
}

static void on_first(void *ctx, int64_t mono_us)
{
    const struct run *r = ctx;
    if (r->task && r->task->accepted_us)
        log_debug("Task %s first inference overhead_us=%lld", r->task_id,
                  (long long)(mono_us - r->task->accepted_us));
}

/* Nothing of the attempt is left. */
static void on_released(void *ctx)
{
    struct run *r = ctx;
    struct service *s = r->service;
    if (r->over && orchestrator_is_isolated(s->orchestrator))
        log_debug("Task %s completed - WorkerOrchestrator handles VRAM cleanup automatically", r->task_id);
    run_free(r);
    dispatch(s);
    dispatch_check_drained(s);
}

/* The attempt has ended: the task goes on to settle, so it stays active; the slot waits for the release. */
static void run_end(struct run *r, uint64_t rss_bytes)
{
    r->task->run = NULL;
    r->task = NULL;
    r->worker = NULL;
    fd_closep(&r->output_fd);
    if (r->lease)
        lease_end(take_ptr(&r->lease), rss_bytes);
    else
        run_free(r);
}

/* ---- settling ---- */

static void settle(struct task *t, enum life_event event, int error_kind, const char *message)
{
    t->phase = PHASE_SETTLING;
    t->error_kind = error_kind;
    free(t->error_message);
    t->error_message = error_kind ? xstrdup(message) : NULL;
    store_step(t->service->store, t->id, t->life.attempt, event, error_kind, message, on_settled, t);
}

static const char *status_word(const struct task *t)
{
    if (t->life.state == LIFE_SUCCESS)
        return "success";
    if (t->life.state == LIFE_CANCELLED)
        return "cancelled";
    return t->error_kind == ERR_TIMEOUT ? "timeout" : "failure";
}

static void task_ended(struct task *t)
{
    struct service *s = t->service;
    t->done_ms = clock_wall_ms();
    s->active--;
    if (t->error_message)
        log_info("Task %s completed with status: %s (%s: %s)", t->id, status_word(t), err_name(t->error_kind),
                 t->error_message);
    else
        log_info("Task %s completed with status: %s", t->id, status_word(t));
    expire_ended(t);
    watch_notify(t); /* a callback may take t away */
    dispatch(s);
    dispatch_check_drained(s);
}

static void task_queued_again(struct task *t)
{
    struct service *s = t->service;
    if (t->cancel_wanted) {
        settle(t, LIFE_CANCEL, ERR_CANCELLED, "the task was cancelled");
        return;
    }
    log_info("Task %s queued again (attempt %d, interrupted %d, blamed %d)%s%s", t->id, t->life.attempt,
             t->life.interrupted, t->life.blamed, t->error_message ? ": " : "",
             t->error_message ? t->error_message : "");
    t->error_kind = 0;
    freep(&t->error_message);
    t->phase = PHASE_QUEUED;
    t->progress = (struct ipc_progress){0};
    s->active--;
    queue_push_front(&s->queue, t);
    watch_notify(t);
    dispatch(s);
    dispatch_check_drained(s);
}

static void on_settled(void *ctx, int rc, const struct life *life, const struct err *err)
{
    struct task *t = ctx;
    if (rc < 0) {
        service_fatal(t->service, err->message);
        return;
    }
    t->life = *life;
    if (life->state == LIFE_QUEUED)
        task_queued_again(t);
    else
        task_ended(t);
}

static void on_finished(void *ctx, int rc, const struct life *life, const struct err *err)
{
    struct task *t = ctx;
    if (rc == 0) {
        t->life = *life;
        task_ended(t);
    } else if (store_broken(t->service->store)) {
        service_fatal(t->service, err->message);
    } else {
        char *message = xasprintf("the result could not be stored: %s", err->message);
        settle(t, LIFE_FAIL, rc, message);
        free(message);
    }
}

/* ---- the worker ---- */

static void on_progress(void *ctx, const struct ipc_progress *progress)
{
    struct run *r = ctx;
    r->task->progress = *progress;
    watch_progress(r->task);
}

static void publish(struct run *r, const struct ipc_done *done)
{
    struct task *t = r->task;
    t->result = (struct row_result){.bytes = done->output_bytes,
                                    .documents = done->documents,
                                    .succeeded = done->succeeded,
                                    .partial = done->partial,
                                    .failed = done->failed,
                                    .pages = done->pages};
    t->document_error = done->error_kind;
    memcpy(t->result.content_type, done->content_type, sizeof(t->result.content_type));
    t->phase = PHASE_SETTLING;
    int fd = r->output_fd;
    r->output_fd = -1;
    store_finish(r->service->store, t->id, t->life.attempt, fd, &t->result, on_finished, t);
}

static void on_worker_ended(void *ctx, const struct worker_end *end)
{
    struct run *r = ctx;
    struct service *s = r->service;
    struct task *t = r->task;
    const struct verdict *v = &end->verdict;
    strays_kill(s); /* before its output is published: it may be open in one that has left the group */
    log_debug("Task %s worker pid=%d ended signalled=%d code=%d lived_ms=%lld user_ms=%lld system_ms=%lld "
              "peak_rss_kb=%ld",
              t->id, (int)end->pid, end->exit.signalled, end->exit.code, (long long)end->lived_ms,
              (long long)end->exit.usage.ru_utime.tv_sec * 1000 + end->exit.usage.ru_utime.tv_usec / 1000,
              (long long)end->exit.usage.ru_stime.tv_sec * 1000 + end->exit.usage.ru_stime.tv_usec / 1000,
              end->exit.usage.ru_maxrss);
    if (v->kind == VERDICT_DONE || v->kind == VERDICT_FAIL)
        s->mean_service_s += ((double)end->lived_ms / 1000 - s->mean_service_s) / 8;
    const char *why = v->message;
    switch (v->kind) {
    case VERDICT_DONE: publish(r, &end->done); break;
    case VERDICT_FAIL: settle(t, LIFE_FAIL, v->error_kind, why); break;
    case VERDICT_BLAME:
        if (!end->exit.signalled && *lease_engine_death(r->lease))
            why = lease_engine_death(r->lease);
        settle(t, LIFE_BLAME, v->error_kind, why);
        break;
    case VERDICT_INTERRUPT: settle(t, LIFE_INTERRUPT, 0, NULL); break;
    case VERDICT_CANCEL: settle(t, LIFE_CANCEL, v->error_kind, why); break;
    }
    r->over = v->kind != VERDICT_BLAME && v->kind != VERDICT_INTERRUPT;
    run_end(r, end->rss_bytes);
    service_reap_strays(s);
    dispatch(s);
}

static double timeout_of(const struct task *t)
{
    double max = t->service->settings->max_document_timeout_s;
    return t->timeout_s > 0 && (max <= 0 || t->timeout_s < max) ? t->timeout_s : max;
}

static int start_worker(struct run *r, struct store_work *work, struct err *err)
{
    struct service *s = r->service;
    struct task *t = r->task;
    CLEANUP(fd_closep) int engine_fd = -1;
    const struct lease_request q = {.task_id = t->id, .first = on_first, .released = on_released, .ctx = r};
    int rc = lease_new(s->orchestrator, &q, &r->lease, &engine_fd, err);
    if (rc < 0)
        return rc;
    r->output_fd = work->output_fd;
    work->output_fd = -1;
    const struct worker_spec spec = {.program = s->worker_program,
                                     .sandbox = s->settings->sandbox,
                                     .task_id = t->id,
                                     .attempt = t->life.attempt,
                                     .input_fd = work->input_fd,
                                     .output_fd = r->output_fd,
                                     .engine_fd = engine_fd,
                                     .source_fds = work->source_fds,
                                     .source_count = work->source_count,
                                     .timeout_s = timeout_of(t),
                                     .no_progress_s = s->settings->no_progress_timeout_s,
                                     .grace_s = s->settings->kill_grace_s,
                                     .progress = on_progress,
                                     .ended = on_worker_ended,
                                     .ctx = r};
    rc = worker_start(s->loop, &spec, &r->worker, err);
    if (rc == 0)
        lease_join(r->lease, worker_pid(r->worker));
    return rc;
}

/* ---- the claim ---- */

static void on_retry(uv_timer_t *timer)
{
    dispatch(timer->data);
}

/* The claim did not reach the disk. A full disk may pass; anything else means that store and memory disagree.
 */
static void claim_failed(struct run *r, int rc, const struct err *err)
{
    struct service *s = r->service;
    struct task *t = r->task;
    if (store_broken(s->store) || (rc != ERR_LIMIT && rc != ERR_MEMORY)) {
        service_fatal(s, err->message);
        return;
    }
    log_error("Task %s waits: %s", t->id, err->message);
    run_end(r, 0);
    s->active--;
    t->phase = PHASE_QUEUED;
    queue_push_front(&s->queue, t);
    if (t->cancel_wanted)
        dispatch_cancel_queued(t);
    else if (!s->draining)
        (void)uv_timer_start(&s->retry_timer, on_retry, RETRY_MS, 0); /* fails only on a closing handle */
    dispatch_check_drained(s);
}

static void on_claimed(void *ctx, int rc, struct store_work *work, const struct err *err)
{
    struct run *r = ctx;
    struct service *s = r->service;
    struct task *t = r->task;
    if (work->life.state != LIFE_RUNNING) {
        claim_failed(r, rc, err);
        return;
    }
    t->life = work->life;
    t->started_ms = clock_wall_ms();
    struct err start_err = ERR_INIT;
    if (rc < 0) {
        settle(t, LIFE_FAIL, rc, err->message);
    } else if (t->cancel_wanted) {
        settle(t, LIFE_CANCEL, ERR_CANCELLED, "the task was cancelled");
    } else if (s->draining) {
        settle(t, LIFE_INTERRUPT, 0, NULL);
    } else if ((rc = start_worker(r, work, &start_err)) < 0) {
        settle(t, LIFE_BLAME, rc, start_err.message);
    } else {
        t->phase = PHASE_RUNNING;
        watch_notify(t);
        return;
    }
    run_end(r, 0);
    dispatch(s);
}

void dispatch(struct service *s)
{
    while (!s->draining && !store_broken(s->store) && s->running < (size_t)s->settings->num_workers) {
        struct task *t = queue_peek(&s->queue);
        if (!t || uv_is_active((uv_handle_t *)&s->retry_timer))
            return;
        bool alone = t->life.blamed > 0;
        if (s->running > 0 && (alone || s->exclusive))
            return;
        s->exclusive = alone;
        queue_pick(&s->queue, t);
        store_claim(s->store, t->id, t->life.attempt, on_claimed, run_new(t));
    }
}

/* ---- stopping ---- */

void dispatch_cancel_queued(struct task *t)
{
    queue_remove(&t->service->queue, t);
    t->service->active++;
    settle(t, LIFE_CANCEL, ERR_CANCELLED, "the task was cancelled");
}

void dispatch_cancel_running(struct task *t)
{
    t->cancel_wanted = true; /* claiming or settling: looked at when that is done */
    if (t->phase == PHASE_RUNNING)
        worker_stop(t->run->worker, STOP_CANCEL);
}

void dispatch_stop_all(struct service *s)
{
    for (struct run *r = s->runs; r; r = r->next) {
        if (r->worker)
            worker_stop(r->worker, STOP_SHUTDOWN);
    }
}

static void on_engines_gone(void *ctx)
{
    struct service *s = ctx;
    s->drained(s->drained_ctx);
}

void dispatch_check_drained(struct service *s)
{
    if (!s->draining || s->drained_called || s->active > 0 || s->running > 0 || s->submitting > 0)
        return;
    s->drained_called = true;
    orchestrator_stop(s->orchestrator, on_engines_gone, s);
}

bool dispatch_knows_pid(const struct service *s, pid_t pid)
{
    for (const struct run *r = s->runs; r; r = r->next) {
        if (r->worker && worker_pid(r->worker) == pid)
            return true;
    }
    return orchestrator_knows_pid(s->orchestrator, pid);
}
