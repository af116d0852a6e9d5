/* Tables on synthetic lines and rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/tables.h"

static struct line *put(struct page *p, float x, float y, const char *text)
{
    struct line *l = lines_push(&p->lines);
    l->text = xstrdup(text);
    l->size_pt = 10;
    l->baseline_pt = y + 8;
    l->box = (struct doc_box){x, y, x + 5 * (float)strlen(text), y + 10};
    l->score = 1;
    line_split_words(l);
    return l;
}

static void rule(struct page *p, float x0, float y0, float x1, float y1)
{
    p->rules = xreallocarray(p->rules, p->rule_count + 1, sizeof(*p->rules));
    p->rules[p->rule_count++] = (struct reader_segment){x0, y0, x1, y1, 0.5f};
}

static const char *text_at(const struct grid *g, int row, int col)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct grid_cell *c = &g->cells[i];
        if (row >= c->row && row < c->row + c->row_span && col >= c->col && col < c->col + c->col_span)
            return c->text;
    }
    return "(none)";
}

static void test_lattice_with_span(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    for (int r = 0; r <= 3; r++)
        rule(&p, 100, 100 + 20 * (float)r, 400, 100 + 20 * (float)r);
    rule(&p, 100, 100, 100, 160);
    rule(&p, 400, 100, 400, 160);
    rule(&p, 200, 100, 200, 160);
    rule(&p, 300, 120, 300, 160); /* missing in the first row: a span */
    put(&p, 105, 105, "Name");
    put(&p, 230, 105, "Both");
    put(&p, 105, 125, "a");
    put(&p, 205, 125, "1");
    put(&p, 305, 125, "2");
    put(&p, 105, 145, "b");
    put(&p, 205, 145, "3");
    put(&p, 10, 300, "outside");
    tables_of_rules(&p);
    assert_int_equal(p.tables.count, 1);
    const struct grid *g = &p.tables.items[0];
    assert_int_equal(g->rows, 3);
    assert_int_equal(g->cols, 3);
    assert_string_equal(text_at(g, 0, 1), "Both");
    assert_string_equal(text_at(g, 0, 2), "Both");
    assert_string_equal(text_at(g, 1, 2), "2");
    assert_string_equal(text_at(g, 2, 2), "");
    assert_true(g->cells[0].header);
    assert_true(p.lines.items[0].taken);
    assert_false(p.lines.items[7].taken);
    page_done(&p);
}

static void test_one_line_over_two_cells_is_cut(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    for (int r = 0; r <= 2; r++)
        rule(&p, 100, 100 + 20 * (float)r, 160, 100 + 20 * (float)r);
    for (int c = 0; c <= 2; c++)
        rule(&p, 100 + 30 * (float)c, 100, 100 + 30 * (float)c, 140);
    put(&p, 113, 105, "ab cd"); /* the second word has its middle behind x = 130 */
    put(&p, 105, 125, "x");
    put(&p, 135, 125, "y");
    tables_of_rules(&p);
    assert_int_equal(p.tables.count, 1);
    assert_string_equal(text_at(&p.tables.items[0], 0, 0), "ab");
    assert_string_equal(text_at(&p.tables.items[0], 0, 1), "cd");
    page_done(&p);
}

static void test_frame_is_no_table(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    rule(&p, 100, 100, 400, 100);
    rule(&p, 100, 200, 400, 200);
    rule(&p, 100, 100, 100, 200);
    rule(&p, 400, 100, 400, 200);
    put(&p, 110, 120, "boxed text");
    put(&p, 110, 140, "of two lines");
    tables_of_rules(&p);
    tables_of_columns(&p);
    assert_int_equal(p.tables.count, 0);
    assert_false(p.lines.items[0].taken);
    page_done(&p);
}

static void test_book_table(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    rule(&p, 100, 100, 400, 100);
    rule(&p, 100, 130, 400, 130);
    rule(&p, 100, 200, 400, 200);
    put(&p, 100, 103, "Year");
    put(&p, 200, 103, "Net");
    put(&p, 200, 115, "income");
    put(&p, 300, 115, "Share");
    for (int r = 0; r < 4; r++) {
        float y = 134 + 15 * (float)r;
        put(&p, 100, y, "2001");
        put(&p, 200, y, "12.5");
        put(&p, 300, y, "7 %");
    }
    tables_of_columns(&p);
    assert_int_equal(p.tables.count, 1);
    const struct grid *g = &p.tables.items[0];
    assert_int_equal(g->cols, 3);
    assert_int_equal(g->rows, 5);
    assert_string_equal(text_at(g, 0, 1), "Net income");
    assert_string_equal(text_at(g, 4, 2), "7 %");
    page_done(&p);
}

static void test_prose_columns_are_no_table(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    for (int r = 0; r < 12; r++)
        for (int c = 0; c < 3; c++)
            put(&p, 20 + 190 * (float)c, 100 + 12 * (float)r, "text of a narrow news column here");
    tables_of_columns(&p);
    assert_int_equal(p.tables.count, 0);
    page_done(&p);
}

static void test_model_grid(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    put(&p, 100, 100, "Head");
    put(&p, 200, 100, "Other");
    put(&p, 100, 120, "left");
    put(&p, 200, 121, "right");
    struct ipc_cell cells[4] = {{0, 0, 1, 1, true, {200, 200, 250, 220}},
                                {0, 1, 1, 1, true, {400, 200, 450, 220}},
                                {1, 0, 1, 1, false, {200, 240, 250, 260}},
                                {1, 1, 1, 1, false, {400, 240, 450, 260}}};
    struct ipc_grid in = {.rows = 2, .cols = 2, .score = 0.7f, .items = cells, .count = 4};
    assert_true(table_of_model(&p, &in, 0.5f, (struct doc_box){90, 90, 260, 140}));
    assert_int_equal(p.tables.count, 1);
    assert_string_equal(text_at(&p.tables.items[0], 1, 1), "right");
    in.cols = 1;
    assert_false(table_of_model(&p, &in, 0.5f, (struct doc_box){90, 90, 260, 140}));
    page_done(&p);
}

static void test_many_rules(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 1, 600, 800);
    for (int i = 0; i < 1500; i++) { /* a drawing with hatching */
        rule(&p, 0, (float)i / 2, 600, (float)i / 2);
        rule(&p, (float)i / 3, 0, (float)i / 3, 800);
    }
    put(&p, 100, 100, "label");
    tables_of_rules(&p);
    assert_int_equal(p.tables.count, 0);
    page_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lattice_with_span),
        cmocka_unit_test(test_one_line_over_two_cells_is_cut),
        cmocka_unit_test(test_frame_is_no_table),
        cmocka_unit_test(test_book_table),
        cmocka_unit_test(test_prose_columns_are_no_table),
        cmocka_unit_test(test_model_grid),
        cmocka_unit_test(test_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
