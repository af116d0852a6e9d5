/*
 * ConvertDocumentResponse as JSON, written piece by piece: at most one exported format is in memory at a
 * time. Content that was not asked for is null, and so is all content of a document that failed.
 */
#include "worker/response.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"
#include "worker/export/export.h"

#define FLUSH_BYTES (256u * 1024)

struct body {
    int fd;
    struct buf b;
    int rc;
    struct err *err;
};

const char *result_status_name(enum ipc_task_status status)
{
    static const char *const names[] = {"success", "partial_success", "failure", "skipped"};
    return status < IPC_TASK_STATUS_COUNT ? names[status] : "failure";
}

static void flush(struct body *w)
{
    if (w->rc == 0 && w->b.overflown)
        w->rc = err_fail(w->err, ERR_LIMIT, "the result is larger than %llu bytes",
                         (unsigned long long)LIMIT_OUTPUT_BYTES);
    if (w->rc == 0)
        w->rc = fd_write_all(w->fd, buf_str(&w->b), w->b.len, w->err);
    buf_reset(&w->b);
}

static void put_string(struct body *w, const char *s)
{
    buf_put_json(&w->b, s ? s : "", s ? strlen(s) : 0);
}

void response_export_options(const struct convert_options *o, const char *image_folder,
                             struct export_options *ret)
{
    *ret = (struct export_options){.page_break = o->md_page_break_placeholder ? o->md_page_break_placeholder
                                                                              : "",
                                   .compact_tables = o->md_compact_tables,
                                   .image_folder = image_folder};
    if (o->image_export_mode == IMAGE_EXPORT_EMBEDDED)
        ret->images = EXPORT_IMAGES_EMBEDDED;
    else if (o->image_export_mode == IMAGE_EXPORT_REFERENCED)
        ret->images = EXPORT_IMAGES_REFERENCED;
    else
        ret->images = EXPORT_IMAGES_PLACEHOLDER;
}

typedef void export_fn(const struct document *d, const struct export_options *o, struct buf *b);

static void put_content(struct body *w, const char *key, bool wanted, bool is_json, export_fn *fn,
                        const struct result *r, const struct export_options *eo)
{
    buf_printf(&w->b, "\"%s\":", key);
    if (!wanted || !r->document) {
        buf_puts(&w->b, "null");
    } else if (is_json) {
        fn(r->document, eo, &w->b);
    } else {
        struct buf text = BUF_INIT(LIMIT_OUTPUT_BYTES);
        fn(r->document, eo, &text);
        if (text.overflown)
            w->b.overflown = true;
        buf_put_json(&w->b, buf_str(&text), text.len);
        buf_done(&text);
    }
    if (strcmp(key, "doctags_content") != 0)
        buf_putc(&w->b, ',');
    if (w->b.len > FLUSH_BYTES || w->b.overflown)
        flush(w);
}

static void put_error(struct body *w, bool *first, const char *component, const char *module,
                      const char *message, const char *category, int page_no)
{
    buf_printf(&w->b,
               "%s{\"component_type\":\"%s\",\"module_name\":\"%s\",\"error_message\":", *first ? "" : ",",
               component, module);
    put_string(w, message);
    buf_printf(&w->b, ",\"category\":\"%s\",\"page_no\":", category);
    if (page_no > 0)
        buf_printf(&w->b, "%d}", page_no);
    else
        buf_puts(&w->b, "null}");
    *first = false;
}

/* Whose fault an error is, in docling's words. */
static const char *component_of(int kind)
{
    switch (kind) {
    case ERR_ARG:
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_UNSUPPORTED:
    case ERR_AUTH: return "user_input";
    case ERR_CRASH: return "model";
    default: return "pipeline";
    }
}

static void put_errors(struct body *w, const struct result *r, const struct convert_options *o)
{
    bool first = true;
    buf_putc(&w->b, '[');
    if (r->error.kind != 0) {
        bool skipped = r->status == IPC_TASK_SKIPPED;
        put_error(w, &first, component_of(r->error.kind), skipped ? "format" : err_name(r->error.kind),
                  r->error.message, skipped ? "policy" : err_traits(r->error.kind)->category, 0);
    }
    for (size_t i = 0; r->document && i < r->document->error_count; i++) {
        const struct doc_page_error *e = &r->document->errors[i];
        put_error(w, &first, component_of(e->kind), err_name(e->kind), e->message,
                  err_traits(e->kind)->category, e->page_no);
    }
    for (size_t i = 0; i < o->ineffective_count; i++) {
        CLEANUP(freep)
        char *message = xasprintf("option %s has no effect in this version", o->ineffective[i]);
        put_error(w, &first, "user_input", "options", message, "policy", 0);
    }
    buf_putc(&w->b, ']');
}

static void put_score(struct body *w, const char *name, double v)
{
    if (v >= 0 && isfinite(v))
        buf_printf(&w->b, "\"%s\":%.4f,", name, v);
    else
        buf_printf(&w->b, "\"%s\":null,", name);
}

static const char *grade_of(double v)
{
    if (!(v >= 0))
        return "unspecified";
    return v < 0.5 ? "poor" : v < 0.8 ? "fair" : v < 0.9 ? "good" : "excellent";
}

static int compare_double(double a, double b)
{
    return a < b ? -1 : a > b;
}

