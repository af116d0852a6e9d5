/*
 * Sources are converted one after the other, each freed of its pages before the next begins; only their
 * documents stay for the answer. A bad source costs only itself.
 */
#include "worker/task.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/reader.h"
#include "worker/response.h"

#define SOURCES_MAX 1000
#define FIRST_SOURCE_FD 7

static int read_source(json_t *j, struct task *t, struct err *err)
{
    const char *filename = json_string_value(json_object_get(j, "filename"));
    json_int_t fd = json_integer_value(json_object_get(j, "fd"));
    if (!filename || fd < FIRST_SOURCE_FD || fd >= FIRST_SOURCE_FD + SOURCES_MAX)
        return err_fail(err, ERR_FORMAT,
                        "the task's input file names a source without a file name or descriptor");
    struct task_source *s = VEC_PUSH(t->sources, t->source_count, t->source_cap);
    s->fd = (int)fd;
    s->filename = xstrdup(filename);
    return 0;
}

static int read_json(json_t *root, struct task *t, struct err *err)
{
    int rc = convert_options_of_json(json_object_get(root, "options"), &t->options, err);
    if (rc != 0)
        return rc;
    json_t *pages = json_object_get(root, "max_num_pages"), *sources = json_object_get(root, "sources");
    json_t *batch = json_object_get(root, "page_batch_size");
    t->page_batch = json_is_integer(batch) ? MAX((int64_t)json_integer_value(batch), 0) : 0;
    t->max_pages = json_is_integer(pages) ? json_integer_value(pages) : LIMIT_PDF_PAGES;
    size_t n = json_array_size(sources);
    if (n == 0 || n > SOURCES_MAX)
        return err_fail(err, ERR_FORMAT, "the task's input file names %zu sources", n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = read_source(json_array_get(sources, i), t, err);
    return rc;
}

int task_read(int input_fd, struct task *ret, struct err *err)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT(LIMIT_JSON_BODY_BYTES);
    int rc = fd_read_all(input_fd, &b, err);
    if (rc != 0)
        return rc;
    json_error_t je;
    json_t *root = json_loadb(buf_str(&b), b.len, 0, &je);
    if (!root)
        return err_fail(err, ERR_FORMAT, "the task's input file is no JSON: %s", je.text);
    struct task t = {0};
    rc = read_json(root, &t, err);
    json_decref(root);
    if (rc != 0) {
        task_done(&t);
        return rc;
    }
    *ret = t;
    return 0;
}

void task_done(struct task *t)
{
    convert_options_done(&t->options);
    for (size_t i = 0; i < t->source_count; i++)
        free(t->sources[i].filename);
    free(t->sources);
    *t = (struct task){0};
}

/* Policy: formats that this version does not read, or that from_formats leaves out, are skipped. */
static bool is_allowed(const struct task *t, const struct task_source *s, struct err *err)
{
    enum reader_format f = reader_sniff(s->fd, s->filename);
    const char *name = reader_format_name(f);
    struct stat st;
    if (fstat(s->fd, &st) == 0 && st.st_size == 0) /* an empty file is a broken one, whatever its name */
        return true;
    const char *dot = strrchr(s->filename, '.');
    if (f == READER_UNKNOWN && dot && (strcasecmp(dot, ".pdf") == 0))
        return true; /* opening it says what is wrong with it */
    if (f == READER_UNKNOWN || f == READER_OTHER) {
        err_fail(err, ERR_UNSUPPORTED, "File format not allowed: %s is of no format that can be converted",
                 s->filename);
        return false;
    }
    if (!(t->options.from_formats & convert_options_format_bit(name))) {
        err_fail(err, ERR_UNSUPPORTED,
                 "File format not allowed: %s is of format %s, which from_formats leaves out", s->filename,
                 name);
        return false;
    }
    if (f != READER_PDF && f != READER_IMAGE) {
        err_fail(err, ERR_UNSUPPORTED,
                 "File format not allowed: %s is of format %s, which this version cannot convert yet",
                 s->filename, name);
        return false;
    }
    return true;
}

