/*
 * The drive over a document's pages. Up to three pages are under way: one is being rendered while the engine
 * reads another, and a third waits to be collected. Invariant: pages are collected in order, and each leaves
 * either blocks or an error behind. After each batch of pages what they used is given back to the system.
 */
#include "worker/pipeline/pipeline.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "worker/pipeline/assemble.h"
#include "worker/pipeline/blocks.h"
#include "worker/pipeline/classify.h"
#include "worker/pipeline/reading.h"

#define IN_FLIGHT 3
#define BLOCKS_MAX 2000000u

struct drive {
    const struct pipeline_job *job;
    struct reader *reader;
    struct document *document;
    struct blocks blocks;
    struct page_size *sizes;
    size_t size_count, size_cap;
    struct reading slots[IN_FLIGHT];
    int sent[IN_FLIGHT]; /* result of the steps so far */
    struct err errors[IN_FLIGHT];
    int total, done, failed;
    int64_t deadline_ms;
};

static void tell(const struct drive *d, const char *stage)
{
    const struct pipeline_hooks *h = d->job->hooks;
    if (h && h->progress)
        h->progress(h->ctx, d->done, d->total, stage);
}

static int check(const struct drive *d, struct err *err)
{
    const struct pipeline_hooks *h = d->job->hooks;
    if (h && h->check) {
        int rc = h->check(h->ctx, err);
        if (rc != 0)
            return rc;
    }
    if (d->deadline_ms > 0 && clock_mono_ms() > d->deadline_ms)
        return err_fail(err, ERR_TIMEOUT, "document_timeout of %.0f s is over after %d of %d pages",
                        d->job->options->document_timeout_s, d->done, d->total);
    return 0;
}

/* Errors that are no page's fault. */
static bool is_fatal(int kind)
{
    return kind == ERR_CRASH || kind == ERR_CANCELLED || kind == ERR_BUG || kind == ERR_TIMEOUT;
}

static void step_begin(struct drive *d, int slot, int index)
{
    struct reading *r = &d->slots[slot];
    const struct convert_options *o = d->job->options;
    *r = (struct reading){.reader = d->reader,
                          .vision = d->job->vision,
                          .options = o,
                          .timings = d->job->timings,
                          .index = index,
                          .id = (uint32_t)index * 2 + 1};
    r->want_pictures = o->image_export_mode != IMAGE_EXPORT_PLACEHOLDER &&
                       (o->include_images || o->include_page_images);
    page_init(&r->page, index + 1, 0, 0);
    d->errors[slot] = ERR_INIT;
    d->sent[slot] = reading_begin(r, &d->errors[slot]);
}

static void step_send(struct drive *d, int slot)
{
    if (d->sent[slot] == 0)
        d->sent[slot] = reading_send(&d->slots[slot], &d->errors[slot]);
}

static void keep_page(struct drive *d, struct page *p)
{
    struct doc_page *page = document_add_page(d->document, p->page_no, p->width_pt, p->height_pt);
    page->parse_score = p->parse_score;
    page->layout_score = p->layout_score;
    page->table_score = p->table_score;
    page->ocr_score = p->ocr_score;
    page->image = take_ptr(&p->image);
    struct page_size *s = VEC_PUSH(d->sizes, d->size_count, d->size_cap);
    *s = (struct page_size){p->page_no, p->width_pt, p->height_pt};
    if (d->blocks.count < BLOCKS_MAX)
        blocks_of_page(p, &d->blocks);
}

static int step_end(struct drive *d, int slot, struct err *err)
{
    struct reading *r = &d->slots[slot];
    int rc = d->sent[slot];
    if (rc == 0)
        rc = reading_end(r, &d->errors[slot]);
    int page_no = r->index + 1;
    if (rc == 0)
        keep_page(d, &r->page);
    reading_done(r);
    d->done++;
    if (rc == 0)
        return 0;
    *err = d->errors[slot];
    err_wrap(err, "%s, page %d", d->job->filename, page_no);
    if (is_fatal(rc) || d->job->options->abort_on_error)
        return rc;
    document_add_error(d->document, page_no, rc, err->message);
    d->failed++;
    return 0;
}

