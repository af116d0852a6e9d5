/* base: errors, buffers with ceilings, UTF-8, log escaping, file helpers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

static void err_carries_kind_and_message(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(err_fail(&e, ERR_LIMIT, "page %d", 7), ERR_LIMIT);
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_string_equal(e.message, "page 7");
    assert_int_equal(err_wrap(&e, "file %s", "a.pdf"), ERR_LIMIT);
    assert_string_equal(e.message, "file a.pdf: page 7");
    assert_int_equal(err_fail(NULL, ERR_IO, "no one listens"), ERR_IO);
}

static void err_errno_maps_memory_and_size(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    errno = ENOMEM;
    assert_int_equal(err_errno(&e, "x"), ERR_MEMORY);
    errno = EFBIG;
    assert_int_equal(err_errno(&e, "x"), ERR_LIMIT);
    errno = EACCES;
    assert_int_equal(err_errno(&e, "x"), ERR_IO);
    assert_string_equal(e.message, "x: Permission denied");
}

static void err_names_round_trip(void **state)
{
    (void)state;
    for (int kind = 0; kind > -ERR_KIND_COUNT; kind--) {
        assert_non_null(err_traits(kind)->name);
        assert_int_equal(err_kind_of_name(err_name(kind)), kind);
    }
    assert_string_equal(err_name(-1000), "bug");
    assert_int_equal(err_kind_of_name("no such"), ERR_BUG);
}

static void buf_stops_at_its_ceiling(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    buf_puts(&b, "12345");
    buf_puts(&b, "67890");
    assert_false(b.overflown);
    buf_putc(&b, 'x');
    assert_true(b.overflown);
    assert_int_equal(b.len, 10);
    buf_reset(&b);
    buf_printf(&b, "%d-%s", 42, "abc");
    assert_string_equal(buf_str(&b), "42-abc");
    buf_trim(&b, 2);
    assert_string_equal(buf_str(&b), "42-a");
    char *s = buf_take(&b);
    assert_string_equal(s, "42-a");
    free(s);
    assert_string_equal(buf_str(&b), "");
    buf_done(&b);
}

static void buf_json_escapes(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    static const char in[] = "a\"\\\n\x01\xff\xe2\x80\xa8\xc3\xa9";
    buf_put_json(&b, in, sizeof(in) - 1);
    assert_string_equal(buf_str(&b), "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\\u2028\xc3\xa9\"");
    buf_done(&b);
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xff",     "\xe2\x82",     "\x80"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
    static const uint32_t good[] = {0x24, 0xa2, 0x20ac, 0x10348, 0x10ffff, 0xfffd};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char bytes[4];
        uint32_t c = 0;
        size_t n = utf8_encode(good[i], bytes);
        assert_int_equal(utf8_decode(bytes, n, &c), n);
        assert_int_equal(c, good[i]);
        assert_int_equal(utf8_decode(bytes, n - 1, &c), 0);
    }
    assert_int_equal(utf8_count("a\xc3\xa9\xff", 4), 3);
}

static void log_lines_cannot_be_forged(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    log_setup("test", LOG_LEVEL_INFO, false);
    log_debug("not shown");
    log_info("name %s", "a\nERROR: forged\x1b[31m");
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(fds[1]);
    struct buf b = BUF_INIT(1000);
    assert_int_equal(fd_read_all(fds[0], &b, NULL), 0);
    close(fds[0]);
    assert_string_equal(buf_str(&b), "INFO: name a\\u000aERROR: forged\\u001b[31m\n");
    buf_done(&b);
}

static void files_are_read_with_a_ceiling(void **state)
{
    (void)state;
    char dir[] = "/tmp/platen-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *deep = xasprintf("%s/a/b/c", dir);
    struct err e = ERR_INIT;
    assert_int_equal(dir_make_path(deep, 0700, &e), 0);
    assert_int_equal(dir_make_path(deep, 0700, &e), 0);
    char *path = xasprintf("%s/f", deep);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, "hello world", 11, &e), 0);
    close(fd);
    struct buf b = BUF_INIT(11);
    assert_int_equal(file_read_all(path, &b, &e), 0);
    assert_string_equal(buf_str(&b), "hello world");
    buf_done(&b);
    struct buf small = BUF_INIT(10);
    assert_int_equal(file_read_all(path, &small, &e), ERR_LIMIT);
    buf_done(&small);
    unlink(path);
    assert_int_equal(file_read_all(path, &small, &e), ERR_NOTFOUND);
    free(path);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rmdir(deep), 0);
        *strrchr(deep, '/') = '\0';
    }
    free(deep);
}

static void clock_formats_utc(void **state)
{
    (void)state;
    char out[25];
    clock_format_utc(1700000000123, out);
    assert_string_equal(out, "2023-11-14T22:13:20.123Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_carries_kind_and_message),
        cmocka_unit_test(err_errno_maps_memory_and_size),
        cmocka_unit_test(err_names_round_trip),
        cmocka_unit_test(buf_stops_at_its_ceiling),
        cmocka_unit_test(buf_json_escapes),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(files_are_read_with_a_ceiling),
        cmocka_unit_test(clock_formats_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
