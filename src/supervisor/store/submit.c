/*
 * Submit: every source synced, renamed, folder synced, row committed, and only then the callback. The data
 * sync of a large upload runs beside the job queue (it touches nothing shared), so it does not hold up the
 * others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/store/failpoint.h"
#include "supervisor/store/jobs.h"

struct submit_job {
    struct job job; /* first */
    uv_work_t presync;
    struct task_row row;
    char *tenant, *options, *sources; /* sources: JSON */
    struct spool_file **files;
    size_t count;
    size_t renamed; /* so many have their final name */
    store_submit_cb *cb;
    void *ctx;
};

int store_spool_open(struct store *s, struct spool_file **ret, struct err *err)
{
    struct spool_file *f = xnew(struct spool_file);
    char uuid[UUID_BYTES];
    uuid_new(uuid);
    files_part_name(uuid, f->name);
    f->store = s;
    int rc = files_create(s->files.spool_fd, f->name, &f->fd, err);
    if (rc < 0) {
        free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

int store_spool_write(struct spool_file *f, const void *bytes, size_t len, struct err *err)
{
    int rc = fd_write_all(f->fd, bytes, len, err);
    if (rc == 0)
        f->bytes += len;
    else if (errno == ENOSPC || errno == EDQUOT)
        rc = err_fail(err, ERR_LIMIT, "no space left for the upload");
    return rc;
}

uint64_t store_spool_bytes(const struct spool_file *f)
{
    return f->bytes;
}

static void spool_free(struct spool_file *f)
{
    fd_closep(&f->fd);
    free(f);
}

void store_spool_discard(struct spool_file *f)
{
    if (!f)
        return;
    (void)files_unlink(f->store->files.spool_fd, f->name,
                       NULL); /* else the sweep at the next start takes it */
    spool_free(f);
}

static void presync_work(uv_work_t *w)
{
    struct submit_job *j = w->data;
    for (size_t i = 0; j->job.rc == 0 && i < j->count; i++) {
        if (fdatasync(j->files[i]->fd) < 0)
            j->job.rc = err_errno(&j->job.err, "sync of an upload");
    }
    failpoint_pass(FAILPOINT_SUBMIT_SYNCED);
}

static void presync_after(uv_work_t *w, int status)
{
    struct submit_job *j = w->data;
    if (status != 0)
        abort(); /* never cancelled by us */
    j->job.store->presyncs--;
    job_queue(&j->job);
}

static void rename_sources(struct submit_job *j)
{
    const struct files *f = &j->job.store->files;
    while (j->job.rc == 0 && j->renamed < j->count) {
        char name[FILES_NAME_BYTES];
        files_numbered_name(j->row.id, (unsigned)j->renamed, name);
        if (renameat(f->spool_fd, j->files[j->renamed]->name, f->spool_fd, name) < 0) {
            j->job.rc = err_errno(&j->job.err, "spool file");
            return;
        }
        memcpy(j->files[j->renamed]->name, name, sizeof(name));
        j->renamed++;
    }
}

static void fail_group(struct job *first, const struct job *end, int rc, const struct err *err)
{
    for (struct job *j = first; j != end; j = j->next) {
        if (j->rc == 0) {
            j->rc = rc;
            j->err = *err;
        }
    }
}

void submit_commit_group(struct store *s, struct job *first, const struct job *end)
{
    for (struct job *j = first; j != end; j = j->next)
        rename_sources((struct submit_job *)j);
    failpoint_pass(FAILPOINT_SUBMIT_RENAMED);

    struct err err = ERR_INIT;
    int rc = files_sync_dir(s->files.spool_fd, &err);
    if (rc < 0) {
        fail_group(first, end, rc, &err);
        return;
    }
    failpoint_pass(FAILPOINT_SUBMIT_SPOOLED);

    rc = db_begin(s->db, &err);
    for (struct job *j = first; rc == 0 && j != end; j = j->next) {
        const struct submit_job *sub = (const struct submit_job *)j;
        if (j->rc == 0)
            rc = db_insert(s->db, &sub->row, sub->options, sub->sources, &err);
    }
    failpoint_pass(FAILPOINT_SUBMIT_INSERTED);
    if (rc == 0)
        rc = db_commit(s->db, &err);
    else
        db_rollback(s->db);
    if (store_db_rc(s, rc) < 0)
        fail_group(first, end, rc, &err);
    failpoint_pass(FAILPOINT_SUBMIT_COMMITTED);
}

static void submit_after(struct job *job)
{
    struct submit_job *j = (struct submit_job *)job;
    for (size_t i = 0; i < j->count; i++) {
        /* after a database error nobody knows whether the row is there: the next start decides about the
         * files */
        if (job->rc < 0 && !job->store->broken)
            store_spool_discard(j->files[i]);
        else
            spool_free(j->files[i]);
    }
    j->cb(j->ctx, job->rc, &job->err);
    free(j->files);
    free(j->tenant);
    free(j->options);
    free(j->sources);
    free(j);
}

void store_submit(struct store *s, const struct task_row *row, const char *options,
                  const struct store_source *sources, size_t count, store_submit_cb *cb, void *ctx)
{
    struct submit_job *j = xnew(struct submit_job);
    j->job = (struct job){.store = s, .after = submit_after, .is_submit = true};
    j->cb = cb;
    j->ctx = ctx;
    j->tenant = xstrdup(row->tenant);
    j->options = xstrdup(options);
    j->row = *row;
    j->row.tenant = j->tenant;
    j->row.life = (struct life){0};
    (void)life_step(&j->row.life, LIFE_SUBMIT, NULL); /* from nothing it is always allowed */
    j->row.source_count = (uint32_t)count;
    j->row.bytes = 0;
    j->files = xnew_array(struct spool_file *, count);
    j->count = count;
    struct buf json = BUF_INIT((size_t)4 * LIMIT_OPTION_BYTES);
    buf_putc(&json, '[');
    for (size_t i = 0; i < count; i++) {
        j->files[i] = sources[i].file;
        j->row.bytes += sources[i].file->bytes;
        buf_puts(&json, i ? ",{\"filename\":" : "{\"filename\":");
        buf_put_json(&json, sources[i].filename, strlen(sources[i].filename));
        buf_printf(&json, ",\"bytes\":%llu}", (unsigned long long)sources[i].file->bytes);
    }
    buf_putc(&json, ']');
    if (json.overflown)
        j->job.rc = err_fail(&j->job.err, ERR_LIMIT, "the file names of a task are too long");
    j->sources = buf_take(&json);
    buf_done(&json);

    s->presyncs++;
    j->presync.data = j;
    if (uv_queue_work(s->loop, &j->presync, presync_work, presync_after) != 0)
        abort(); /* only for a NULL callback */
}
