/* The document model: cleaning of strings, the tree and its depth, tables and their ceilings, pages,
 * pictures. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"
#include "worker/document/document.h"

static void assert_clean(const char *dirty, size_t len, const char *expected)
{
    char *s = doc_clean_text(dirty, len);
    assert_string_equal(s, expected);
    assert_true(utf8_valid(s, strlen(s)));
    free(s);
}

#define ASSERT_CLEAN(dirty, expected) assert_clean((dirty), sizeof(dirty) - 1, (expected))

static void strings_are_cleaned(void **state)
{
    (void)state;
    ASSERT_CLEAN("", "");
    ASSERT_CLEAN("tab\tnewline\n", "tab\tnewline\n");
    ASSERT_CLEAN("a\r\nb\rc\xc2\x85"
                 "d",
                 "a\nb\nc\nd");
    ASSERT_CLEAN("a\r", "a\n");
    ASSERT_CLEAN("a\vb\fc", "a b c");
    ASSERT_CLEAN("a\x01\x1b[0m\x7f\xc2\x9b"
                 "b\0c",
                 "a[0mbc");
    ASSERT_CLEAN("\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd");
    ASSERT_CLEAN("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    ASSERT_CLEAN("x\xef\xbf\xbe\xef\xbf\xbf\xef\xb7\x90\xf0\x9f\xbf\xbfy", "xy");
    ASSERT_CLEAN("\xf0\x9f\x98\x80 \xe2\x80\xa8", "\xf0\x9f\x98\x80 \xe2\x80\xa8");
    char bad[1000];
    memset(bad, 0xff, sizeof(bad));
    char *s = doc_clean_text(bad, sizeof(bad));
    assert_int_equal(strlen(s), 3 * sizeof(bad));
    free(s);
}

static void names_come_from_the_file_name(void **state)
{
    (void)state;
    static const struct {
        const char *filename, *name;
    } cases[] = {{"a.pdf", "a"},         {"dir/a.tar.gz", "a.tar"},
                 {".bashrc", ".bashrc"}, {"no extension", "no extension"},
                 {"a\nb.pdf", "a b"},    {NULL, ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(document_freep) struct document *d = document_new(cases[i].filename, NULL);
        assert_string_equal(d->name, cases[i].name);
        assert_string_equal(d->mimetype, "");
    }
}

static void items_keep_their_order_and_their_strings(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.pdf", "application/pdf");
    char text[] = "copied\x01";
    int list = document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
    int item = document_add(d, list, DOC_LIST_ITEM, text);
    text[0] = 'X';
    document_set_marker(d, item, "a\n)", true);
    document_set_link(d, item, " java\tscript:x ");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(document_add(d, i % 2 ? DOC_BODY : list, DOC_TEXT, "more"), 2 + i);
    struct doc_item *it = document_item(d, item);
    assert_string_equal(it->text, "copied");
    assert_string_equal(it->marker, "a )");
    assert_true(it->enumerated);
    assert_string_equal(it->hyperlink, "javascript:x");
    assert_int_equal(it->parent, list);
    assert_int_equal(d->body_count, 501);
    assert_int_equal(document_item(d, list)->child_count, 501);
    assert_int_equal(document_item(d, list)->children[0], item);
    document_set_text(d, item, NULL);
    document_set_link(d, item, "");
    document_set_orig(d, item, "orig\r");
    document_set_code_language(d, item, "C");
    assert_string_equal(it->text, "");
    assert_null(it->hyperlink);
    assert_string_equal(it->orig, "orig\n");
    assert_string_equal(it->code_language, "C");
}

static void nesting_has_a_ceiling(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.html", "text/html");
    int at = DOC_BODY;
    for (int i = 0; i < 100000; i++)
        at = document_add(d, at, i % 2 ? DOC_LIST_ITEM : DOC_GROUP_LIST, "x");
    size_t deepest = 0;
    for (size_t i = 0; i < d->item_count; i++) {
        size_t depth = 0;
        for (int k = (int)i; k != DOC_BODY; k = d->items[k].parent) {
            assert_true(d->items[k].parent < k);
            depth++;
        }
        deepest = depth > deepest ? depth : deepest;
    }
    assert_int_equal(deepest, DOC_DEPTH_MAX);
    assert_int_equal(d->item_count, 100000);
}

static void boxes_are_finite_and_sorted(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.pdf", "application/pdf");
    int item = document_add(d, DOC_BODY, DOC_TEXT, "x");
    document_add_prov(d, item, 1, (struct doc_box){30, NAN, 10, INFINITY});
    document_add_prov(d, item, -5, (struct doc_box){1, 4, 3, 2});
    const struct doc_prov *p = document_item(d, item)->prov;
    assert_true(p[0].box.left == 10 && p[0].box.right == 30 && p[0].box.top == 0 && p[0].box.bottom == 0);
    assert_true(p[1].page_no == 0 && p[1].box.top == 2 && p[1].box.bottom == 4);
}

static void tables_grow_with_their_cells(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.csv", "text/csv");
    int item = document_add(d, DOC_BODY, DOC_TABLE, NULL);
    struct doc_table *t = document_make_table(d, item, 1, 1);
    assert_string_equal(doc_table_add_cell(t, 2, 1, 1, 2, "wide\xff")->text, "wide\xef\xbf\xbd");
    assert_int_equal(doc_table_add_cell(t, 0, 0, 0, -3, NULL)->row_span, 1);
    (void)doc_table_add_cell(t, 2, 2, 1, 1, "over");
    assert_true(t->rows == 3 && t->cols == 3 && t->cell_count == 3 && !t->overflown);
    int *grid = doc_table_make_grid(t);
    static const int expected[] = {1, -1, -1, -1, -1, -1, -1, 0, 2};
    assert_memory_equal(grid, expected, sizeof(expected));
    free(grid);
    t = document_make_table(d, item, 0, 5);
    assert_null(doc_table_make_grid(t));
    assert_null(doc_table_make_grid(NULL));
}

static void tables_have_a_ceiling(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.csv", "text/csv");
    int item = document_add(d, DOC_BODY, DOC_TABLE, NULL);
    struct doc_table *t = document_make_table(d, item, INT_MAX, INT_MAX);
    assert_true((long long)t->rows * t->cols <= DOC_TABLE_CELLS_MAX);
    assert_true(t->overflown);
    t = document_make_table(d, item, 0, 0);
    /* A span beyond the ceiling is cut, the text stays. */
    struct doc_cell *c = doc_table_add_cell(t, 0, 0, INT_MAX, INT_MAX, "huge");
    assert_true(c != &t->spill && c->row_span == 1 && t->overflown && t->cell_count == 1);
    /* A cell beyond it is left out, and what is returned may be written to. */
    c = doc_table_add_cell(t, INT_MAX, INT_MAX, 1, 1, "far");
    assert_ptr_equal(c, &t->spill);
    c->column_header = true;
    assert_ptr_equal(doc_table_add_cell(t, -1, 0, 1, 1, "before"), &t->spill);
    assert_true(t->rows == 1 && t->cols == 1 && t->cell_count == 1);
}

