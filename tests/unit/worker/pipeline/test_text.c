/* Character and pattern rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/macros.h"
#include "worker/pipeline/text.h"

static void test_markers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        bool enumerated;
        int value;
    } rows[] = {
        {"• one", 4, false, 0},     {"- two", 2, false, 0},     {"1. three", 3, true, 1},
        {"(b) four", 4, true, 2},   {"iv) five", 4, true, 4},   {"12) six", 4, true, 12},
        {"1.5 volts", 0, false, 0}, {"A. Smith", 0, false, 0},  {"word", 0, false, 0},
        {"", 0, false, 0},          {"2018. The", 0, false, 0}, {"-5 degrees", 0, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool enumerated = false;
        int value = 0;
        assert_int_equal(text_marker(rows[i].text, &enumerated, &value), rows[i].len);
        if (rows[i].len > 0) {
            assert_int_equal(enumerated, rows[i].enumerated);
            assert_int_equal(value, rows[i].value);
        }
    }
}

static void test_headings_and_captions(void **state)
{
    (void)state;
    assert_int_equal(text_heading_number("1 Introduction"), 1);
    assert_int_equal(text_heading_number("2.3. Methods"), 2);
    assert_int_equal(text_heading_number("IV. Results"), 1);
    assert_int_equal(text_heading_number("Introduction"), 0);
    assert_int_equal(text_heading_number("3.5 12"), 0);
    assert_int_equal(text_caption_kind("Figure 3: A view"), 'f');
    assert_int_equal(text_caption_kind("Table 1. HPO performed"), 't');
    assert_int_equal(text_caption_kind("Listing 1: Program"), 'c');
    assert_int_equal(text_caption_kind("Figure 3 shows the"), 0);
    assert_int_equal(text_caption_kind("Tables are good"), 0);
}

static void test_sentence_ends_and_page_numbers(void **state)
{
    (void)state;
    assert_true(text_ends_sentence("An end."));
    assert_true(text_ends_sentence("(An end.)"));
    assert_true(text_ends_sentence("“What?”"));
    assert_false(text_ends_sentence("goes on"));
    assert_true(text_is_page_number("12"));
    assert_true(text_is_page_number("- 12 -"));
    assert_true(text_is_page_number("Page 3 of 9"));
    assert_true(text_is_page_number("xiv"));
    assert_false(text_is_page_number("Chapter 3"));
    assert_false(text_is_page_number("mix up"));
    assert_false(text_is_page_number(""));
}

static void check_join(const char *a, const char *b, const char *expected)
{
    struct buf out = BUF_INIT(1000);
    text_join_line(&out, a);
    text_join_line(&out, b);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

static void test_joining(void **state)
{
    (void)state;
    check_join("one", "two", "one two");
    check_join("hyphen-", "ation", "hyphenation");
    check_join("Anglo-", "Saxon", "Anglo-Saxon");
    check_join("pages 3-", "5", "pages 3- 5");
    check_join("中文", "字", "中文字");
    check_join("", "x", "x");
    check_join("-", "x", "-x");
}

static void test_shape(void **state)
{
    (void)state;
    char *a = text_shape("Chapter 12 | Page 7"), *b = text_shape("CHAPTER 3 | page 108");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_headings_and_captions),
        cmocka_unit_test(test_sentence_ends_and_page_numbers),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
