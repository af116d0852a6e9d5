/* The drive over pages with an engine of fixed answers: order, page errors, engine loss, cancellation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "worker/pipeline/pipeline.h"

struct fake {
    int opened, closed, open_now, most_open;
    uint32_t bad_page; /* its read is refused with bad_kind */
    int bad_kind;
    uint32_t asked[100]; /* by ticket */
    uint32_t tickets;
    float dpi; /* of the last image */
};

static int page_open(void *ctx, uint32_t id, const struct image *im, struct err *err)
{
    (void)id, (void)err;
    struct fake *f = ctx;
    assert_non_null(im->pixels);
    f->dpi = im->dpi;
    f->opened++;
    f->open_now++;
    f->most_open = MAX(f->most_open, f->open_now);
    return 0;
}

static void page_close(void *ctx, uint32_t id)
{
    (void)id;
    struct fake *f = ctx;
    f->closed++;
    f->open_now--;
}

static int begin(void *ctx, uint32_t id, uint32_t *ret, struct err *err)
{
    (void)err;
    struct fake *f = ctx;
    f->asked[++f->tickets] = id;
    *ret = f->tickets;
    return 0;
}

static int orient_end(void *ctx, uint32_t ticket, struct ipc_orientation *ret, struct err *err)
{
    (void)ctx, (void)ticket, (void)err;
    *ret = (struct ipc_orientation){0, 0.99f};
    return 0;
}

static int layout_end(void *ctx, uint32_t ticket, struct ipc_regions *ret, struct err *err)
{
    (void)ctx, (void)ticket, (void)err;
    *ret = (struct ipc_regions){0};
    return 0;
}

static int read_begin(void *ctx, const struct ipc_read *ask, uint32_t *ret, struct err *err)
{
    return begin(ctx, ask->page_id, ret, err);
}

static int read_end(void *ctx, uint32_t ticket, struct ipc_lines *ret, struct err *err)
{
    struct fake *f = ctx;
    uint32_t page = (f->asked[ticket] + 1) / 2; /* ids are 1, 3, 5, … */
    if (page == f->bad_page)
        return err_fail(err, f->bad_kind, "made to fail");
    struct ipc_line *l = VEC_PUSH(ret->items, ret->count, ret->cap);
    const float quad[8] = {100, 200, 500, 200, 500, 230, 100, 230};
    memcpy(l->quad, quad, sizeof(quad));
    l->score = 0.9f;
    l->text = xasprintf("Text of page %u.", page);
    return 0;
}

static int table_begin(void *ctx, const struct ipc_table_ask *ask, uint32_t *ret, struct err *err)
{
    return begin(ctx, ask->page_id, ret, err);
}

static int table_end(void *ctx, uint32_t ticket, struct ipc_grid *ret, struct err *err)
{
    (void)ctx, (void)ticket, (void)ret;
    return err_fail(err, ERR_BUG, "no table was expected");
}

/* A PDF with blank pages: nothing but the engine can tell what is on them. */
static int blank_pdf(int pages)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT(100000);
    buf_puts(&b, "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[");
    for (int i = 0; i < pages; i++)
        buf_printf(&b, "%d 0 R ", i + 3);
    buf_printf(&b, "]/Count %d>>\nendobj\n", pages);
    for (int i = 0; i < pages; i++)
        buf_printf(&b, "%d 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>\nendobj\n", i + 3);
    buf_puts(&b, "trailer\n<</Root 1 0 R>>\n%%EOF\n");
    int fd = memfd_create("pdf", MFD_CLOEXEC);
    struct err err = ERR_INIT;
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, buf_str(&b), b.len, &err), 0);
    return fd;
}

static int convert_job(struct fake *f, struct pipeline_job *job, struct document **ret, struct err *err)
{
    struct vision v = {f,          page_open,  page_close, begin,       orient_end, begin,
                       layout_end, read_begin, read_end,   table_begin, table_end};
    job->max_pages = 100;
    job->vision = &v;
    *err = ERR_INIT;
    *ret = NULL;
    int rc = pipeline_convert(job, ret, err);
    assert_int_equal(f->opened, f->closed); /* nothing is left in the engine, whatever happened */
    return rc;
}

static int convert(struct fake *f, struct convert_options *o, int pages, const struct pipeline_hooks *hooks,
                   struct document **ret, struct err *err)
{
    CLEANUP(fd_closep) int fd = blank_pdf(pages);
    struct pipeline_job job = {.fd = fd, .filename = "blank.pdf", .options = o, .hooks = hooks};
    return convert_job(f, &job, ret, err);
}

