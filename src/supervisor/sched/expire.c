/*
 * When results go: single-use ones a while after the first fetch, ephemeral ones at once when sent, all after
 * their time to live. The list of the ended is walked only when the next removal is due, never on a fixed
 * beat.
 */
#include "base/clock.h"
#include "base/log.h"
#include "supervisor/sched/inside.h"

#define KEPT_TASKS_MAX 100000 /* ended tasks that are remembered; beyond it the oldest goes */
#define PLAN_MIN_MS 1000      /* removals are gathered */

/* Wall clock, so that it holds across restarts. */
static int64_t due_ms(const struct task *t)
{
    const struct settings *set = t->service->settings;
    int64_t delay_ms = (int64_t)(set->result_removal_delay_s * 1000);
    int64_t due = t->done_ms + (int64_t)(set->result_ttl_s * 1000);
    int64_t early = INT64_MAX;
    if (t->fetched_ms && set->single_use_results)
        early = t->fetched_ms + delay_ms;
    else if (t->ephemeral && t->cancel_wanted) /* nobody waits for it: the cancel came while it settled */
        early = t->done_ms;
    else if (t->ephemeral) /* its client has gone, or the API forgot to say that it was sent */
        early = t->done_ms + delay_ms;
    return MIN(due, early);
}

void expire_remove(struct task *t)
{
    struct service *s = t->service;
    /* If the removal does not reach the disk, the task is back after the next start, and goes then. */
    store_step(s->store, t->id, t->life.attempt, LIFE_REMOVE, 0, NULL, NULL, NULL);
    watch_forget_task(t);
    task_list_remove(&s->ended, t);
    task_table_remove(&s->tasks, t);
    task_free(t);
}

static void on_due(uv_timer_t *timer)
{
    struct service *s = timer->data;
    int64_t now = clock_wall_ms();
    for (struct task *t = s->ended.first; t;) {
        struct task *next = t->next;
        if (due_ms(t) <= now)
            expire_remove(t);
        t = next;
    }
    expire_plan(s);
}

void expire_plan(struct service *s)
{
    int64_t next = INT64_MAX;
    for (const struct task *t = s->ended.first; t; t = t->next)
        next = MIN(next, due_ms(t));
    if (next == INT64_MAX || s->draining)
        return;
    int64_t wait = next - clock_wall_ms();
    wait = MIN(MAX(wait, PLAN_MIN_MS), (int64_t)24 * 3600 * 1000);
    (void)uv_timer_start(&s->expire_timer, on_due, (uint64_t)wait, 0); /* fails only on a closing handle */
}

/* Brings the timer forward when this one is due earlier; no walk over the list. */
static void plan_one(const struct task *t)
{
    struct service *s = t->service;
    if (s->draining)
        return;
    int64_t wait = MAX(due_ms(t) - clock_wall_ms(), PLAN_MIN_MS);
    if (!uv_is_active((uv_handle_t *)&s->expire_timer) ||
        (int64_t)uv_timer_get_due_in(&s->expire_timer) > wait)
        (void)uv_timer_start(&s->expire_timer, on_due, (uint64_t)wait, 0);
}

void expire_ended(struct task *t)
{
    struct service *s = t->service;
    t->phase = PHASE_ENDED;
    task_list_push(&s->ended, t);
    plan_one(t);
    if (s->ended.count > KEPT_TASKS_MAX) {
        log_warning("Task %s and its result removed: more than %d ended tasks are kept", s->ended.first->id,
                    KEPT_TASKS_MAX);
        expire_remove(s->ended.first);
    }
}

void service_result_sent(struct service *s, const char *task_id)
{
    struct task *t = task_table_find(&s->tasks, task_id);
    if (!t || t->phase != PHASE_ENDED)
        return;
    if (t->ephemeral) {
        expire_remove(t);
        return;
    }
    if (t->fetched_ms || !s->settings->single_use_results)
        return;
    t->fetched_ms = clock_wall_ms();
    store_step(s->store, t->id, t->life.attempt, LIFE_FETCH, 0, NULL, NULL, NULL);
    plan_one(t);
}

void service_clear_results(struct service *s, double older_than_s)
{
    int64_t limit = clock_wall_ms() - (int64_t)(older_than_s * 1000);
    for (struct task *t = s->ended.first; t;) {
        struct task *next = t->next;
        if (t->done_ms <= limit)
            expire_remove(t);
        t = next;
    }
}
