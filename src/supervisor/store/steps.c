/*
 * Claim, finish and the other steps of a task's life. Each reads the row, asks state.c, and swaps it in one
 * transaction; the files are put in place before the commit that mentions them, and removed after the commit
 * that forgets them.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/store/failpoint.h"
#include "supervisor/store/jobs.h"

struct step_job {
    struct job job; /* first */
    char id[UUID_BYTES];
    int attempt;
    enum life_event event;
    int error_kind;
    char *message;
    struct row_result result;
    int output_fd;
    struct life life;
    store_step_cb *cb;
    void *ctx;
};

struct claim_job {
    struct job job; /* first */
    char id[UUID_BYTES];
    int attempt;
    struct store_work out;
    store_claim_cb *cb;
    void *ctx;
};

struct cleanup_job {
    struct job job; /* first */
    char id[UUID_BYTES];
    bool sources; /* of a task that has ended */
};

/* Reads the row, checks the fence, steps. */
static int step_of_row(struct store *s, const char *id, int attempt, enum life_event event,
                       struct life *ret_from, struct life *ret_to, struct err *err)
{
    struct life from;
    int rc = store_db_rc(s, db_life(s->db, id, &from, err));
    if (rc < 0)
        return rc;
    if (from.state != LIFE_NONE && from.attempt != attempt)
        return err_fail(err, ERR_BUSY, "task %s is at attempt %d, not %d", id, from.attempt, attempt);
    struct life to = from;
    rc = life_step(&to, event, err);
    if (rc == 0) {
        *ret_from = from;
        *ret_to = to;
    }
    return rc;
}

/* ---- cleaning up, after the commit ---- */

/* What cannot be unlinked now, the sweep of the next start takes; a file too many harms nobody. */
static void unlink_or_leave(int dir_fd, const char *name)
{
    (void)files_unlink(dir_fd, name, NULL);
}

static void cleanup_work(struct job *job)
{
    const struct cleanup_job *j = (const struct cleanup_job *)job;
    struct store *s = job->store;
    char name[FILES_NAME_BYTES];
    for (enum scratch_file which = SCRATCH_INPUT; which <= SCRATCH_OUTPUT; which++) {
        files_scratch_name(j->id, which, name);
        unlink_or_leave(s->files.scratch_fd, name);
    }
    for (unsigned i = 0; j->sources; i++) {
        files_numbered_name(j->id, i, name);
        if (unlinkat(s->files.spool_fd, name, 0) < 0)
            break; /* ENOENT: that was the last; else the sweep of the next start takes the rest */
    }
    failpoint_pass(FAILPOINT_FINISH_CLEANED);
}

static void cleanup_after(struct job *job)
{
    free(job);
}

static void cleanup_queue(struct store *s, const char *id, bool sources)
{
    struct cleanup_job *j = xnew(struct cleanup_job);
    j->job = (struct job){.store = s, .work = cleanup_work, .after = cleanup_after};
    memcpy(j->id, id, sizeof(j->id));
    j->sources = sources;
    job_queue(&j->job);
}

/* ---- finish and the other events ---- */

/* Syncs the output and puts it into results under the attempt's name. */
static int place_output(struct step_job *j)
{
    struct store *s = j->job.store;
    struct err *err = &j->job.err;
    if (fsync(j->output_fd) <
        0) /* a failed sync is never tried again on the same file: the pages may be gone */
        return err_errno(err, "sync of the output");
    failpoint_pass(FAILPOINT_FINISH_SYNCED);
    int rc = files_publish(&s->files, j->id, (unsigned)j->attempt, err);
    if (rc < 0)
        return rc;
    failpoint_pass(FAILPOINT_FINISH_RENAMED);
    rc = files_sync_dir(s->files.results_fd, err);
    failpoint_pass(FAILPOINT_FINISH_PLACED);
    return rc;
}