/* The 5 % quantile of a few values, interpolated as numpy does; docling's low score. */
static double quantile_low(double *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && compare_double(v[k], v[k - 1]) < 0; k--) {
            double t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
    double at = 0.05 * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[i];
}

static void put_scores(struct body *w, const double scores[4])
{
    static const char *const names[4] = {"parse_score", "layout_score", "table_score", "ocr_score"};
    double v[4], sum = 0;
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        put_score(w, names[i], scores[i]);
        if (scores[i] >= 0) {
            v[n++] = scores[i];
            sum += scores[i];
        }
    }
    double mean = n > 0 ? sum / (double)n : -1, low = n > 0 ? quantile_low(v, n) : -1;
    put_score(w, "mean_score", mean);
    put_score(w, "low_score", low);
    buf_printf(&w->b, "\"mean_grade\":\"%s\",\"low_grade\":\"%s\"", grade_of(mean), grade_of(low));
}

static void put_confidence(struct body *w, const struct document *d)
{
    double sum[4] = {0}, mean[4];
    size_t n[4] = {0};
    for (size_t i = 0; i < d->page_count; i++) {
        const struct doc_page *p = &d->pages[i];
        const float v[4] = {p->parse_score, p->layout_score, p->table_score, p->ocr_score};
        for (int k = 0; k < 4; k++)
            if (v[k] >= 0) {
                sum[k] += (double)v[k];
                n[k]++;
            }
    }
    for (int k = 0; k < 4; k++)
        mean[k] = n[k] > 0 ? sum[k] / (double)n[k] : -1;
    buf_putc(&w->b, '{');
    put_scores(w, mean);
    buf_puts(&w->b, ",\"pages\":{");
    for (size_t i = 0; i < d->page_count; i++) {
        const struct doc_page *p = &d->pages[i];
        const double v[4] = {(double)p->parse_score, (double)p->layout_score, (double)p->table_score,
                             (double)p->ocr_score};
        buf_printf(&w->b, "%s\"%d\":{", i > 0 ? "," : "", p->page_no);
        put_scores(w, v);
        buf_putc(&w->b, '}');
    }
    buf_puts(&w->b, "}}");
}

static void put_stage(struct body *w, enum stage s, const struct stage_times *t)
{
    buf_printf(&w->b, "\"%s\":{\"scope\":\"%s\",\"count\":%zu,\"times\":[", stage_name(s),
               stage_is_of_page(s) ? "page" : "document", t->count);
    for (size_t i = 0; i < t->count; i++)
        buf_printf(&w->b, "%s%.6f", i > 0 ? "," : "", t->items[i].seconds);
    buf_puts(&w->b, "],\"start_timestamps\":[");
    for (size_t i = 0; i < t->count; i++) {
        char when[25];
        clock_format_utc(t->items[i].start_wall_ms, when);
        buf_printf(&w->b, "%s\"%s\"", i > 0 ? "," : "", when);
    }
    buf_puts(&w->b, "]}");
}

/* docling's ProfilingItem by stage; stages that did not happen are left out. */
static void put_timings(struct body *w, const struct timings *t)
{
    bool first = true;
    buf_putc(&w->b, '{');
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (t->stages[i].count == 0)
            continue;
        if (!first)
            buf_putc(&w->b, ',');
        put_stage(w, (enum stage)i, &t->stages[i]);
        first = false;
    }
    buf_putc(&w->b, '}');
}

int response_write_json(int fd, const struct result *r, const struct convert_options *o, double seconds,
                        struct err *err)
{
    struct body w = {.fd = fd, .b = BUF_INIT(LIMIT_OUTPUT_BYTES), .err = err};
    struct export_options eo;
    response_export_options(o, "artifacts", &eo);
    struct stopwatch start = stopwatch_start();
    buf_puts(&w.b, "{\"document\":{\"filename\":");
    put_string(&w, r->filename);
    buf_putc(&w.b, ',');
    put_content(&w, "md_content", o->to_formats & OUTPUT_MD, false, export_markdown, r, &eo);
    put_content(&w, "json_content", o->to_formats & OUTPUT_JSON, true, export_json, r, &eo);
    put_content(&w, "html_content", o->to_formats & OUTPUT_HTML, false, export_html, r, &eo);
    put_content(&w, "text_content", o->to_formats & OUTPUT_TEXT, false, export_text, r, &eo);
    put_content(&w, "doctags_content", o->to_formats & OUTPUT_DOCTAGS, false, export_doctags, r, &eo);
    struct timings timings = r->timings; /* borrowed, but for the export's */
    timings.stages[STAGE_EXPORT] = (struct stage_times){0};
    if (r->document)
        timings_add(&timings, STAGE_EXPORT, start);
    buf_printf(&w.b,
               ",\"doclang_content\":null},\"status\":\"%s\",\"errors\":", result_status_name(r->status));
    put_errors(&w, r, o);
    buf_printf(&w.b, ",\"processing_time\":%.6f,\"timings\":", seconds);
    put_timings(&w, &timings);
    buf_puts(&w.b, ",\"confidence\":");
    if (r->document)
        put_confidence(&w, r->document);
    else
        buf_puts(&w.b, "null");
    buf_putc(&w.b, '}');
    free(timings.stages[STAGE_EXPORT].items);
    flush(&w);
    buf_done(&w.b);
    return w.rc;
}
