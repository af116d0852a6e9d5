/*
 * The narrow service interface between the API (which never sees a pid or a file path of its own making) and
 * the scheduler and store (which never see HTTP). All functions are called on the loop thread; callbacks are
 * called on it too, never from inside the call that registered them. Tasks are named by id.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_SERVICE_H
#define PLATEN_SUPERVISOR_SCHED_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct service; /* opaque; made by main with service_new (sched/service_new.h) */

#define TASK_ID_BYTES 37 /* uuid4 in text, NUL included */

/* ---- spool files: an upload streams into one before the task exists ---- */
struct spool_file; /* opaque: one file being written */
/* ERR_LIMIT (507) when free space is below the floor. */
int service_spool_open(struct service *s, struct spool_file **ret, struct err *err);
/* Writes synchronously (page cache). */
int service_spool_write(struct spool_file *f, const void *bytes, size_t len, struct err *err);
uint64_t service_spool_bytes(const struct spool_file *f);
/* Removes the file if it was not handed to service_submit. NULL is accepted. */
void service_spool_discard(struct spool_file *f);

/* ---- tasks ---- */
enum task_state { /* as docling-serve names them in TaskStatusResponse */
                  TASK_PENDING,
                  TASK_STARTED,
                  TASK_SUCCESS,
                  TASK_FAILURE,
                  TASK_CANCELLED, /* shown as failure with category policy */
                  TASK_STATE_COUNT
};

struct task_source {
    struct spool_file *file; /* taken by service_submit, also when it fails */
    const char *filename;    /* the client's, copied */
};

struct task_request {
    const char *tenant;       /* "" = none */
    const char *options_json; /* canonical, from convert_options_to_json */
    const struct task_source *sources;
    size_t source_count;
    double document_timeout_s; /* 0: the maximum */
    int priority;              /* 0 high, 1 normal, 2 low */
    bool ephemeral;            /* sync call: drop the result right after it was sent */
};

struct task_status {
    char id[TASK_ID_BYTES];
    enum task_state state;
    int position; /* 1-based in the queue; 0 once started */
    int attempt;
    uint32_t num_docs, num_processed, num_succeeded, num_partial, num_failed;
    uint32_t pages_done, pages_total;
    char stage[32];
    int error_kind;     /* enum err_kind of a failed task, else 0 */
    int document_error; /* of the first document that failed although the task ended well; 0 after a restart
                         */
    char error_message[ERR_MESSAGE_BYTES];
    int64_t created_wall_ms;
    double queued_s, running_s;
};

/*
 * Makes the task durable (files synced, row committed, off the loop), then calls done on the loop with rc 0
 * and the id, or an error: ERR_BUSY (queue full; *retry_after_s is set), ERR_LIMIT (no space), ERR_IO.
 * Returns 0 when done will be called, else an error and done is not called.
 */
typedef void service_submit_cb(void *ctx, int rc, const char *task_id, const struct err *err);
int service_submit(struct service *s, const struct task_request *r, service_submit_cb *done, void *ctx,
                   struct err *err);
/* Seconds that a client should wait before it tries again (1..300). */
int service_retry_after_s(const struct service *s);

/* ERR_NOTFOUND when there is no such task for this tenant. */
int service_status(const struct service *s, const char *task_id, const char *tenant, struct task_status *ret,
                   struct err *err);

/* Calls cb on every change of the task until service_unwatch (allowed inside cb). 0 = not found; else a watch
 * id. */
typedef void service_watch_cb(void *ctx, const struct task_status *status);
uint64_t service_watch(struct service *s, const char *task_id, service_watch_cb *cb, void *ctx);
void service_unwatch(struct service *s, uint64_t watch_id);

/* The result of a finished task. */
struct task_result {
    int fd; /* read-only, at offset 0, the caller's; -1 when the task failed without output */
    uint64_t bytes;
    char content_type[64];
    char filename[64]; /* for Content-Disposition; "" = none */
    struct task_status status;
};
int service_result(struct service *s, const char *task_id, const char *tenant, struct task_result *ret,
                   struct err *err);
/* The result was sent to its last byte: single-use results go away after the removal delay, ephemeral ones at
 * once. */
void service_result_sent(struct service *s, const char *task_id);

/* Stops a queued or running task. */
int service_cancel(struct service *s, const char *task_id, const char *tenant, struct err *err);
/* Removes results older than this. */
void service_clear_results(struct service *s, double older_than_s);

struct sandbox_report; /* process/probe.h */
/* What confines workers and engines, found at the start; borrowed; NULL: not probed. */
const struct sandbox_report *service_sandbox(const struct service *s);

struct release_counters; /* sched/release.h */
/* How tasks have given back what they had: platen_release_seconds, platen_release_failures_total. Borrowed.
 */
const struct release_counters *service_releases(const struct service *s);

/* Ready: the store is open, and new work is accepted. */
bool service_ready(const struct service *s);

#endif
