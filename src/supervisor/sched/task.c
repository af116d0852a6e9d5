/* See task.h. Ids are random, so their own digits are the hash. */
#include "supervisor/sched/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct task *task_of_row(struct service *s, const struct task_row *row)
{
    struct task *t = xnew(struct task);
    memcpy(t->id, row->id, sizeof(t->id));
    t->service = s;
    t->phase = life_ended(row->life.state) ? PHASE_ENDED : PHASE_QUEUED;
    t->life = row->life;
    t->tenant = xstrdup(row->tenant);
    t->priority = row->priority;
    t->ephemeral = row->ephemeral;
    t->created_ms = row->created_ms;
    t->started_ms = row->started_ms;
    t->done_ms = row->done_ms;
    t->fetched_ms = row->fetched_ms;
    t->timeout_s = row->timeout_s;
    t->source_count = row->source_count;
    t->bytes = row->bytes;
    t->result = row->result;
    t->error_kind = row->error_kind;
    t->error_message = row->error_message && *row->error_message ? xstrdup(row->error_message) : NULL;
    return t;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    free(t->tenant);
    free(t->error_message);
    free(t);
}

/* FNV-1a of the 36 characters. */
static size_t hash_of(const char *id)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < TASK_ID_BYTES - 1 && id[i]; i++)
        h = (h ^ (unsigned char)id[i]) * 0x100000001b3u;
    return (size_t)h;
}

static void grow(struct task_table *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : 64;
    struct task **buckets = xnew_array(struct task *, count);
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct task *t = table->buckets[i]; t;) {
            struct task *next = t->hash_next;
            struct task **bucket = &buckets[hash_of(t->id) & (count - 1)];
            t->hash_next = *bucket;
            *bucket = t;
            t = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

void task_table_done(struct task_table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct task *t = table->buckets[i]; t;) {
            struct task *next = t->hash_next;
            task_free(t);
            t = next;
        }
    }
    free(table->buckets);
    *table = (struct task_table){0};
}

void task_table_add(struct task_table *table, struct task *t)
{
    if (table->count >= table->bucket_count)
        grow(table);
    struct task **bucket = &table->buckets[hash_of(t->id) & (table->bucket_count - 1)];
    t->hash_next = *bucket;
    *bucket = t;
    table->count++;
}

struct task *task_table_find(const struct task_table *table, const char *id)
{
    if (table->bucket_count == 0)
        return NULL;
    struct task *t = table->buckets[hash_of(id) & (table->bucket_count - 1)];
    while (t && strcmp(t->id, id) != 0)
        t = t->hash_next;
    return t;
}

void task_table_remove(struct task_table *table, const struct task *t)
{
    struct task **link = &table->buckets[hash_of(t->id) & (table->bucket_count - 1)];
    while (*link != t)
        link = &(*link)->hash_next;
    *link = t->hash_next;
    table->count--;
}

void task_list_push(struct task_list *list, struct task *t)
{
    t->next = NULL;
    t->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = t;
    list->last = t;
    list->count++;
}

void task_list_push_front(struct task_list *list, struct task *t)
{
    t->prev = NULL;
    t->next = list->first;
    *(list->first ? &list->first->prev : &list->last) = t;
    list->first = t;
    list->count++;
}

void task_list_remove(struct task_list *list, struct task *t)
{
    *(t->prev ? &t->prev->next : &list->first) = t->next;
    *(t->next ? &t->next->prev : &list->last) = t->prev;
    t->prev = t->next = NULL;
    list->count--;
}
