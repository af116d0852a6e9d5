/*
 * The durable store: rows in SQLite, blobs in files. Everything that syncs or touches the database runs on
 * libuv's thread pool, one job at a time in the order asked for; results come back on the loop. Each
 * operation's durable steps are ordered so that a crash between any two loses nothing that was acknowledged
 * and doubles nothing (state.h, failpoint.h, README).
 *
 * Fencing: a step names the attempt that it speaks for, and is refused with ERR_BUSY when the row has moved
 * on.
 */
#ifndef PLATEN_SUPERVISOR_STORE_STORE_H
#define PLATEN_SUPERVISOR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/store/sql.h"

struct uv_loop_s;
struct store;

struct store_config {
    const char *data_dir;
    const char *scratch_dir; /* "": data_dir/scratch */
    int64_t max_num_pages;   /* the two go into every input file */
    int64_t page_batch_size;
};

/* Locks, opens, recovers and sweeps; blocks, so it comes before serving. ERR_BUSY: another platend is there.
 */
int store_open(struct uv_loop_s *loop, const struct store_config *config, struct store **ret,
               struct err *err);
/* Runs the loop until the accepted jobs are done (their callbacks are called), then closes. NULL is accepted.
 */
void store_close(struct store *s);
/*
 * Removes a closed store with all its tasks, for a private supervisor whose data nobody will ask for again.
 * Only our own names go, and the folders only when they are empty then; what could not be removed stays.
 */
void store_erase(const char *data_dir, const char *scratch_dir);
/* What was recovered at the start. */
unsigned store_recovered(const struct store *s);
unsigned store_swept(const struct store *s);
/* The database gave an error after which nothing that it says can be trusted: stop and start again. */
bool store_broken(const struct store *s);
uint64_t store_free_bytes(const struct store *s);

/* Every task, oldest first; only right after store_open. */
int store_load(struct store *s, db_row_fn *cb, void *ctx, struct err *err);

/* ---- spool ---- */
struct spool_file;
int store_spool_open(struct store *s, struct spool_file **ret, struct err *err);
int store_spool_write(struct spool_file *f, const void *bytes, size_t len, struct err *err);
uint64_t store_spool_bytes(const struct spool_file *f);
void store_spool_discard(struct spool_file *f);

/* ---- jobs: rc 0 or an error with err ---- */
struct store_source {
    struct spool_file *file; /* taken */
    const char *filename;
};
typedef void store_submit_cb(void *ctx, int rc, const struct err *err);
/* row: id, tenant, priority, ephemeral, created_ms, timeout_s; the rest is filled from the sources. */
void store_submit(struct store *s, const struct task_row *row, const char *options,
                  const struct store_source *sources, size_t count, store_submit_cb *cb, void *ctx);

/* What a worker is started with. life is set when the claim itself was committed, even if a file then failed.
 */
struct store_work {
    struct life life;
    int input_fd, output_fd;
    int *source_fds;
    size_t source_count;
};
/* cb takes the contents of work (store_work_done). */
typedef void store_claim_cb(void *ctx, int rc, struct store_work *work, const struct err *err);
void store_claim(struct store *s, const char *id, int attempt, store_claim_cb *cb, void *ctx);
void store_work_done(struct store_work *work);

/* life: what the task has become (unchanged on error). */
typedef void store_step_cb(void *ctx, int rc, const struct life *life, const struct err *err);
/* Publishes the output (fd taken) of that attempt and commits success. */
void store_finish(struct store *s, const char *id, int attempt, int output_fd,
                  const struct row_result *result, store_step_cb *cb, void *ctx);
/* Any other event but SUBMIT and CLAIM; error_kind and message for LIFE_FAIL, LIFE_BLAME and LIFE_CANCEL. cb
 * may be NULL. */
void store_step(struct store *s, const char *id, int attempt, enum life_event event, int error_kind,
                const char *message, store_step_cb *cb, void *ctx);

/* The published result, read-only. Opens a file on the calling thread. */
int store_result_open(const struct store *s, const char *id, int attempt, int *ret_fd, struct err *err);

#endif
