/* Base64, SHA-256, and both kinds of request body up to the point where a task would be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "conf/limits.h"
#include "fake_service.h"
#include "supervisor/api/base64.h"
#include "supervisor/api/form.h"
#include "supervisor/api/sha256.h"
#include "supervisor/api/source_body.h"

static struct settings settings;
static struct service *service;
static struct intake in;

static int set_up(void **state)
{
    (void)state;
    settings_init(&settings);
    settings.max_sources = 3;
    settings.max_file_bytes = 1000;
    service = fake_service_new();
    intake_init(&in, service, &settings);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    intake_done(&in);
    int open = fake_service_open_spools(service);
    fake_service_free(service);
    settings_done(&settings);
    return open; /* a spool file that nobody removed fails the test */
}

static bool decode(const char *text, const char *expect, size_t chunk)
{
    uint8_t out[256];
    size_t n = 0;
    struct base64 b = {0};
    for (size_t at = 0; at < strlen(text); at += chunk)
        n += base64_decode(&b, text + at, MIN(chunk, strlen(text) - at), out + n);
    return base64_complete(&b) && n == strlen(expect) && memcmp(out, expect, n) == 0;
}

static void test_base64(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk < 10; chunk++) {
        assert_true(decode("", "", chunk));
        assert_true(decode("Zg==", "f", chunk));
        assert_true(decode("Zm8=", "fo", chunk));
        assert_true(decode("Zm9v", "foo", chunk));
        assert_true(decode("Zm9v\r\nYmFy", "foobar", chunk));
        static const char *const bad[] = {"Z",     "Zg",       "Zg=",  "Zg===", "=",    "====", "Z===",
                                          "Zm9v=", "Zg==Zg==", "Zh==", "Zm9=",  "Zm9*", "Zm_v", "@0"};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
            assert_false(decode(bad[i], "f", chunk) || decode(bad[i], "fo", chunk) ||
                         decode(bad[i], "foo", chunk) || decode(bad[i], "", chunk));
    }
}

static void test_sha256(void **state)
{
    (void)state;
    uint8_t d[32];
    sha256("abc", 3, d);
    assert_int_equal(d[0], 0xba);
    assert_int_equal(d[31], 0xad);
    char a[120];
    memset(a, 'a', sizeof(a)); /* crosses both padding cases; values from sha256sum */
    sha256(a, 56, d);
    assert_true(d[0] == 0xb3 && d[1] == 0x54 && d[2] == 0x39);
    sha256(a, 0, d);
    assert_true(d[0] == 0xe3 && d[31] == 0x55);
    assert_true(sha256_same_text("key", "key"));
    assert_false(sha256_same_text("key", "kez") || sha256_same_text("key", "") ||
                 sha256_same_text("key", "keyy"));
}

static void feed_json(const char *text, size_t chunk)
{
    intake_done(&in);
    intake_init(&in, service, &settings);
    struct source_body *b = source_body_new(&in, "application/json");
    for (size_t at = 0; at < strlen(text); at += chunk)
        source_body_feed(b, text + at, MIN(chunk, strlen(text) - at));
    source_body_end(b);
    if (intake_ok(&in))
        intake_finish(&in);
    source_body_free(b);
}

static void problem(const char *text, const char *type, const char *loc)
{
    feed_json(text, 5);
    const json_t *p = json_array_get(in.problems, 0);
    if (!p)
        fail_msg("no problem in %s (%s)", text, in.refusal);
    char *got = json_dumps(json_object_get(p, "loc"), JSON_COMPACT);
    if (strcmp(json_string_value(json_object_get(p, "type")), type) != 0 || strcmp(got, loc) != 0)
        fail_msg("%s: %s %s", text, json_string_value(json_object_get(p, "type")), got);
    free(got);
}

static void refusal(const char *text, int status, const char *part)
{
    feed_json(text, 5);
    assert_int_equal(in.refusal_status, status);
    if (!strstr(in.refusal, part))
        fail_msg("%s", in.refusal);
}

#define FILE_SOURCE(content, name)                                                                           \
    "{\"kind\":\"file\",\"base64_string\":\"" content "\",\"filename\":\"" name "\"}"