static int swap_row(struct step_job *j, const struct life *from, const struct life *to)
{
    struct store *s = j->job.store;
    struct err *err = &j->job.err;
    struct row_news news = {.error_kind = j->error_kind, .error_message = j->message ? j->message : ""};
    if (j->event == LIFE_FETCH)
        news.fetched_ms = clock_wall_ms();
    else if (life_ended(to->state))
        news.done_ms = clock_wall_ms();
    if (to->state == LIFE_QUEUED)
        news.error_kind = 0;
    if (j->event == LIFE_FINISH)
        news.result = &j->result;
    int rc = db_begin(s->db, err);
    if (rc == 0)
        rc = j->event == LIFE_REMOVE ? db_delete(s->db, j->id, from, err)
                                     : db_step(s->db, j->id, from, to, &news, err);
    if (j->event == LIFE_FINISH)
        failpoint_pass(FAILPOINT_FINISH_UPDATED);
    if (rc == 0)
        rc = db_commit(s->db, err);
    else
        db_rollback(s->db);
    return store_db_rc(s, rc);
}

static void pass_committed(enum life_event event)
{
    if (event == LIFE_FINISH)
        failpoint_pass(FAILPOINT_FINISH_COMMITTED);
    else if (event == LIFE_REMOVE)
        failpoint_pass(FAILPOINT_REMOVE_COMMITTED);
    else if (event != LIFE_FETCH)
        failpoint_pass(FAILPOINT_END_COMMITTED);
}

static void step_work(struct job *job)
{
    struct step_job *j = (struct step_job *)job;
    struct store *s = job->store;
    struct life from;
    struct life to;
    job->rc = step_of_row(s, j->id, j->attempt, j->event, &from, &to, &job->err);
    if (job->rc < 0)
        return;
    j->life = from;
    char name[FILES_NAME_BYTES];
    files_numbered_name(j->id, (unsigned)j->attempt, name);
    if (j->event == LIFE_FINISH)
        job->rc = place_output(j);
    if (job->rc == 0)
        job->rc = swap_row(j, &from, &to);
    if (job->rc < 0) {
        if (j->event == LIFE_FINISH && !s->db_failed)
            unlink_or_leave(s->files.results_fd, name);
        return;
    }
    j->life = to;
    pass_committed(j->event);
    if (j->event == LIFE_REMOVE)
        unlink_or_leave(s->files.results_fd, name);
}

static void step_after(struct job *job)
{
    struct step_job *j = (struct step_job *)job;
    struct store *s = job->store;
    /* queued before the callback, which may claim the task again: its new scratch files must not be the ones
     * that go */
    if (job->rc == 0 && j->event != LIFE_FETCH && j->event != LIFE_REMOVE)
        cleanup_queue(s, j->id, life_ended(j->life.state));
    if (j->cb)
        j->cb(j->ctx, job->rc, &j->life, &job->err);
    fd_closep(&j->output_fd);
    free(j->message);
    free(j);
}

static struct step_job *step_new(struct store *s, const char *id, int attempt, enum life_event event,
                                 store_step_cb *cb, void *ctx)
{
    struct step_job *j = xnew(struct step_job);
    j->job = (struct job){.store = s, .work = step_work, .after = step_after};
    (void)snprintf(j->id, sizeof(j->id), "%s", id);
    j->attempt = attempt;
    j->event = event;
    j->output_fd = -1;
    j->cb = cb;
    j->ctx = ctx;
    return j;
}

void store_finish(struct store *s, const char *id, int attempt, int output_fd,
                  const struct row_result *result, store_step_cb *cb, void *ctx)
{
    struct step_job *j = step_new(s, id, attempt, LIFE_FINISH, cb, ctx);
    j->output_fd = output_fd;
    j->result = *result;
    job_queue(&j->job);
}

void store_step(struct store *s, const char *id, int attempt, enum life_event event, int error_kind,
                const char *message, store_step_cb *cb, void *ctx)
{
    struct step_job *j = step_new(s, id, attempt, event, cb, ctx);
    j->error_kind = error_kind;
    j->message = xstrdup(message);
    job_queue(&j->job);
}

/* ---- claim ---- */

void store_work_done(struct store_work *work)
{
    fd_closep(&work->input_fd);
    fd_closep(&work->output_fd);
    for (size_t i = 0; i < work->source_count; i++)
        fd_closep(&work->source_fds[i]);
    free(work->source_fds);
    *work = (struct store_work){.input_fd = -1, .output_fd = -1};
}

/* The input file's text: what the worker is to do, and which descriptor is which file (3 input, 4 output, 5
 * control, 6 engine). */
