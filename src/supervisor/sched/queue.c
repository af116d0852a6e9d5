/* See queue.h. */
#include "supervisor/sched/queue.h"

#include "base/macros.h"

static struct task_list *class_of(struct queue *q, const struct task *t)
{
    return &q->classes[MIN(MAX(t->priority, 0), QUEUE_CLASSES - 1)];
}

size_t queue_count(const struct queue *q)
{
    size_t n = 0;
    for (int i = 0; i < QUEUE_CLASSES; i++)
        n += q->classes[i].count;
    return n;
}

void queue_push(struct queue *q, struct task *t)
{
    task_list_push(class_of(q, t), t);
    q->bytes += t->bytes;
}

void queue_push_front(struct queue *q, struct task *t)
{
    task_list_push_front(class_of(q, t), t);
    q->bytes += t->bytes;
}

void queue_remove(struct queue *q, struct task *t)
{
    task_list_remove(class_of(q, t), t);
    q->bytes -= t->bytes;
}

struct task *queue_peek(const struct queue *q)
{
    bool fair = q->picks % QUEUE_FAIR_EVERY == QUEUE_FAIR_EVERY - 1;
    for (int i = 0; i < QUEUE_CLASSES; i++) {
        const struct task_list *list = &q->classes[fair ? QUEUE_CLASSES - 1 - i : i];
        if (list->first)
            return list->first;
    }
    return NULL;
}

void queue_pick(struct queue *q, struct task *t)
{
    queue_remove(q, t);
    q->picks++;
}

int queue_position(const struct queue *q, const struct task *t)
{
    size_t before = 0;
    int class = MIN(MAX(t->priority, 0), QUEUE_CLASSES - 1);
    for (int i = 0; i < class; i++)
        before += q->classes[i].count;
    for (const struct task *other = t->prev; other; other = other->prev)
        before++;
    return (int)before + 1;
}