static void test_json_good(void **state)
{
    (void)state;
    static const char text
        [] = "{\"options\":{\"to_formats\":[\"json\"],\"do_ocr\":false,\"unknown\":{\"base64_string\":3}},"
             "\"sources\":[{\"filename\" : \"a/b\\\\c.pdf\", \"base64_string\" :\n "
             "\"Zm9v\\/w==\",\"kind\":\"file\"}," FILE_SOURCE("", "..") "],\"target\":{\"kind\":\"inbody\"}}";
    for (size_t chunk = 1; chunk < sizeof(text); chunk++) {
        feed_json(text, chunk);
        if (!intake_ok(&in))
            fail_msg("%s %s", in.refusal, json_dumps(in.problems, 0));
        assert_int_equal(in.count, 2);
        assert_string_equal(in.sources[0].filename, "c.pdf");
        assert_string_equal(in.sources[1].filename, "document");
        assert_int_equal(service_spool_bytes(in.sources[0].spool), 4);
        assert_memory_equal(fake_spool_text(in.sources[0].spool), "foo\xff", 4);
        assert_int_equal(service_spool_bytes(in.sources[1].spool), 0);
        assert_int_equal(in.options.to_formats, OUTPUT_JSON);
        assert_false(in.options.do_ocr);
        assert_true(in.options.target_zip); /* two documents */
    }
    /* docling-serve's own ceiling is cut to ours, since clients send it as their default; more than that is
     * refused. */
    feed_json("{\"options\":{\"document_timeout\":604800},\"sources\":[" FILE_SOURCE("", "x") "]}", 7);
    assert_true(intake_ok(&in) && in.options.document_timeout_s == settings.max_document_timeout_s);
    feed_json("{\"options\":{\"document_timeout\":604801},\"sources\":[" FILE_SOURCE("", "x") "]}", 7);
    assert_false(intake_ok(&in));
    /* A key with an escape goes round the filter, and is decoded all the same. */
    feed_json("{\"sources\":[{\"kind\":\"file\",\"base64\\u005fstring\":\"Zm9v\",\"filename\":\"x\"}]}", 3);
    assert_true(intake_ok(&in));
    assert_memory_equal(fake_spool_text(in.sources[0].spool), "foo", 3);
    /* Content of an unused key is dropped. */
    feed_json("{\"sources\":[" FILE_SOURCE("Zm9v", "x") "],\"more\":{\"base64_string\":\"Zm9v\"}}", 3);
    assert_true(intake_ok(&in));
    assert_null(in.sources[1].spool);
}

static void test_json_bad(void **state)
{
    (void)state;
    problem("", "missing", "[\"body\"]");
    problem("{", "json_invalid", "[\"body\"]");
    problem("[]", "model_attributes_type", "[\"body\"]");
    problem("{}", "missing", "[\"body\",\"sources\"]");
    problem("{\"sources\":[]}", "too_short", "[\"body\",\"sources\"]");
    problem("{\"sources\":3}", "list_type", "[\"body\",\"sources\"]");
    problem("{\"sources\":[3]}", "model_attributes_type", "[\"body\",\"sources\",0]");
    problem("{\"sources\":[{}]}", "union_tag_not_found", "[\"body\",\"sources\",0]");
    problem("{\"sources\":[{\"kind\":\"ftp\"}]}", "union_tag_invalid", "[\"body\",\"sources\",0]");
    problem("{\"sources\":[{\"kind\":\"file\",\"filename\":\"x\"}]}", "missing",
            "[\"body\",\"sources\",0,\"file\",\"base64_string\"]");
    problem("{\"sources\":[" FILE_SOURCE("Zm9v", "x") "," FILE_SOURCE("Zm9*", "x") "]}", "value_error",
            "[\"body\",\"sources\",1,\"file\",\"base64_string\"]");
    problem("{\"sources\":[" FILE_SOURCE("\\u005a", "x") "]}", "value_error",
            "[\"body\",\"sources\",0,\"file\",\"base64_string\"]");
    problem("{\"sources\":[{\"kind\":\"file\",\"base64\\u005fstring\":\"@0\",\"filename\":\"x\"}]}",
            "value_error", "[\"body\",\"sources\",0,\"file\",\"base64_string\"]");
    problem("{\"sources\":[" FILE_SOURCE("", "x") "],\"options\":{\"to_formats\":[\"docx\"]}}", "enum",
            "[\"body\",\"options\",\"to_formats\",0]");
    problem("{\"sources\":[" FILE_SOURCE("", "x") "],\"options\":{\"page_range\":[3,1]}}", "value_error",
            "[\"body\",\"options\",\"page_range\"]");
    problem("{\"sources\":[" FILE_SOURCE("", "x") "],\"target\":{\"kind\":\"moon\"}}", "union_tag_invalid",
            "[\"body\",\"target\"]");
    refusal("{\"sources\":[{\"kind\":\"http\",\"url\":\"http://x\"}]}", 422, "not available yet");
    refusal("{\"sources\":[" FILE_SOURCE("", "x") "],\"target\":{\"kind\":\"presigned_url\"}}", 422,
            "artifact storage to be configured");
    refusal("{\"sources\":[" FILE_SOURCE("", "x") "],\"target\":{\"kind\":\"s3\"}}", 422,
            "s3 is not available");
    refusal("{\"sources\":[{},{},{},{}]}", 422, "Too many files: 4 exceeds the maximum of 3.");
    refusal("{\"sources\":[" FILE_SOURCE("", "a") "," FILE_SOURCE("", "b") "," FILE_SOURCE(
                "", "c") "," FILE_SOURCE("", "d") "]}",
            422, "Too many files");
}

