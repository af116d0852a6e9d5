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
};

static int page_open(void *ctx, uint32_t id, const struct image *im, struct err *err)
{
    (void)id, (void)err;
    struct fake *f = ctx;
    assert_non_null(im->pixels);
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

static int convert(struct fake *f, struct convert_options *o, int pages, const struct pipeline_hooks *hooks,
                   struct document **ret, struct err *err)
{
    struct vision v = {f,          page_open,  page_close, begin,       orient_end, begin,
                       layout_end, read_begin, read_end,   table_begin, table_end};
    CLEANUP(fd_closep) int fd = blank_pdf(pages);
    struct pipeline_job job = {
        .fd = fd, .filename = "blank.pdf", .options = o, .max_pages = 100, .vision = &v, .hooks = hooks};
    *err = ERR_INIT;
    *ret = NULL;
    int rc = pipeline_convert(&job, ret, err);
    assert_int_equal(f->opened, f->closed); /* nothing is left in the engine, whatever happened */
    return rc;
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

static int progress_calls;

static void on_progress(void *ctx, int done, int total, const char *stage)
{
    (void)ctx;
    assert_in_range(done, 0, total);
    assert_non_null(stage);
    progress_calls++;
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
    assert_in_range(progress_calls, 6, 20);
    document_free(d);
    hooks.check = cancel_after_three;
    f = (struct fake){0};
    assert_int_equal(convert(&f, &o, 20, &hooks, &d, &err), ERR_CANCELLED);
    convert_options_done(&o);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