static void test_pages_in_order(void **state)
{
    (void)state;
    struct fake f = {0};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    assert_int_equal(convert(&f, &o, 7, NULL, &d, &err), 0);
    assert_int_equal(d->page_count, 7);
    assert_int_equal(d->body_count, 7);
    for (int i = 0; i < 7; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "Text of page %d.", i + 1);
        assert_string_equal(d->items[d->body[i]].text, expected);
        assert_int_equal(d->pages[i].page_no, i + 1);
        assert_true(d->pages[i].ocr_score > 0.89f);
    }
    assert_in_range(f.most_open, 2, 6);
    document_free(d);
    convert_options_done(&o);
}

static void test_page_range(void **state)
{
    (void)state;
    struct fake f = {0};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    o.page_first = 2;
    o.page_last = 3;
    assert_int_equal(convert(&f, &o, 5, NULL, &d, &err), 0);
    assert_int_equal(d->page_count, 2);
    assert_int_equal(d->pages[0].page_no, 2);
    document_free(d);
    o.page_first = 9;
    o.page_last = 9;
    assert_int_equal(convert(&f, &o, 5, NULL, &d, &err), ERR_ARG);
    convert_options_done(&o);
}

static void test_bad_page_costs_one_page(void **state)
{
    (void)state;
    struct fake f = {.bad_page = 2, .bad_kind = ERR_UNSUPPORTED};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    assert_int_equal(convert(&f, &o, 4, NULL, &d, &err), 0);
    assert_int_equal(d->page_count, 3);
    assert_int_equal(d->error_count, 1);
    assert_int_equal(d->errors[0].page_no, 2);
    assert_non_null(strstr(d->errors[0].message, "blank.pdf, page 2"));
    document_free(d);
    o.abort_on_error = true;
    f = (struct fake){.bad_page = 2, .bad_kind = ERR_UNSUPPORTED};
    assert_int_equal(convert(&f, &o, 4, NULL, &d, &err), ERR_UNSUPPORTED);
    assert_null(d);
    convert_options_done(&o);
}

static void test_all_pages_bad(void **state)
{
    (void)state;
    struct fake f = {.bad_page = 1, .bad_kind = ERR_MEMORY};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    assert_int_equal(convert(&f, &o, 1, NULL, &d, &err), ERR_MEMORY);
    convert_options_done(&o);
}

static void test_engine_lost(void **state)
{
    (void)state;
    struct fake f = {.bad_page = 3, .bad_kind = ERR_CRASH};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    assert_int_equal(convert(&f, &o, 6, NULL, &d, &err), ERR_CRASH);
    convert_options_done(&o);
}

static int progress_calls, first_total = -1, last_done;

static void on_progress(void *ctx, int done, int total, const char *stage)
{
    (void)ctx;
    assert_in_range(done, 0, total);
    assert_non_null(stage);
    progress_calls++;
    if (total > 0 && first_total < 0) { /* known before any page is done */
        assert_int_equal(done, 0);
        first_total = total;
    }
    assert_in_range(done - last_done, 0, 1); /* told after each page */
    last_done = done;
}

static int cancel_after_three(void *ctx, struct err *err)
{
    int *calls = ctx;
    return ++*calls > 3 ? err_fail(err, ERR_CANCELLED, "enough") : 0;
}

static void test_progress_and_cancel(void **state)
{
    (void)state;
    struct fake f = {0};
    struct convert_options o;
    struct document *d;
    struct err err;
    int calls = 0;
    struct pipeline_hooks hooks = {.ctx = &calls, .progress = on_progress};
    convert_options_init(&o);
    assert_int_equal(convert(&f, &o, 5, &hooks, &d, &err), 0);
    assert_in_range(progress_calls, 7, 20);
    assert_int_equal(first_total, 5);
    assert_int_equal(last_done, 5);
    document_free(d);
    last_done = 0;
    hooks.check = cancel_after_three;
    f = (struct fake){0};
    assert_int_equal(convert(&f, &o, 20, &hooks, &d, &err), ERR_CANCELLED);
    convert_options_done(&o);
}

/* A batch smaller than the usual number of pages under way bounds it; every size reads all pages in order. */
static void test_batches(void **state)
{
    (void)state;
    struct convert_options o;
    struct err err;
    convert_options_init(&o);
    for (int batch = 1; batch <= 8; batch++) {
        struct fake f = {0};
        struct document *d;
        CLEANUP(fd_closep) int fd = blank_pdf(7);
        struct pipeline_job job = {.fd = fd, .filename = "blank.pdf", .options = &o, .page_batch = batch};
        assert_int_equal(convert_job(&f, &job, &d, &err), 0);
        assert_int_equal(d->page_count, 7);
        for (int i = 0; i < 7; i++)
            assert_int_equal(d->pages[i].page_no, i + 1);
        assert_in_range(f.most_open, 1, 2 * MIN(batch, 3)); /* a page and its thumbnail */
        document_free(d);
    }
    convert_options_done(&o);
}

