#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "conf/limits.h"
#include "supervisor/http/multipart.h"

static struct buf seen;

static int on_begin(void *ctx, const char *name, const char *filename, struct err *err)
{
    (void)ctx;
    if (strcmp(name, "refuse") == 0)
        return err_fail(err, ERR_BUSY, "refused");
    buf_printf(&seen, "<%s|%s>", name, filename ? filename : "-");
    return 0;
}

static int on_data(void *ctx, const void *bytes, size_t len, struct err *err)
{
    (void)ctx;
    (void)err;
    buf_append(&seen, bytes, len);
    return 0;
}

static int on_end(void *ctx, struct err *err)
{
    (void)ctx;
    (void)err;
    buf_puts(&seen, "</>");
    return 0;
}

static int parse(const char *text, size_t len, size_t chunk, struct err *err)
{
    static const struct multipart_handler handler = {NULL, on_begin, on_data, on_end};
    struct multipart *m = NULL;
    buf_done(&seen);
    seen = BUF_INIT(1 << 24);
    assert_int_equal(multipart_new("multipart/form-data; boundary=B", &handler, &m, err), 0);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len; at += chunk)
        rc = multipart_feed(m, text + at, MIN(chunk, len - at), err);
    if (rc == 0)
        rc = multipart_end(m, err);
    multipart_free(m);
    return rc;
}

#define PART(headers, body) "--B\r\n" headers "\r\n\r\n" body "\r\n"
#define FIELD "Content-Disposition: form-data; name=\"a\""

/* The same parts come out however the bytes are cut. */
static void test_chunks(void **state)
{
    (void)state;
    static const char text[] = "preamble\r\n" PART(FIELD, "one")
        PART("X: y\r\ncontent-disposition:form-data; name=files; filename=\"a\\\"b;.pdf\"",
             "\r\n--\r\n--C\r\n") PART(FIELD, "") "--B--\r\nepilogue --B\r\n";
    struct err err = ERR_INIT;
    for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
        if (parse(text, sizeof(text) - 1, chunk, &err) != 0)
            fail_msg("chunk %zu: %s", chunk, err.message);
        assert_string_equal(buf_str(&seen), "<a|->one</><files|a\"b;.pdf>\r\n--\r\n--C\r\n</><a|-></>");
    }
}

static void check(const char *text, int rc, const char *out)
{
    struct err err = ERR_INIT;
    int got = parse(text, strlen(text), 7, &err);
    if (got != rc)
        fail_msg("%s: %s %s", text, err_name(got), err.message);
    if (out)
        assert_string_equal(buf_str(&seen), out);
}

static void test_names(void **state)
{
    (void)state;
    check(PART("Content-Disposition: form-data; name=\"f\"; filename=\"x\"; filename*=UTF-8''na%C3%AFve.pdf",
               "") "--B--",
          0, "<f|na\xc3\xafve.pdf></>");
    check(PART("Content-Disposition: form-data; name=\"f\"; filename=\"\"", "") "--B--", 0, "<f|></>");
    check(PART("Content-Disposition: form-data; filename=\"name=x\"; name=y", "") "--B--", 0,
          "<y|name=x></>");
    check(PART("Content-Disposition: form-data; name=\"\xff\"", "") "--B--", ERR_FORMAT, NULL);
}

static void test_broken(void **state)
{
    (void)state;
    check("", ERR_FORMAT, NULL);
    check("nothing", ERR_FORMAT, NULL);
    check(PART(FIELD, "x"), ERR_FORMAT, NULL); /* no closing boundary */
    check("--Bx\r\n", ERR_FORMAT, NULL);
    check("--B\r\n\r\nbody\r\n--B--", ERR_FORMAT, NULL);
    check(PART("Content-Type: text/plain", "x") "--B--", ERR_FORMAT, NULL);
    check(PART("Content-Disposition: attachment; name=a", "x") "--B--", ERR_FORMAT, NULL);
    check(PART("Content-Disposition: form-data", "x") "--B--", ERR_FORMAT, NULL);
    check(PART("Content-Disposition: form-data; name=\"a", "x") "--B--", ERR_FORMAT, NULL);
    check(PART("Content-Disposition: form-data; name=refuse", "x") "--B--", ERR_BUSY, NULL);
    check("--B--", 0, "");
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT(1 << 24);
    for (int parts = LIMIT_FORM_PARTS; parts <= LIMIT_FORM_PARTS + 1; parts++) {
        buf_reset(&b);
        for (int i = 0; i < parts; i++)
            buf_puts(&b, PART(FIELD, "x"));
        buf_puts(&b, "--B--");
        assert_int_equal(parse(b.data, b.len, 1000, &err), parts > LIMIT_FORM_PARTS ? ERR_LIMIT : 0);
    }
    for (size_t size = 8000; size <= 100000; size += 92000) {
        buf_reset(&b);
        buf_puts(&b, "--B\r\n" FIELD "\r\nX: ");
        for (size_t i = 0; i < size; i++)
            buf_putc(&b, 'x');
        buf_puts(&b, "\r\n\r\nbody\r\n--B--");
        assert_int_equal(parse(b.data, b.len, 100000, &err), size > 8192 ? ERR_LIMIT : 0);
    }
    buf_reset(&b); /* a large body goes through the small window */
    buf_puts(&b, "--B\r\n" FIELD "\r\n\r\n");
    for (size_t i = 0; i < 300000; i++)
        buf_puts(&b, "\r\n--");
    buf_puts(&b, "\r\n--B--");
    assert_int_equal(parse(b.data, b.len, 33333, &err), 0);
    assert_int_equal(seen.len, strlen("<a|-></>") + 1200000);
    buf_done(&b);
}

static void test_content_types(void **state)
{
    (void)state;
    static const struct multipart_handler handler = {NULL, on_begin, on_data, on_end};
    struct multipart *m = NULL;
    struct err err;
    assert_int_equal(multipart_new(NULL, &handler, &m, &err), ERR_UNSUPPORTED);
    assert_int_equal(multipart_new("application/json", &handler, &m, &err), ERR_UNSUPPORTED);
    assert_int_equal(multipart_new("multipart/form-datax", &handler, &m, &err), ERR_UNSUPPORTED);
    assert_int_equal(multipart_new("multipart/form-data", &handler, &m, &err), ERR_FORMAT);
    assert_int_equal(multipart_new("multipart/form-data; boundary=", &handler, &m, &err), ERR_FORMAT);
    char type[200] = "multipart/form-data; boundary=";
    memset(type + strlen(type), 'b', 71);
    assert_int_equal(multipart_new(type, &handler, &m, &err), ERR_FORMAT);
    assert_int_equal(multipart_new("Multipart/Form-Data; charset=x; boundary=\"a b\"", &handler, &m, &err),
                     0);
    multipart_free(m);
}

static int tear_down(void **state)
{
    (void)state;
    buf_done(&seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chunks), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_broken), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_content_types)};
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
