/* platen convert: what is written where, from response bodies and zips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "cli/output.h"

static char dir[] = "/tmp/platen-output-XXXXXX";
static struct convert_args args;
static char path_text[] = "in/a.pdf", relative_text[] = "sub/a.pdf", filename_text[] = "a.pdf";
static const struct input input = {path_text, relative_text, filename_text};

static int set_up(void **state)
{
    (void)state;
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    memset(&args, 0, sizeof(args));
    convert_options_init(&args.options);
    args.output_dir = xstrdup(mkdtemp(dir));
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    convert_args_done(&args);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int body_fd(const char *bytes, size_t len)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    assert_int_equal(fd_write_all(fd, bytes, len, NULL), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void assert_file(const char *name, const char *content)
{
    char *path = xasprintf("%s/%s", dir, name);
    struct buf b = BUF_INIT(100000);
    assert_int_equal(file_read_all(path, &b, NULL), 0);
    assert_string_equal(buf_str(&b), content);
    buf_done(&b);
    free(path);
}

static void formats_become_files_below_the_output(void **state)
{
    (void)state;
    static const char body
        [] = "{\"document\":{\"filename\":\"a.pdf\",\"md_content\":\"# A\\n\",\"json_content\":{\"x\":72.34},"
             "\"text_content\":null},\"status\":\"success\",\"errors\":[],\"processing_time\":1.5}";
    struct output_result r = {0};
    struct err e = ERR_INIT;
    args.options.to_formats = OUTPUT_MD | OUTPUT_JSON;
    assert_false(output_exists(&args, &input));
    int fd = body_fd(body, sizeof(body) - 1);
    assert_int_equal(output_write(&args, &input, fd, &r, &e), 0);
    close(fd);
    assert_string_equal(r.status, "success");
    assert_file("sub/a.pdf.md", "# A\n");
    assert_file("sub/a.pdf.json", "{\n  \"x\": 72.34\n}"); /* numbers as the service wrote them */
    assert_true(output_exists(&args, &input));
    output_result_done(&r);
    args.options.to_formats = OUTPUT_TEXT; /* asked for, but not in the answer: our bug, not an empty file */
    fd = body_fd(body, sizeof(body) - 1);
    assert_int_equal(output_write(&args, &input, fd, &r, &e), ERR_BUG);
    close(fd);
    output_result_done(&r);
}

static void failures_write_nothing(void **state)
{
    (void)state;
    static const char body
        [] = "{\"document\":{\"filename\":\"a.pdf\",\"md_content\":null},\"status\":\"failure\",\"errors\":["
             "{\"error_message\":\"not a PDF\",\"category\":\"backend_failure\",\"page_no\":null},"
             "{\"error_message\":\"broken\",\"category\":\"policy\",\"page_no\":3}],\"processing_time\":0}";
    struct output_result r = {0};
    int fd = body_fd(body, sizeof(body) - 1);
    assert_int_equal(output_write(&args, &input, fd, &r, NULL), 0);
    close(fd);
    assert_string_equal(r.status, "failure");
    assert_string_equal(r.category, "backend_failure");
    assert_string_equal(r.message, "not a PDF\npage 3: broken");
    assert_false(output_exists(&args, &input));
    output_result_done(&r);
    fd = body_fd("not json", 8);
    assert_int_equal(output_write(&args, &input, fd, &r, NULL), ERR_BUG);
    close(fd);
    output_result_done(&r);
}

static int zip_fd(const char *first_name)
{
    char *path = xasprintf("%s/in.zip", dir);
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(z);
    assert_true(zip_file_add(z, first_name, zip_source_buffer(z, "text", 4, 0), 0) >= 0);
    assert_true(zip_file_add(z, "a_images/image_0.png", zip_source_buffer(z, "png", 3, 0), 0) >= 0);
    assert_int_equal(zip_close(z), 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unlink(path);
    free(path);
    return fd;
}

static void zips_keep_pictures_beside_the_text(void **state)
{
    (void)state;
    struct output_result r = {0};
    int fd = zip_fd("a.md");
    assert_int_equal(output_write_zip(&args, &input, fd, &r, NULL), 0);
    close(fd);
    assert_string_equal(r.status, "success");
    assert_file("sub/a.pdf.md", "text");
    assert_file("sub/a_images/image_0.png", "png");
    output_result_done(&r);
}

static void zips_cannot_leave_the_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"../evil.md", "/etc/evil.md", "x/../../evil.md", "a\nb.md", "./x.md"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct output_result r = {0};
        int fd = zip_fd(names[i]);
        assert_int_equal(output_write_zip(&args, &input, fd, &r, NULL), ERR_FORMAT);
        assert_string_equal(r.status, "failure");
        close(fd);
        output_result_done(&r);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(formats_become_files_below_the_output),
        T(failures_write_nothing),
        T(zips_keep_pictures_beside_the_text),
        T(zips_cannot_leave_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