static void test_timings(void **state)
{
    (void)state;
    struct fake f = {.bad_page = 2, .bad_kind = ERR_UNSUPPORTED};
    struct timings t = {0};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    CLEANUP(fd_closep) int fd = blank_pdf(4);
    struct pipeline_job job = {.fd = fd, .filename = "blank.pdf", .options = &o, .timings = &t};
    assert_int_equal(convert_job(&f, &job, &d, &err), 0);
    static const size_t expected[STAGE_COUNT] = {
        [STAGE_OPEN] = 1,   [STAGE_PARSE] = 4, [STAGE_RENDER] = 4, [STAGE_ORIENT] = 4,
        [STAGE_LAYOUT] = 4, [STAGE_READ] = 3,  [STAGE_TABLE] = 3,  [STAGE_ASSEMBLE] = 1};
    for (int i = 0; i < STAGE_COUNT; i++) {
        assert_int_equal(t.stages[i].count, expected[i]);
        for (size_t k = 0; k < t.stages[i].count; k++) {
            assert_true(t.stages[i].items[k].seconds >= 0 && t.stages[i].items[k].seconds < 60);
            assert_true(t.stages[i].items[k].start_wall_ms > 1500000000000);
        }
    }
    timings_done(&t);
    document_free(d);
    convert_options_done(&o);
}

/* A white BMP of 1200 x 1500 pixels that claims so many pixels a metre. */
static int white_bmp(unsigned per_metre)
{
    const unsigned w = 1200, h = 1500, size = 54 + w * h * 3;
    CLEANUP(freep) uint8_t *b = xmalloc(size);
    memset(b, 255, size);
    memset(b, 0, 54);
    const struct {
        unsigned at, value;
    } fields[] = {{2, size}, {10, 54}, {14, 40}, {18, w}, {22, h}, {38, per_metre}, {42, per_metre}};
    b[0] = 'B';
    b[1] = 'M';
    b[26] = 1;
    b[28] = 24;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        for (unsigned k = 0; k < 4; k++)
            b[fields[i].at + k] = (uint8_t)(fields[i].value >> (8 * k));
    int fd = memfd_create("bmp", MFD_CLOEXEC);
    struct err err = ERR_INIT;
    assert_int_equal(fd_write_all(fd, b, size, &err), 0);
    return fd;
}

static float dpi_told(int fd, const char *filename)
{
    struct fake f = {0};
    struct convert_options o;
    struct document *d;
    struct err err;
    convert_options_init(&o);
    struct pipeline_job job = {.fd = fd, .filename = filename, .options = &o};
    assert_int_equal(convert_job(&f, &job, &d, &err), 0);
    document_free(d);
    convert_options_done(&o);
    return f.dpi;
}

/* The engine hears the resolution of the paper, or 0 where a picture file does not tell; never 72. */
static void test_resolution(void **state)
{
    (void)state;
    CLEANUP(fd_closep) int silent = white_bmp(0), claims = white_bmp(7874), pdf = blank_pdf(1);
    assert_true(dpi_told(silent, "a.bmp") == 0);
    float dpi = dpi_told(claims, "b.bmp");
    assert_true(dpi > 199 && dpi < 201);
    assert_true(dpi_told(pdf, "blank.pdf") > 100);
}

static void test_not_a_document(void **state)
{
    (void)state;
    struct convert_options o;
    struct document *d = NULL;
    struct err err = ERR_INIT;
    convert_options_init(&o);
    CLEANUP(fd_closep) int fd = memfd_create("x", MFD_CLOEXEC);
    struct pipeline_job job = {.fd = fd, .filename = "x.pdf", .options = &o, .max_pages = 100};
    assert_true(pipeline_convert(&job, &d, &err) < 0);
    assert_non_null(strstr(err.message, "x.pdf"));
    assert_null(d);
    convert_options_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_in_order),
        cmocka_unit_test(test_page_range),
        cmocka_unit_test(test_bad_page_costs_one_page),
        cmocka_unit_test(test_all_pages_bad),
        cmocka_unit_test(test_engine_lost),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_not_a_document),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_timings),
        cmocka_unit_test(test_resolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
