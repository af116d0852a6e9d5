/* The exporters: escaping, table layout, lists, links, nesting, ceilings. The whole against docling-core:
 * tests/golden/export. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "worker/export/embed.h"
#include "worker/export/markdown.h"

typedef void export_fn(const struct document *, const struct export_options *, struct buf *);

static export_fn *const exporters[] = {export_markdown, export_json, export_html, export_text,
                                       export_doctags};

static void assert_export(export_fn *fn, const struct document *d, const struct export_options *o,
                          const char *expected)
{
    struct buf b = BUF_INIT(1024 * 1024);
    fn(d, o, &b);
    assert_false(b.overflown);
    assert_string_equal(buf_str(&b), expected);
    buf_done(&b);
}

static void assert_markdown_text(const char *s, unsigned flags, const char *expected)
{
    struct buf b = BUF_INIT(4096);
    markdown_put_text(&b, s, flags);
    assert_string_equal(buf_str(&b), expected);
    buf_done(&b);
}

static void markdown_text_is_escaped(void **state)
{
    (void)state;
    assert_markdown_text("a_b \\_c <d> & e", MD_ESCAPE, "a\\_b \\_c &lt;d&gt; &amp; e");
    assert_markdown_text("![a_b](c_d) e_f", MD_ESCAPE, "![a_b](c_d) e\\_f");
    assert_markdown_text("![a_b](c_d", MD_ESCAPE, "![a\\_b](c\\_d");
    assert_markdown_text("![a_b\n](c_d)", MD_ESCAPE, "![a\\_b\n](c\\_d)");
    assert_markdown_text("a\nb\n\nc\n\n\nd\n", MD_BREAKS, "a  \nb\n\nc\n\n  \nd  \n");
    assert_markdown_text("a\n\nb", MD_ONE_LINE, "a  b");
    assert_markdown_text("a_b<c>\n", 0, "a_b<c>\n");
}

static void markdown_scans_hostile_text_once(void **state)
{
    (void)state;
    size_t n = 1024 * 1024;
    char *s = xmalloc(n + 1);
    for (size_t i = 0; i < n; i += 2)
        memcpy(s + i, "![", 2);
    s[n] = '\0';
    struct buf b = BUF_INIT(4 * n);
    markdown_put_text(&b, s, MD_ESCAPE); /* quadratic would run into the timeout */
    assert_int_equal(b.len, n);
    buf_done(&b);
    free(s);
}

static void links_cannot_break_out(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4096);
    markdown_put_destination(&b, "http://x/a b(c)<d>\"e\\?f&g=1&lt;&#60;&nope");
    assert_string_equal(buf_str(&b), "http://x/a%20b%28c%29%3Cd%3E%22e%5C?f&g=1&amp;lt;&amp;#60;&nope");
    buf_done(&b);
    static const char *const safe[] = {"http://x", "HTTPS://x", "mailto:a@b", "a/b:c", "C:/x",
                                       "",         "#top",      "//host/x",   "?a:b"};
    static const char *const active[] = {
        "javascript:x",     "JaVaScRiPt:x", "\x01 javascript:x",        "java\nscript:x",
        "data:text/html,x", "vbscript:x",   "averyveryverylongscheme:x"};
    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        assert_true(export_link_is_safe(safe[i]));
    for (size_t i = 0; i < ARRAY_LEN(active); i++)
        assert_false(export_link_is_safe(active[i]));
}

static void code_is_fenced(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool span;
        const char *expected;
    } cases[] = {{"x", true, "`x`"},
                 {"`x", true, "`` `x ``"},
                 {"", true, "``"},
                 {"x", false, "```\nx\n```"},
                 {"```", false, "````\n```\n````"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT(4096);
        markdown_put_code(&b, cases[i].code, cases[i].span);
        assert_string_equal(buf_str(&b), cases[i].expected);
        buf_done(&b);
    }
}