/* Pages first..last (0-based), three at a time, or fewer where a batch is smaller. */
static int drive_pages(struct drive *d, int first, int last, struct err *err)
{
    int rc = 0;
    const int64_t batch = d->job->page_batch;
    const int in_flight = batch > 0 ? (int)MIN((int64_t)IN_FLIGHT, batch) : IN_FLIGHT;
    int begun = first, sent = first, ended = first;
    while (ended <= last) {
        rc = check(d, err);
        if (rc != 0)
            break;
        if (begun <= last && begun - ended < in_flight) {
            step_begin(d, begun % IN_FLIGHT, begun);
            begun++;
            /* A page is sent once the next one is being prepared, so that its orientation is there without a
             * wait. */
            if (begun <= last && begun - sent < 2)
                continue;
        }
        if (sent < begun) {
            step_send(d, sent % IN_FLIGHT);
            sent++;
        }
        if (sent - ended >= MIN(2, in_flight) || sent > last) {
            rc = step_end(d, ended % IN_FLIGHT, err);
            ended++;
            if (batch > 0 && (ended - first) % batch == 0)
                (void)malloc_trim(0);
            tell(d, "read");
            if (rc != 0)
                break;
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++)
        if (d->slots[i].reader)
            reading_done(&d->slots[i]);
    return rc;
}

static int open_source(struct drive *d, struct err *err)
{
    const struct pipeline_job *job = d->job;
    enum reader_format format = reader_sniff(job->fd, job->filename);
    if (format != READER_PDF && format != READER_IMAGE)
        return err_fail(err, ERR_UNSUPPORTED, "%s: %s files cannot be converted by this version",
                        job->filename, reader_format_name(format));
    struct reader_limits limits = {.max_pages = job->max_pages};
    const char *password = job->options->password ? job->options->password : "";
    int rc = reader_open(job->fd, format, password, &limits, &d->reader, err);
    if (rc != 0)
        return err_wrap(err, "%s", job->filename);
    d->document = document_new(job->filename, reader_format_mimetype(format, job->fd));
    return 0;
}

static int run(struct drive *d, struct err *err)
{
    const struct convert_options *o = d->job->options;
    tell(d, "open");
    struct stopwatch opening = stopwatch_start();
    int rc = open_source(d, err);
    timings_add(d->job->timings, STAGE_OPEN, opening);
    if (rc != 0)
        return rc;
    int count = reader_page_count(d->reader);
    int64_t first = MAX(o->page_first, 1) - 1,
            last = MIN(o->page_last > 0 ? o->page_last : INT64_MAX, (int64_t)count) - 1;
    if (first > last)
        return err_fail(err, ERR_ARG, "%s: page_range starts at page %lld, but the document has %d",
                        d->job->filename, (long long)o->page_first, count);
    d->total = (int)(last - first + 1);
    tell(d, "read");
    if (o->document_timeout_s > 0)
        d->deadline_ms = clock_mono_ms() + (int64_t)(o->document_timeout_s * 1000);
    struct err page_err = ERR_INIT;
    rc = drive_pages(d, (int)first, (int)last, &page_err);
    if (rc == ERR_TIMEOUT && d->done > d->failed && d->deadline_ms > 0 && clock_mono_ms() > d->deadline_ms) {
        document_add_error(d->document, 0, rc, page_err.message);
        rc = 0;
    }
    if (rc != 0) {
        *err = page_err;
        return rc;
    }
    if (d->failed == d->total) {
        const struct doc_page_error *e = &d->document->errors[0];
        return err_fail(err, e->kind, "%s", e->message);
    }
    tell(d, "assemble");
    struct stopwatch assembling = stopwatch_start();
    classify_blocks(&d->blocks, d->sizes, d->size_count);
    assemble_document(&d->blocks, d->document);
    timings_add(d->job->timings, STAGE_ASSEMBLE, assembling);
    return 0;
}

int pipeline_convert(const struct pipeline_job *job, struct document **ret, struct err *err)
{
    struct drive *d = xnew(struct drive);
    d->job = job;
    int rc = run(d, err);
    if (rc == 0)
        *ret = take_ptr(&d->document);
    document_free(d->document);
    reader_free(d->reader);
    blocks_done(&d->blocks);
    free(d->sizes);
    free(d);
    return rc;
}
