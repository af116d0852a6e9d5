/* The worker around its pipeline: the response body, the archive, the task's input, the engine's client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "ipc/frame.h"
#include "worker/engine_client.h"
#include "worker/response.h"
#include "worker/task.h"

static struct document *small_document(const char *filename)
{
    struct document *d = document_new(filename, "application/pdf");
    struct doc_page *p = document_add_page(d, 1, 600, 800);
    p->parse_score = 1.0f;
    p->ocr_score = 0.7f;
    p->layout_score = p->table_score = -1;
    int i = document_add(d, DOC_BODY, DOC_TEXT, "A \"quoted\" text \\ with\tall\x01 sorts");
    document_add_prov(d, i, 1, (struct doc_box){1, 2, 3, 4});
    document_add_error(d, 2, ERR_LIMIT, "page 2: too large");
    return d;
}

static json_t *written(int fd)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT(1u << 20);
    struct err err = ERR_INIT;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(fd_read_all(fd, &b, &err), 0);
    json_t *j = json_loadb(buf_str(&b), b.len, 0, NULL);
    assert_non_null(j);
    return j;
}

static const char *text_of(json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void test_response(void **state)
{
    (void)state;
    struct convert_options o;
    struct option_problem problem;
    struct err err = ERR_INIT;
    convert_options_init(&o);
    assert_int_equal(convert_options_set_field(&o, "to_formats", "md,json,text", true, &problem), 0);
    char **names = xnew_array(char *, 1);
    names[0] = xstrdup("do_chart_extraction");
    o.ineffective = names;
    o.ineffective_count = o.ineffective_cap = 1;
    char filename[] = "a \"b\".pdf";
    struct result r = {
        .filename = filename, .document = small_document(filename), .status = IPC_TASK_PARTIAL};
    timings_add(&r.timings, STAGE_OPEN, stopwatch_start());
    timings_add(&r.timings, STAGE_READ, stopwatch_start());
    timings_add(&r.timings, STAGE_READ, stopwatch_start());
    CLEANUP(fd_closep) int fd = memfd_create("out", MFD_CLOEXEC);
    assert_int_equal(response_write_json(fd, &r, &o, 1.5, &err), 0);
    json_t *j = written(fd), *doc = json_object_get(j, "document"), *errors = json_object_get(j, "errors");
    assert_string_equal(text_of(doc, "filename"), filename);
    assert_true(json_is_string(json_object_get(doc, "md_content")));
    assert_true(json_is_object(json_object_get(doc, "json_content")));
    assert_true(json_is_null(json_object_get(doc, "html_content")));
    assert_true(json_is_null(json_object_get(doc, "doclang_content")));
    assert_string_equal(text_of(j, "status"), "partial_success");
    assert_int_equal(json_array_size(errors), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(errors, 0), "page_no")), 2);
    assert_string_equal(text_of(json_array_get(errors, 1), "error_message"),
                        "option do_chart_extraction has no effect in this version");
    json_t *c = json_object_get(j, "confidence");
    assert_true(json_is_null(json_object_get(c, "table_score")));
    assert_string_equal(text_of(c, "mean_grade"), "good"); /* (1 + 0.7) / 2 */
    assert_string_equal(text_of(c, "low_grade"), "fair");
    json_t *t = json_object_get(j, "timings"), *read = json_object_get(t, "read");
    assert_int_equal(json_object_size(t), 3); /* open, read, export */
    assert_string_equal(text_of(read, "scope"), "page");
    assert_string_equal(text_of(json_object_get(t, "export"), "scope"), "document");
    assert_int_equal(json_integer_value(json_object_get(read, "count")), 2);
    assert_int_equal(json_array_size(json_object_get(read, "times")), 2);
    assert_true(json_is_real(json_array_get(json_object_get(read, "times"), 1)));
    assert_int_equal(json_array_size(json_object_get(read, "start_timestamps")), 2);
    json_decref(j);
    timings_done(&r.timings);
    document_free(r.document);
    convert_options_done(&o);
}

static void test_failure_response(void **state)
{
    (void)state;
    struct convert_options o;
    struct err err = ERR_INIT;
    convert_options_init(&o);
    char filename[] = "x.pdf";
    struct result r = {.filename = filename, .status = IPC_TASK_FAILURE};
    err_fail(&r.error, ERR_FORMAT, "x.pdf: not a PDF");
    CLEANUP(fd_closep) int fd = memfd_create("out", MFD_CLOEXEC);
    assert_int_equal(response_write_json(fd, &r, &o, 0.1, &err), 0);
    json_t *j = written(fd);
    assert_string_equal(text_of(j, "status"), "failure");
    assert_true(json_is_null(json_object_get(json_object_get(j, "document"), "md_content")));
    assert_true(json_is_null(json_object_get(j, "confidence")));
    assert_int_equal(json_object_size(json_object_get(j, "timings")), 0);
    assert_string_equal(text_of(json_array_get(json_object_get(j, "errors"), 0), "category"),
                        "backend_failure");
    json_decref(j);
    convert_options_done(&o);
}