static void markers_are_known(void **state)
{
    (void)state;
    assert_true(markdown_marker_is_valid("-") && markdown_marker_is_valid("12.") &&
                markdown_marker_is_valid("*"));
    assert_false(markdown_marker_is_valid("") || markdown_marker_is_valid(".") ||
                 markdown_marker_is_valid("1)") || markdown_marker_is_valid("1.2."));
    assert_true(markdown_marker_speaks("a)") && markdown_marker_speaks("\u2460") &&
                markdown_marker_speaks("\u7b2c\u4e00"));
    assert_false(markdown_marker_speaks("\u2022") || markdown_marker_speaks("\u25e6") ||
                 markdown_marker_speaks("\uf0b7") || markdown_marker_speaks("->") ||
                 markdown_marker_speaks("\xff"));
}

static void numbers_are_recognised_as_python_does(void **state)
{
    (void)state;
    static const char *const whole[] = {"1", "-12", "+3", " 7 ", "1_000", "1,234", "1,234,567", "007"};
    static const char *const real[] = {"1.5",     ".5",  "5.",   "1e5", "-2.5E-3",
                                       "1,234.5", "inf", "-inf", "NaN", "1."};
    static const char *const text[] = {"a",    "1,23",     "12,34", "1234,567", "1.2.3", "1e",    "e5",
                                       "+",    ".",        "--1",   "1 2",      "1__0",  "_1",    "1_",
                                       "+inf", "infinity", "1e999", "$5",       "5%",    "-,123", ","};
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        assert_int_equal(markdown_cell_type(whole[i]), 2);
    for (size_t i = 0; i < ARRAY_LEN(real); i++)
        assert_int_equal(markdown_cell_type(real[i]), 3);
    for (size_t i = 0; i < ARRAY_LEN(text); i++)
        assert_int_equal(markdown_cell_type(text[i]), 5);
    assert_int_equal(markdown_cell_type(""), 0);
    assert_int_equal(markdown_cell_type("True"), 1);
}

static struct doc_table *add_table(struct document *d, int rows, int cols)
{
    return document_make_table(d, document_add(d, DOC_BODY, DOC_TABLE, NULL), rows, cols);
}

static void tables_in_markdown(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    struct doc_table *t = add_table(d, 0, 0);
    (void)doc_table_add_cell(t, 0, 0, 1, 2, "a|b\nc");
    (void)doc_table_add_cell(t, 1, 0, 1, 1, " x ");
    (void)doc_table_add_cell(t, 1, 1, 1, 1, "12");
    assert_export(export_markdown, d, NULL,
                  "| a&#124;b c   |   a&#124;b c |\n"
                  "|--------------|--------------|\n"
                  "| x            |           12 |");
    const struct export_options compact = {.compact_tables = true};
    assert_export(export_markdown, d, &compact, "| a&#124;b c | a&#124;b c |\n| - | - |\n| x | 12 |");
}

static void tables_without_cells_write_nothing(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    (void)document_add(d, DOC_BODY, DOC_TABLE, NULL); /* no table at all */
    (void)add_table(d, 0, 3);
    (void)document_add(d, DOC_BODY, DOC_TEXT, "after");
    assert_export(export_markdown, d, NULL, "after");
    assert_export(export_doctags, d, NULL, "<doctag><text>after</text>\n</doctag>");
}

static void spans_in_doctags(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    struct doc_table *t = add_table(d, 3, 3);
    doc_table_add_cell(t, 0, 0, 1, 2, "h")->column_header = true;
    (void)doc_table_add_cell(t, 1, 0, 2, 1, "v");
    (void)doc_table_add_cell(t, 1, 1, 2, 2, "both");
    assert_export(export_doctags, d, NULL,
                  "<doctag><otsl><ched>h<lcel><ecel><nl><fcel>v<fcel>both<xcel><nl><ucel><xcel><xcel><nl></"
                  "otsl>\n</doctag>");
}

