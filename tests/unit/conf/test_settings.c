#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "conf/settings.h"
#include "conf/text.h"

#define ARGS_MAX 8

/* settings_load does not write through argv, but has main's type. */
static int load(struct settings *s, int *action, struct err *err, const char *const *args, size_t count)
{
    char *argv[ARGS_MAX];
    assert_true(count <= ARGS_MAX);
    memcpy(argv, args, count * sizeof(*args));
    return settings_load(s, (int)count, argv, action, err);
}

#define LOAD(s, action, err, ...)                                                                            \
    load((s), (action), (err), (const char *const[]){"platend", __VA_ARGS__},                                \
         sizeof((const char *const[]){"platend", __VA_ARGS__}) / sizeof(char *))

static void test_defaults(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_string_equal(s.host, "127.0.0.1");
    assert_int_equal(s.port, 5001);
    assert_int_equal(s.max_file_bytes, 100ll << 20);
    assert_int_equal(s.max_body_bytes, 256ll << 20);
    assert_int_equal(s.queue_max_bytes, 10ll << 30);
    assert_int_equal(s.free_space_floor_bytes, 1ll << 30);
    assert_int_equal(s.max_num_pages, 2000);
    assert_int_equal(s.max_sources, 20);
    assert_int_equal(s.num_workers, 2);
    assert_int_equal(s.page_batch_size, 10);
    assert_int_equal(s.ready_fd, -1);
    assert_true(s.single_use_results);
    assert_true(s.show_version_info);
    assert_false(s.free_vram_on_idle);
    assert_true(s.max_sync_wait_s == 120 && s.max_document_timeout_s == 1800 && s.result_ttl_s == 86400);
    assert_string_equal(s.api_key, "");
    settings_done(&s);
}

static void test_order(void **state)
{
    (void)state;
    setenv("UVICORN_PORT", "6001", 1);
    setenv("DOCLING_SERVE_MAX_FILE_SIZE", "9223372036854775807", 1);
    setenv("DOCLING_SERVE_LOG_LEVEL", "WARNING", 1);
    setenv("DOCLING_SERVE_FREE_VRAM_ON_IDLE", "True", 1);
    setenv("DOCLING_SERVE_QUEUE_MAX_SIZE", "", 1);
    struct settings s;
    struct err err = ERR_INIT;
    int action;
    settings_init(&s);
    assert_int_equal(LOAD(&s, &action, &err, "--max-body-size=2G", "--data", "/d", "--no-single-use-results"),
                     0);
    assert_int_equal(action, 0);
    assert_int_equal(s.port, 6001);
    assert_int_equal(s.max_file_bytes, 1ll << 40); /* clamped */
    assert_int_equal(s.max_body_bytes, 2ll << 30);
    assert_string_equal(s.log_level, "warning");
    assert_string_equal(s.scratch_path, "/d/scratch");
    assert_true(s.free_vram_on_idle);
    assert_false(s.single_use_results);
    assert_int_equal(s.queue_max_size, 1000);
    settings_done(&s);
    settings_init(&s);
    assert_int_equal(LOAD(&s, &action, &err, "--port", "0"), 0); /* the flag wins */
    assert_int_equal(s.port, 0);
    settings_done(&s);
    unsetenv("DOCLING_SERVE_MAX_FILE_SIZE");
    unsetenv("DOCLING_SERVE_LOG_LEVEL");
    unsetenv("DOCLING_SERVE_FREE_VRAM_ON_IDLE");
    setenv("UVICORN_PORT", "70000", 1);
    settings_init(&s);
    assert_int_equal(LOAD(&s, &action, &err, "--workers=1"), ERR_ARG);
    assert_non_null(strstr(err.message, "environment variable UVICORN_PORT"));
    assert_non_null(strstr(err.message, "70000"));
    assert_non_null(strstr(err.message, "from 0 to 65535"));
    settings_done(&s);
    unsetenv("UVICORN_PORT");
}

static void refuse(const char *arg, const char *value, const char *part)
{
    struct settings s;
    struct err err = ERR_INIT;
    int action;
    settings_init(&s);
    const char *const args[] = {"platend", arg, value};
    assert_int_equal(load(&s, &action, &err, args, value ? 3 : 2), ERR_ARG);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" does not say \"%s\"", err.message, part);
    settings_done(&s);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("--prot", "1", "did you mean --port?");
    refuse("--zzzzzzzzzzzzzzzz", NULL, "--help lists all");
    refuse("--port", NULL, "--port needs a value");
    refuse("--port", "5k", "\"5k\" is not allowed");
    refuse("--port", "-1", "not allowed");
    refuse("--max-file-size", "10X", "such as 500k, 100M or 2G");
    refuse("--max-sync-wait", "soon", "seconds");
    refuse("--max-sync-wait", "nan", "seconds");
    refuse("--log-level", "loud", "debug, info, warning, error");
    refuse("--isolated=maybe", NULL, "true or false");
    refuse("--no-port", NULL, "unknown flag");
    refuse("file.pdf", NULL, "unexpected argument");
    refuse("--", NULL, "unexpected argument");
}

static void test_actions(void **state)
{
    (void)state;
    struct settings s;
    int action;
    settings_init(&s);
    setenv("UVICORN_PORT", "wrong", 1); /* help works even so */
    assert_int_equal(LOAD(&s, &action, NULL, "--port", "x", "--help"), 0);
    assert_int_equal(action, 'h');
    assert_int_equal(LOAD(&s, &action, NULL, "-V"), 0);
    assert_int_equal(action, 'V');
    unsetenv("UVICORN_PORT");
    settings_done(&s);
}

static void test_prints(void **state)
{
    (void)state;
    void (*prints[])(FILE *) = {settings_print_help, settings_print_man, settings_print_markdown};
    for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        prints[i](out);
        fclose(out);
        assert_non_null(strstr(text, "DOCLING_SERVE_MAX_SYNC_WAIT"));
        assert_non_null(strstr(text, "127.0.0.1"));
        free(text);
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(text_distance("port", "port"), 0);
    assert_int_equal(text_distance("prot", "port"), 2);
    assert_int_equal(text_distance("", "port"), 4);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    char longer[80];
    memset(longer, 'a', 79);
    longer[79] = '\0';
    assert_true(text_distance(longer, "a") == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_actions),
                                       cmocka_unit_test(test_prints),   cmocka_unit_test(test_distance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
