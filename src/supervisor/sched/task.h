/* A task in memory, and the table of all by id. What only a worker needs (options, file names) stays in the
 * store. */
#ifndef PLATEN_SUPERVISOR_SCHED_TASK_H
#define PLATEN_SUPERVISOR_SCHED_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"
#include "supervisor/sched/service.h"
#include "supervisor/store/sql.h"

struct service;
struct worker;

enum task_phase {
    PHASE_QUEUED,   /* in a queue */
    PHASE_CLAIMING, /* the claim is on its way to the disk */
    PHASE_RUNNING,  /* has a worker */
    PHASE_SETTLING, /* its end is on its way to the disk */
    PHASE_ENDED,    /* in the list of the ended, oldest first */
};

struct task {
    char id[TASK_ID_BYTES];
    struct service *service;
    struct task *hash_next;
    struct task *prev, *next; /* of a queue or of the list of the ended */
    enum task_phase phase;
    struct life life; /* as last committed */
    char *tenant;
    int priority;
    bool ephemeral;
    bool cancel_wanted;
    bool progress_dirty;                                 /* watchers wait for the next flush */
    int64_t created_ms, started_ms, done_ms, fetched_ms; /* wall clock; 0: not yet */
    int64_t accepted_us;                                 /* monotonic; 0: by an earlier platend */
    double timeout_s;
    uint32_t source_count;
    uint64_t bytes;
    struct row_result result;
    int error_kind;
    int document_error;  /* what the worker said of the first document that failed */
    char *error_message; /* NULL = none */
    struct ipc_progress progress;
    struct run *run; /* while PHASE_CLAIMING and PHASE_RUNNING; dispatch.c */
};

struct task *task_of_row(struct service *s, const struct task_row *row);
void task_free(struct task *t);

struct task_table {
    struct task **buckets;
    size_t bucket_count, count; /* bucket_count: 0 or a power of two */
};

void task_table_done(struct task_table *table); /* frees the tasks */
void task_table_add(struct task_table *table, struct task *t);
struct task *task_table_find(const struct task_table *table, const char *id);
void task_table_remove(struct task_table *table, const struct task *t);

struct task_list {
    struct task *first, *last;
    size_t count;
};

void task_list_push(struct task_list *list, struct task *t);
void task_list_push_front(struct task_list *list, struct task *t);
void task_list_remove(struct task_list *list, struct task *t);

#endif