static void one_long_cell_does_not_pad_a_long_table(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    struct doc_table *t = add_table(d, 0, 0);
    char *text = xmalloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    (void)doc_table_add_cell(t, 0, 0, 1, 1, text);
    for (int r = 1; r < 20000; r++)
        (void)doc_table_add_cell(t, r, 0, 1, 1, "short");
    struct buf b = BUF_INIT(1024 * 1024);
    export_markdown(d, NULL, &b);
    assert_false(b.overflown);
    assert_in_range(b.len, 100000, 400000);
    buf_done(&b);
    free(text);
}

static void wide_spans_of_long_text_end(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    struct doc_table *t = add_table(d, 1000, 1000);
    char *text = xmalloc(1000001);
    memset(text, '7', 1000000);
    text[1000000] = '\0';
    doc_table_add_cell(t, 0, 0, 1000, 1000, text)->column_header = true;
    for (size_t i = 0; i < ARRAY_LEN(exporters); i++) {
        struct buf b = BUF_INIT(8 * 1024 * 1024);
        exporters[i](d, NULL, &b);
        assert_true(b.len <= b.max);
        buf_done(&b);
    }
    free(text);
}

static void lists_nest(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    int list = document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
    int item = document_add(d, list, DOC_LIST_ITEM, "one");
    document_set_marker(d, item, "1.", true);
    int inner = document_add(d, document_add(d, item, DOC_GROUP_LIST, NULL), DOC_LIST_ITEM, "two");
    document_set_marker(d, inner, "\u2022", false);
    (void)document_add(d, list, DOC_LIST_ITEM, "three");
    assert_export(export_markdown, d, NULL, "1. one\n    - two\n- three");
    assert_export(export_text, d, NULL, "1. one\n    - two\n- three");
    assert_export(export_doctags, d, NULL,
                  "<doctag><ordered_list><list_item>one</"
                  "list_item>\n<list_item><unordered_list><list_item>two</list_item>\n"
                  "</unordered_list></list_item>\n<list_item>three</list_item>\n</ordered_list>\n</doctag>");
}

static void page_breaks_stand_between_pages(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    int list = DOC_BODY;
    for (int page = 1; page <= 3; page++) {
        (void)document_add_page(d, page, 100, 100);
        document_add_prov(d, document_add(d, DOC_BODY, DOC_PAGE_HEADER, "header"), page,
                          (struct doc_box){0, 0, 1, 1});
        if (page == 2)
            list = document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
        document_add_prov(d, document_add(d, page == 2 ? list : DOC_BODY, DOC_LIST_ITEM, "x"), page,
                          (struct doc_box){0, 0, 1, 1});
    }
    const struct export_options o = {.page_break = "<!-- b -->"};
    assert_export(export_markdown, d, &o, "- x\n\n<!-- b -->\n\n- x\n\n<!-- b -->\n\n- x");
    assert_export(export_markdown, d, NULL, "- x\n\n- x\n\n- x");
    assert_export(export_text, d, &o, "- x\n\n- x\n\n- x");
}

static void deep_nesting_exports(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    int at = DOC_BODY;
    for (int i = 0; i < 5000; i++)
        at = document_add(d, at,
                          i % 3 == 0   ? DOC_GROUP_LIST
                          : i % 3 == 1 ? DOC_LIST_ITEM
                                       : DOC_GROUP_INLINE,
                          i % 3 == 1 ? "x" : "");
    for (size_t i = 0; i < ARRAY_LEN(exporters); i++) {
        struct buf b = BUF_INIT(64 * 1024 * 1024);
        exporters[i](d, NULL, &b);
        assert_false(b.overflown);
        assert_non_null(strchr(buf_str(&b), 'x'));
        buf_done(&b);
    }
}

