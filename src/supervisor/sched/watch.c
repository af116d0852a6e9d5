/*
 * Watches on tasks (long polls, sync calls, WebSockets). A callback may take away any watch and add new ones;
 * entries are only moved when no callback is on the stack.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/sched/inside.h"

#define FLUSH_MS 100 /* progress goes out at most so often */

uint64_t service_watch(struct service *s, const char *task_id, service_watch_cb *cb, void *ctx)
{
    struct task *t = task_table_find(&s->tasks, task_id);
    if (!t)
        return 0;
    struct watch *w = VEC_PUSH(s->watches, s->watch_count, s->watch_cap);
    *w = (struct watch){.id = ++s->next_watch, .task = t, .cb = cb, .ctx = ctx};
    return w->id;
}

static void compact(struct service *s)
{
    if (s->notifying > 0)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < s->watch_count; i++) {
        if (s->watches[i].task)
            s->watches[kept++] = s->watches[i];
    }
    s->watch_count = kept;
}

void service_unwatch(struct service *s, uint64_t watch_id)
{
    for (size_t i = 0; i < s->watch_count; i++) {
        if (s->watches[i].id == watch_id)
            s->watches[i].task = NULL;
    }
    compact(s);
}

void watch_notify(struct task *t)
{
    struct service *s = t->service;
    struct task_status status;
    service_fill_status(s, t, &status);
    t->progress_dirty = false;
    s->notifying++;
    size_t count = s->watch_count; /* those added by a callback wait for the next change */
    for (size_t i = 0; i < count; i++) {
        struct watch w = s->watches[i]; /* the array may move */
        if (w.task == t)
            w.cb(w.ctx, &status);
    }
    s->notifying--;
    compact(s);
}

void watch_progress(struct task *t)
{
    struct service *s = t->service;
    t->progress_dirty = true;
    if (!uv_is_active((uv_handle_t *)&s->flush_timer))
        (void)uv_timer_start(&s->flush_timer, watch_on_flush, FLUSH_MS,
                             0); /* fails only on a closing handle */
}

void watch_on_flush(uv_timer_t *timer)
{
    struct service *s = timer->data;
    /* the tasks first: a callback may add and remove watches */
    struct task **dirty = xnew_array(struct task *, s->watch_count);
    size_t count = 0;
    for (size_t i = 0; i < s->watch_count; i++) {
        struct task *t = s->watches[i].task;
        if (t && t->progress_dirty) {
            t->progress_dirty = false;
            dirty[count++] = t;
        }
    }
    for (size_t i = 0; i < count; i++)
        watch_notify(dirty[i]);
    free(dirty);
}

void watch_forget_task(struct task *t)
{
    struct service *s = t->service;
    for (size_t i = 0; i < s->watch_count; i++) {
        if (s->watches[i].task == t)
            s->watches[i].task = NULL;
    }
    compact(s);
}