static void test_archive_names(void **state)
{
    (void)state;
    static const char *const filenames[] = {"../../etc/passwd", "a.pdf", "b/A.pdf", "..", "bad\x01.pdf"};
    struct result r[6];
    struct convert_options o;
    struct err err = ERR_INIT;
    convert_options_init(&o);
    for (size_t i = 0; i < 5; i++)
        r[i] = (struct result){.filename = xstrdup(filenames[i]), .document = small_document(filenames[i])};
    r[5] = (struct result){.filename = xstrdup("bad.pdf"), .status = IPC_TASK_FAILURE};
    err_fail(&r[5].error, ERR_FORMAT, "broken");
    CLEANUP(fd_closep) int fd = memfd_create("zip", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(response_write_zip(fd, r, 6, &o, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    zip_t *z = zip_fdopen(dup(fd), 0, NULL);
    assert_non_null(z);
    static const char *const expected[] = {"passwd.md",   "a.md",    "A_2.md",
                                           "document.md", "bad_.md", "errors.json"};
    assert_int_equal(zip_get_num_entries(z, 0), 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(zip_get_name(z, i, 0), expected[i]);
    zip_discard(z);
    for (size_t i = 0; i < 6; i++) {
        document_free(r[i].document);
        free(r[i].filename);
    }
    convert_options_done(&o);
}

static int read_input(const char *text, struct task *t)
{
    CLEANUP(fd_closep) int fd = memfd_create("in", MFD_CLOEXEC);
    struct err err = ERR_INIT;
    assert_int_equal(fd_write_all(fd, text, strlen(text), &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return task_read(fd, t, &err);
}

static void test_input(void **state)
{
    (void)state;
    struct task t;
    assert_int_equal(read_input("{\"options\":{},\"max_num_pages\":7,\"page_batch_size\":4,\"sources\":[{"
                                "\"fd\":7,\"filename\":\"a.pdf\"}]}",
                                &t),
                     0);
    assert_int_equal(t.max_pages, 7);
    assert_int_equal(t.page_batch, 4);
    assert_int_equal(t.sources[0].fd, 7);
    task_done(&t);
    assert_true(read_input("no json", &t) < 0);
    assert_true(read_input("{\"options\":{},\"sources\":[]}", &t) < 0);
    assert_true(read_input("{\"options\":{},\"sources\":[{\"fd\":2,\"filename\":\"a\"}]}", &t) < 0);
    assert_true(
        read_input("{\"options\":{\"do_ocr\":\"perhaps\"},\"sources\":[{\"fd\":7,\"filename\":\"a\"}]}", &t) <
        0);
}

static int no_control(void *ctx, struct err *err)
{
    (void)ctx, (void)err;
    return 0;
}

/* The engine's side of the socket: takes one request, returns its id. */
static uint32_t take_request(int sock, uint16_t type, struct ipc_frame *f)
{
    struct err err = ERR_INIT;
    assert_int_equal(ipc_recv(sock, f, &err), 1);
    assert_int_equal(f->type, type);
    fd_closep(&f->fd);
    return f->id;
}

static void test_engine_client(void **state)
{
    (void)state;
    int pair[2];
    struct err err = ERR_INIT;
    struct ipc_frame *f = xnew(struct ipc_frame);
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    assert_int_equal(ipc_pair(pair, &err), 0);
    struct engine_client *c = engine_client_new(pair[0], -1, no_control, NULL);
    const struct vision *v = engine_client_vision(c);
    struct image *im = NULL;
    assert_int_equal(image_new(8, 4, IMAGE_GREY8, 72, &im, &err), 0);
    assert_int_equal(v->page_open(v->ctx, 5, im, &err), 0);
    image_free(im);
    uint32_t page = take_request(pair[1], IPC_PAGE, f), first, second, third;
    assert_int_equal(ipc_send(pair[1], IPC_REPLY, 0, page, NULL, 0, -1, &err), 0);
    assert_int_equal(v->orient_begin(v->ctx, 5, &first, &err), 0);
    assert_int_equal(v->orient_begin(v->ctx, 5, &second, &err), 0);
    assert_int_equal(v->orient_begin(v->ctx, 5, &third, &err), 0);
    uint32_t id1 = take_request(pair[1], IPC_ORIENT, f), id2 = take_request(pair[1], IPC_ORIENT, f);
    /* Answers in another order, one of them a refusal. */
    struct err refusal = ERR_INIT;
    err_fail(&refusal, ERR_NOTFOUND, "no such page");
    assert_int_equal(ipc_send_refusal(pair[1], id2, &refusal, &err), 0);
    struct ipc_orientation o = {90, 0.75f}, got;
    assert_int_equal(
        ipc_send(pair[1], IPC_REPLY, 0, id1, payload, ipc_encode_orientation(&o, payload), -1, &err), 0);
    assert_int_equal(v->orient_end(v->ctx, first, &got, &err), 0);
    assert_int_equal(got.degrees, 90);
    assert_int_equal(v->orient_end(v->ctx, second, &got, &err), ERR_NOTFOUND);
    assert_non_null(strstr(err.message, "no such page"));
    assert_int_equal(v->orient_end(v->ctx, second, &got, &err),
                     ERR_BUG); /* a ticket is good for one answer */
    assert_int_equal(close(pair[1]), 0);
    assert_int_equal(v->orient_end(v->ctx, third, &got, &err), ERR_CRASH);
    engine_client_free(c);
    assert_int_equal(close(pair[0]), 0);
    free(payload);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),      cmocka_unit_test(test_failure_response),
        cmocka_unit_test(test_archive_names), cmocka_unit_test(test_input),
        cmocka_unit_test(test_engine_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