static void every_ceiling_is_kept(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("name.pdf", "application/pdf");
    (void)document_add_page(d, 1, 100, 100);
    int list = document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
    document_add_prov(d, document_add(d, list, DOC_LIST_ITEM, "item & <more>"), 1,
                      (struct doc_box){1, 2, 3, 4});
    int picture = document_add(d, DOC_BODY, DOC_PICTURE, NULL);
    document_set_picture(d, picture, (const uint8_t *)"PNG bytes", 9, 1, 1, 72);
    (void)document_add(d, picture, DOC_CAPTION, "caption");
    (void)doc_table_add_cell(add_table(d, 2, 2), 0, 0, 2, 2, "cell");
    const struct export_options o = {.images = EXPORT_IMAGES_EMBEDDED, .page_break = "--"};
    for (size_t i = 0; i < ARRAY_LEN(exporters); i++) {
        struct buf whole = BUF_INIT(1024 * 1024);
        exporters[i](d, &o, &whole);
        assert_false(whole.overflown);
        for (size_t max = 0; max < whole.len; max++) {
            struct buf b = BUF_INIT(max);
            exporters[i](d, &o, &b);
            assert_true(b.overflown);
            assert_true(b.len <= max);
            buf_done(&b);
        }
        struct buf b = BUF_INIT(whole.len);
        exporters[i](d, &o, &b);
        assert_string_equal(buf_str(&b), buf_str(&whole));
        assert_false(b.overflown);
        buf_done(&b);
        buf_done(&whole);
    }
}

static void an_empty_document_exports(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new(NULL, NULL);
    assert_export(export_markdown, d, NULL, "");
    assert_export(export_doctags, d, NULL, "<doctag>\n</doctag>");
    (void)document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
    int bold = document_add(d, DOC_BODY, DOC_TEXT, "");
    document_item(d, bold)->format.bold = true;
    assert_export(export_markdown, d, NULL, "");
}

static void pictures_are_encoded(void **state)
{
    (void)state;
    static const char *const expected[] = {"", "YQ==", "YWI=", "YWJj", "YWJj/w=="};
    for (size_t i = 1; i < ARRAY_LEN(expected); i++) {
        uint8_t bytes[] = {'a', 'b', 'c', 0xff};
        const struct doc_picture p = {.png = bytes, .png_bytes = i};
        struct buf b = BUF_INIT(4096);
        export_put_data_uri(&b, &p);
        assert_string_equal(buf_str(&b) + strlen("data:image/png;base64,"), expected[i]);
        buf_done(&b);
    }
    uint8_t many[10000] = {0};
    const struct doc_picture p = {.png = many, .png_bytes = sizeof(many)};
    struct buf b = BUF_INIT(20000);
    export_put_data_uri(&b, &p);
    assert_int_equal(b.len, strlen("data:image/png;base64,") + (sizeof(many) + 2) / 3 * 4);
    buf_done(&b);
}

static void places_stay_on_the_page(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a", "");
    (void)document_add_page(d, 1, 100, 200);
    (void)document_add_page(d, 2, 0, 200);
    struct export_rect r;
    const struct doc_page *page;
    assert_true(export_place(d, 1, (struct doc_box){-5, 10.00049f, 500, 20}, &r, &page));
    assert_true(r.left == 0 && r.top == 10.0 && r.right == 100 && r.bottom == 20);
    assert_false(export_place(d, 2, (struct doc_box){0, 0, 1, 1}, &r, &page));
    assert_false(export_place(d, 3, (struct doc_box){0, 0, 1, 1}, &r, &page));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_text_is_escaped),
        cmocka_unit_test(markdown_scans_hostile_text_once),
        cmocka_unit_test(links_cannot_break_out),
        cmocka_unit_test(code_is_fenced),
        cmocka_unit_test(markers_are_known),
        cmocka_unit_test(numbers_are_recognised_as_python_does),
        cmocka_unit_test(tables_in_markdown),
        cmocka_unit_test(tables_without_cells_write_nothing),
        cmocka_unit_test(spans_in_doctags),
        cmocka_unit_test(one_long_cell_does_not_pad_a_long_table),
        cmocka_unit_test(wide_spans_of_long_text_end),
        cmocka_unit_test(lists_nest),
        cmocka_unit_test(page_breaks_stand_between_pages),
        cmocka_unit_test(deep_nesting_exports),
        cmocka_unit_test(every_ceiling_is_kept),
        cmocka_unit_test(an_empty_document_exports),
        cmocka_unit_test(pictures_are_encoded),
        cmocka_unit_test(places_stay_on_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
