/* platen convert: its flags, and that every conversion option is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/args.h"

#define PARSE(...) parse((const char *[]){__VA_ARGS__, NULL})

static struct convert_args args;
static struct err error;

static int parse(const char **argv)
{
    convert_args_done(&args);
    int argc = 0;
    while (argv[argc])
        argc++;
    char **writable = NULL;
    memcpy(&writable, &argv, sizeof(writable)); /* argv of main is not const; it is not written to */
    error = ERR_INIT;
    return convert_args_parse(&args, argc, writable, &error);
}

static int set_up(void **state)
{
    (void)state;
    memset(&args, 0, sizeof(args));
    convert_options_init(&args.options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    convert_args_done(&args);
    return 0;
}

static void one_file_needs_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf"), 0);
    assert_int_equal(args.input_count, 1);
    assert_int_equal(args.options.to_formats, OUTPUT_MD);
    assert_null(args.output_dir);
}

static void flags_may_follow_and_be_short_or_long(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf", "-f", "json", "--ocr-lang=en,de", "-p3-7", "-j4", "-q"), 0);
    assert_int_equal(args.options.to_formats, OUTPUT_JSON);
    assert_string_equal(args.options.ocr_lang, "en,de");
    assert_int_equal(args.options.page_first, 3);
    assert_int_equal(args.options.page_last, 7);
    assert_int_equal(args.jobs, 4);
    assert_true(args.quiet);
    assert_int_equal(PARSE("-l", "fr", "--", "-odd-name.pdf"), 0);
    assert_string_equal(args.inputs[0], "-odd-name.pdf");
}

static void every_option_of_the_api_is_a_flag(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf", "--force-ocr", "true", "--table-mode", "fast", "--images-scale=1.5"), 0);
    assert_true(args.options.force_ocr);
    assert_false(args.options.table_accurate);
    assert_int_equal(PARSE("--force-ocr", "a.pdf", "--do-ocr", "no"),
                     0); /* what is on or off needs no value */
    assert_true(args.options.force_ocr);
    assert_false(args.options.do_ocr);
    assert_int_equal(args.input_count, 1);
    assert_int_equal(PARSE("a.pdf", "--password", "secret"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "--images-scale=1.5"), 0);
    assert_true(args.options.images_scale > 1.49 && args.options.images_scale < 1.51);
}

static void page_ranges(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf", "--pages", "5"), 0);
    assert_int_equal(args.options.page_first, 5);
    assert_int_equal(args.options.page_last, 5);
    assert_int_equal(PARSE("a.pdf", "--pages", "5-"), 0);
    assert_int_equal(args.options.page_first, 5);
    assert_true(args.options.page_last >= 1000000);
    static const char *const bad[] = {"0", "7-3", "a", "3-x", "", "-", "3-7x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(PARSE("a.pdf", "--pages", bad[i]), ERR_ARG);
}

static void ocr_modes(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf", "--ocr", "off"), 0);
    assert_false(args.options.do_ocr);
    assert_int_equal(PARSE("a.pdf", "--ocr", "force"), 0);
    assert_true(args.options.do_ocr && args.options.force_ocr);
    assert_int_equal(PARSE("a.pdf", "--ocr", "maybe"), ERR_ARG);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--to", "md"), ERR_ARG);
    assert_non_null(strstr(error.message, "no input"));
    assert_int_equal(PARSE("a.pdf", "--no-such"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "--no-such", "x"), ERR_ARG);
    assert_non_null(strstr(error.message, "--no-such"));
    assert_int_equal(PARSE("a.pdf", "--to", "pdf"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "--to"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "b.pdf"), ERR_ARG);
    assert_non_null(strstr(error.message, "--output"));
    assert_int_equal(PARSE("a.pdf", "--to", "md,json"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "-j", "0"), ERR_ARG);
    assert_int_equal(PARSE("a.pdf", "--password-file", "/nonexistent"), ERR_NOTFOUND);
}

static void supervisor_settings_are_passed_on(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.pdf", "--backend", "fake", "--models=/m"), 0);
    assert_int_equal(args.platend_flag_count, 3);
    assert_string_equal(args.platend_flags[0], "--backend");
    assert_string_equal(args.platend_flags[1], "fake");
    assert_string_equal(args.platend_flags[2], "--models=/m");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(one_file_needs_nothing_else),
        T(flags_may_follow_and_be_short_or_long),
        T(every_option_of_the_api_is_a_flag),
        T(page_ranges),
        T(ocr_modes),
        T(mistakes_are_named),
        T(supervisor_settings_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