static bool ends_task(int kind)
{
    return kind == ERR_CRASH || kind == ERR_CANCELLED;
}

static int convert_source(struct task *t, size_t i, const struct vision *vision,
                          const struct pipeline_hooks *hooks, struct result *r, struct err *err)
{
    const struct task_source *s = &t->sources[i];
    int64_t start = clock_mono_us();
    r->filename = xstrdup(s->filename);
    if (!is_allowed(t, s, &r->error)) {
        r->status = IPC_TASK_SKIPPED;
    } else {
        struct pipeline_job job = {.fd = s->fd,
                                   .filename = s->filename,
                                   .options = &t->options,
                                   .max_pages = t->max_pages,
                                   .vision = vision,
                                   .hooks = hooks,
                                   .page_batch = t->page_batch,
                                   .timings = &r->timings};
        int rc = pipeline_convert(&job, &r->document, &r->error);
        if (rc != 0 && ends_task(rc)) {
            *err = r->error;
            return rc;
        }
        r->status = rc != 0                        ? IPC_TASK_FAILURE
                    : r->document->error_count > 0 ? IPC_TASK_PARTIAL
                                                   : IPC_TASK_SUCCESS;
    }
    r->seconds = (double)(clock_mono_us() - start) / 1e6;
    return 0;
}

/* The kind of the whole: the best of success, the worst otherwise. */
static void sum_up(const struct result *results, size_t count, struct ipc_done *d)
{
    *d = (struct ipc_done){.documents = (uint32_t)count};
    uint32_t skipped = 0;
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        d->succeeded += r->status == IPC_TASK_SUCCESS;
        d->partial += r->status == IPC_TASK_PARTIAL;
        skipped += r->status == IPC_TASK_SKIPPED;
        d->failed += r->status == IPC_TASK_FAILURE || r->status == IPC_TASK_SKIPPED;
        d->pages += r->document ? (uint32_t)r->document->page_count : 0;
        if (r->error.kind != 0 && d->error_kind == 0)
            d->error_kind = r->error.kind;
    }
    if (d->succeeded == count)
        d->status = IPC_TASK_SUCCESS;
    else if (d->succeeded + d->partial > 0)
        d->status = IPC_TASK_PARTIAL;
    else
        d->status = skipped == count ? IPC_TASK_SKIPPED : IPC_TASK_FAILURE;
}

static int write_output(const struct task *t, int fd, const struct result *results, double seconds,
                        struct ipc_done *d, struct err *err)
{
    bool zip = t->options.target_zip || t->source_count > 1;
    int rc = zip ? response_write_zip(fd, results, t->source_count, &t->options, err)
                 : response_write_json(fd, &results[0], &t->options, seconds, err);
    if (rc != 0)
        return rc;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(err, "reading the size of the output");
    if (S_ISREG(st.st_mode) && fsync(fd) != 0)
        return err_errno(err, "syncing the output");
    d->output_bytes = (uint64_t)st.st_size;
    (void)snprintf(d->content_type, sizeof(d->content_type), "%s",
                   zip ? "application/zip" : "application/json");
    return 0;
}

int task_run(struct task *t, int output_fd, const struct vision *vision, const struct pipeline_hooks *hooks,
             struct ipc_done *ret, struct err *err)
{
    struct result *results = xnew_array(struct result, t->source_count);
    int64_t start = clock_mono_us();
    int rc = 0;
    for (size_t i = 0; i < t->source_count && rc == 0; i++)
        rc = convert_source(t, i, vision, hooks, &results[i], err);
    struct ipc_done d;
    sum_up(results, t->source_count, &d);
    if (rc == 0 && hooks && hooks->progress)
        hooks->progress(hooks->ctx, (int)d.pages, (int)d.pages, "export");
    if (rc == 0)
        rc = write_output(t, output_fd, results, (double)(clock_mono_us() - start) / 1e6, &d, err);
    if (rc == 0)
        *ret = d;
    for (size_t i = 0; i < t->source_count; i++) {
        document_free(results[i].document);
        free(results[i].filename);
        timings_done(&results[i].timings);
    }
    free(results);
    return rc;
}