static void test_json_limits(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 23);
    buf_puts(&b, "{\"sources\":[{\"kind\":\"file\",\"filename\":\"big.pdf\",\"base64_string\":\"");
    for (int i = 0; i < 400; i++)
        buf_puts(&b, "AAAA");
    buf_puts(&b, "\"}]}");
    refusal(b.data, 413, "\"document\" is larger than the maximum of 1000 bytes");
    buf_reset(&b);
    for (int i = 0; i < 1100000; i++)
        buf_putc(&b, ' ');
    feed_json(b.data, 65536);
    assert_int_equal(in.refusal_status, 413);
    buf_reset(&b);
    for (int i = 0; i <= LIMIT_JSON_DEPTH; i++)
        buf_putc(&b, '[');
    problem(b.data, "json_invalid", "[\"body\"]");
    fake_service_fail_spool(service, ERR_LIMIT);
    refusal("{\"sources\":[" FILE_SOURCE("", "x") "]}", 507, "full");
    buf_done(&b);
}

static void feed_form(const char *text)
{
    intake_done(&in);
    intake_init(&in, service, &settings);
    struct form *f = form_new(&in, "multipart/form-data; boundary=B");
    for (size_t at = 0; at < strlen(text); at += 9)
        form_feed(f, text + at, MIN((size_t)9, strlen(text) - at));
    form_end(f);
    if (intake_ok(&in))
        intake_finish(&in);
    form_free(f);
}

#define FIELD(name, value) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define UPLOAD(name, file, body)                                                                             \
    "--B\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" file                             \
    "\"\r\nContent-Type: application/pdf\r\n\r\n" body "\r\n"

static void test_form(void **state)
{
    (void)state;
    feed_form(UPLOAD("files", "C:\\dir\\a.pdf", "%PDF") FIELD("to_formats", "md") FIELD("to_formats", "json")
                  FIELD("page_range", "1") FIELD("page_range", "3") FIELD("nonsense", "1")
                      FIELD("target_type", "zip") FIELD("callbacks", "")
                          UPLOAD("other", "b", "x") "--B--\r\n");
    assert_true(intake_ok(&in));
    assert_int_equal(in.count, 1);
    assert_string_equal(in.sources[0].filename, "a.pdf");
    assert_memory_equal(fake_spool_text(in.sources[0].spool), "%PDF", 4);
    assert_int_equal(in.options.to_formats, OUTPUT_MD | OUTPUT_JSON);
    assert_true(in.options.page_first == 1 && in.options.page_last == 3 && in.options.target_zip);

    feed_form(FIELD("do_ocr", "true") "--B--");
    assert_string_equal(json_string_value(json_object_get(json_array_get(in.problems, 0), "type")),
                        "missing");
    feed_form(UPLOAD("files", "a", "x") FIELD("do_ocr", "perhaps") "--B--");
    assert_string_equal(json_string_value(json_object_get(json_array_get(in.problems, 0), "type")),
                        "bool_parsing");
    feed_form(FIELD("files", "text") "--B--");
    assert_int_equal(json_array_size(in.problems), 1);
    feed_form(UPLOAD("files", "a", "x") FIELD("target_type", "moon") "--B--");
    assert_string_equal(json_string_value(json_object_get(json_array_get(in.problems, 0), "type")), "enum");
    feed_form(UPLOAD("files", "a", "x") FIELD("target_type", "presigned_url") "--B--");
    assert_non_null(strstr(in.refusal, "artifact storage to be configured"));
    feed_form(UPLOAD("files", "a", "x") FIELD("callbacks", "http://x") "--B--");
    assert_int_equal(in.refusal_status, 422);
    feed_form(UPLOAD("files", "a", "x"));
    assert_int_equal(in.refusal_status, 400);
    feed_form(UPLOAD("files", "a", "") UPLOAD("files", "a", "") UPLOAD("files", "a", "")
                  UPLOAD("files", "a", "") "--B--");
    assert_int_equal(in.refusal_status, 422);
    assert_non_null(strstr(in.refusal, "Too many files: 4 exceeds the maximum of 3."));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_base64),   T(test_sha256),      T(test_json_good),
                                       T(test_json_bad), T(test_json_limits), T(test_form)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