static char *input_text(struct claim_job *j, const char *options, json_t *sources)
{
    size_t i;
    json_t *source;
    json_array_foreach(sources, i, source)(void)
        json_object_set_new(source, "fd", json_integer((json_int_t)i + 7));
    const struct store_config *c = &j->job.store->config;
    json_t *root = json_pack("{s:s, s:i, s:I, s:o, s:I, s:I, s:O}", "task_id", j->id, "attempt",
                             j->out.life.attempt, "accepted_wall_ms", (json_int_t)clock_wall_ms(), "options",
                             json_loads(options, 0, NULL), "max_num_pages", (json_int_t)c->max_num_pages,
                             "page_batch_size", (json_int_t)c->page_batch_size, "sources", sources);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static int open_sources(struct claim_job *j, size_t count)
{
    const struct store *s = j->job.store;
    j->out.source_fds = xnew_array(int, count);
    for (size_t i = 0; i < count; i++) {
        char name[FILES_NAME_BYTES];
        files_numbered_name(j->id, (unsigned)i, name);
        int rc = files_open_read(s->files.spool_fd, name, &j->out.source_fds[i], &j->job.err);
        if (rc < 0)
            return rc;
        j->out.source_count++;
    }
    return 0;
}

static int make_scratch(struct claim_job *j, const char *text)
{
    const struct files *f = &j->job.store->files;
    struct err *err = &j->job.err;
    char name[FILES_NAME_BYTES];
    files_scratch_name(j->id, SCRATCH_INPUT, name);
    CLEANUP(fd_closep) int fd = -1;
    int rc = files_create(f->scratch_fd, name, &fd, err);
    if (rc == 0)
        rc = fd_write_all(fd, text, strlen(text), err);
    if (rc == 0)
        rc = files_open_read(f->scratch_fd, name, &j->out.input_fd, err);
    files_scratch_name(j->id, SCRATCH_OUTPUT, name);
    return rc < 0 ? rc : files_create(f->scratch_fd, name, &j->out.output_fd, err);
}

static int prepare(struct claim_job *j)
{
    struct store *s = j->job.store;
    CLEANUP(freep) char *options = NULL;
    CLEANUP(freep) char *sources = NULL;
    int rc = store_db_rc(s, db_work(s->db, j->id, &options, &sources, &j->job.err));
    if (rc < 0)
        return rc;
    json_t *list = json_loads(sources, 0, NULL);
    char *text = json_is_array(list) ? input_text(j, options, list) : NULL;
    rc = text ? open_sources(j, json_array_size(list))
              : err_fail(&j->job.err, ERR_BUG, "the row of task %s is damaged", j->id);
    if (rc == 0)
        rc = make_scratch(j, text);
    free(text);
    json_decref(list);
    return rc;
}

static void claim_work(struct job *job)
{
    struct claim_job *j = (struct claim_job *)job;
    struct store *s = job->store;
    struct life from;
    struct life to;
    job->rc = step_of_row(s, j->id, j->attempt, LIFE_CLAIM, &from, &to, &job->err);
    if (job->rc < 0)
        return;
    struct row_news news = {.started_ms = clock_wall_ms()};
    job->rc = store_db_rc(s, db_step(s->db, j->id, &from, &to, &news, &job->err));
    if (job->rc < 0)
        return;
    j->out.life = to;
    failpoint_pass(FAILPOINT_CLAIM_COMMITTED);
    job->rc = prepare(j);
    failpoint_pass(FAILPOINT_CLAIM_PREPARED);
}

static void claim_after(struct job *job)
{
    struct claim_job *j = (struct claim_job *)job;
    j->cb(j->ctx, job->rc, &j->out, &job->err);
    store_work_done(&j->out);
    free(j);
}

void store_claim(struct store *s, const char *id, int attempt, store_claim_cb *cb, void *ctx)
{
    struct claim_job *j = xnew(struct claim_job);
    j->job = (struct job){.store = s, .work = claim_work, .after = claim_after};
    (void)snprintf(j->id, sizeof(j->id), "%s", id);
    j->attempt = attempt;
    j->out = (struct store_work){.input_fd = -1, .output_fd = -1};
    j->cb = cb;
    j->ctx = ctx;
    job_queue(&j->job);
}

int store_result_open(const struct store *s, const char *id, int attempt, int *ret_fd, struct err *err)
{
    char name[FILES_NAME_BYTES];
    files_numbered_name(id, (unsigned)attempt, name);
    return files_open_read(s->files.results_fd, name, ret_fd, err);
}