static void covering_has_a_ceiling(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.html", "text/html");
    struct doc_table *t = document_make_table(d, document_add(d, DOC_BODY, DOC_TABLE, NULL), 1000, 1000);
    for (int i = 0; i < 20000; i++)
        (void)doc_table_add_cell(t, 0, 0, 1000, 1000, "all");
    assert_true(t->overflown);
    assert_true(t->covered <= (size_t)4 * DOC_TABLE_CELLS_MAX);
    free(doc_table_make_grid(t)); /* ends */
}

static void pages_are_found_by_number(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.pdf", "application/pdf");
    static const int numbers[] = {3, 4, 7, 1};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)document_add_page(d, numbers[i], 100 + (float)numbers[i], -1);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(document_find_page(d, numbers[i])->page_no, numbers[i]);
    assert_null(document_find_page(d, 5));
    assert_null(document_find_page(d, 0));
    assert_null(document_find_page(d, INT_MIN));
    struct doc_page *again = document_add_page(d, 4, 7, INFINITY);
    assert_int_equal(d->page_count, 4);
    assert_true(again->width_pt == 7 && again->height_pt == 0 && again->ocr_score < 0);
}

static void pictures_are_copied(void **state)
{
    (void)state;
    CLEANUP(document_freep) struct document *d = document_new("a.pdf", "application/pdf");
    uint8_t bytes[] = {1, 2, 3};
    int item = document_add(d, DOC_BODY, DOC_PICTURE, NULL);
    document_set_picture(d, item, bytes, sizeof(bytes), 4, -1, NAN);
    bytes[0] = 9;
    const struct doc_picture *p = document_item(d, item)->picture;
    assert_true(p->png[0] == 1 && p->png_bytes == 3 && p->width_px == 4 && p->height_px == 0 && p->dpi == 72);
    document_set_picture(d, item, NULL, 0, 1, 1, 300);
    assert_null(document_item(d, item)->picture->png);
    (void)document_add_page(d, 1, 10, 10);
    document_set_page_image(d, 1, bytes, sizeof(bytes), 1, 1, 72);
    document_set_page_image(d, 1, bytes, sizeof(bytes), 1, 1, 72);
    assert_int_equal(d->pages[0].image->png_bytes, 3);
    document_add_error(d, 2, ERR_LIMIT, "too \xff");
    assert_string_equal(d->errors[0].message, "too \xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_cleaned),
        cmocka_unit_test(names_come_from_the_file_name),
        cmocka_unit_test(items_keep_their_order_and_their_strings),
        cmocka_unit_test(nesting_has_a_ceiling),
        cmocka_unit_test(boxes_are_finite_and_sorted),
        cmocka_unit_test(tables_grow_with_their_cells),
        cmocka_unit_test(tables_have_a_ceiling),
        cmocka_unit_test(covering_has_a_ceiling),
        cmocka_unit_test(pages_are_found_by_number),
        cmocka_unit_test(pictures_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
