/* Reading order on box drawings: each letter is a line of text over the cells that it covers; a row is 12 pt,
 * a cell 10 pt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "worker/pipeline/order.h"

static void check(const char *const *rows, bool rtl, const char *solid, const char *expected)
{
    struct order_box boxes[64] = {0};
    char names[65] = "", got[65] = "";
    size_t n = 0, order[64] = {0};
    int leaf[64] = {0};
    for (int y = 0; rows[y]; y++)
        for (int x = 0; rows[y][x]; x++) {
            char c = rows[y][x];
            if (c == ' ')
                continue;
            char *known = strchr(names, c);
            size_t i = known ? (size_t)(known - names) : n++;
            float left = 10.0f * (float)x, top = 12.0f * (float)y;
            if (!known) {
                names[i] = c;
                boxes[i] = (struct order_box){{left, top, left + 10, top + 11}, strchr(solid, c) != NULL};
            }
            boxes[i].box.right = MAX(boxes[i].box.right, left + 10);
            boxes[i].box.bottom = MAX(boxes[i].box.bottom, top + 11);
        }
    order_boxes(boxes, n, 10, rtl, order, leaf);
    for (size_t i = 0; i < n; i++) {
        got[i] = names[order[i]];
        assert_true(i == 0 || leaf[i] >= leaf[i - 1]);
    }
    assert_string_equal(got, expected);
}

static void test_one_column(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaaaaaa", "bbbbbbbbbb", "cccc", NULL}, false, "", "abc");
}

static void test_two_columns(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaaaa dddddddd", "bbbbbbbb eeeeeeee", "cccccccc ffffffff", NULL}, false,
          "", "abcdef");
}

static void test_spanning_title(void **state)
{
    (void)state;
    check((const char *const[]){"   ttttttttttt   ", "                 ", "aaaaaaaa dddddddd",
                                "bbbbbbbb eeeeeeee", "cccccccc ffffffff", NULL},
          false, "", "tabcdef");
}

static void test_three_columns(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaa cccccc eeeeee", "bbbbbb dddddd ffffff", NULL}, false, "", "abcdef");
}

static void test_columns_then_text(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaaaa cccccccc", "bbbbbbbb dddddddd", "eeeeeeeeeeeeeeeee",
                                "fffffffffffffffff", NULL},
          false, "", "abcdef");
}

static void test_table_across_columns(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaaaa cccccccc", "bbbbbbbb dddddddd", "                 ",
                                "TTTTTTTTTTTTTTTTT", "TTTTTTTTTTTTTTTTT", "                 ",
                                "eeeeeeee gggggggg", "ffffffff hhhhhhhh", NULL},
          false, "T", "abcdTefgh");
}

static void test_sidebar(void **state)
{
    (void)state;
    check((const char *const[]){"ssssss aaaaaaaaaaaa", "uuuuuu bbbbbbbbbbbb", "       cccccccccccc",
                                "       dddddddddddd", NULL},
          false, "", "suabcd");
}

static void test_picture_beside_text(void **state)
{
    (void)state;
    check((const char *const[]){"PPPPPPPP aaaaaaaa", "PPPPPPPP bbbbbbbb", "PPPPPPPP cccccccc", NULL}, false,
          "P", "Pabc");
}

static void test_right_to_left_columns(void **state)
{
    (void)state;
    check((const char *const[]){"cccccccc aaaaaaaa", "dddddddd bbbbbbbb", NULL}, true, "", "abcd");
}

static void test_words_of_a_row_are_no_columns(void **state)
{
    (void)state;
    check((const char *const[]){"aaaaaaaa bbb", "cccccccccccc", "dddd eeeeeee", NULL}, false, "", "abcde");
}

static void test_many_boxes_are_all_placed(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct order_box *boxes = calloc(N, sizeof(*boxes));
    size_t *order = calloc(N, sizeof(*order));
    int *leaf = calloc(N, sizeof(*leaf));
    bool *seen = calloc(N, sizeof(*seen));
    assert_true(boxes && order && leaf && seen);
    for (int i = 0; i < N; i++) {
        float x = (float)(i * 7919 % 600), y = (float)(i * 104729 % 800);
        boxes[i].box = (struct doc_box){x, y, x + (float)(i % 90), y + 11};
    }
    order_boxes(boxes, N, 10, false, order, leaf);
    for (int i = 0; i < N; i++) {
        assert_in_range(order[i], 0, N - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
    free(boxes);
    free(order);
    free(leaf);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_column),
        cmocka_unit_test(test_two_columns),
        cmocka_unit_test(test_spanning_title),
        cmocka_unit_test(test_three_columns),
        cmocka_unit_test(test_columns_then_text),
        cmocka_unit_test(test_table_across_columns),
        cmocka_unit_test(test_sidebar),
        cmocka_unit_test(test_picture_beside_text),
        cmocka_unit_test(test_right_to_left_columns),
        cmocka_unit_test(test_words_of_a_row_are_no_columns),
        cmocka_unit_test(test_many_boxes_are_all_placed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
