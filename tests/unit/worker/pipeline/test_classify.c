/* Labels on synthetic blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/classify.h"

#define PROSE                                                                                                \
    "This is a paragraph of the body that is long enough to set the ordinary size of the text, and it goes " \
    "on for a while so that "                                                                                \
    "statistics have something to count."

static const struct page_size pages[] = {{1, 600, 800}, {2, 600, 800}, {3, 600, 800}};

static struct block *put(struct blocks *bs, int page, float y, float size, unsigned flags, const char *text)
{
    struct block *b = blocks_push(bs);
    b->page_no = page;
    b->box = (struct doc_box){50, y, 550, y + size * 1.2f};
    b->size_pt = size;
    b->flags = flags;
    b->text = xstrdup(text);
    b->line_count = strlen(text) > 90 ? 4 : 1;
    b->gap_above_pt = b->gap_below_pt = size;
    return b;
}

static void test_headings(void **state)
{
    (void)state;
    struct blocks bs = {0};
    put(&bs, 1, 100, 24, LINE_BOLD, "The Title");
    put(&bs, 1, 150, 10, 0, PROSE);
    put(&bs, 1, 250, 14, 0, "A larger heading");
    put(&bs, 1, 280, 10, 0, PROSE);
    put(&bs, 1, 350, 10, LINE_BOLD, "2.1 Bold and numbered");
    put(&bs, 1, 380, 10, LINE_BOLD, "Bold but a sentence that ends.");
    put(&bs, 1, 450, 10, 0, "Short plain line");
    classify_blocks(&bs, pages, 3);
    assert_int_equal(bs.items[0].kind, BLOCK_TITLE);
    assert_int_equal(bs.items[1].kind, BLOCK_TEXT);
    assert_int_equal(bs.items[2].kind, BLOCK_HEADING);
    assert_int_equal(bs.items[4].kind, BLOCK_HEADING);
    assert_int_equal(bs.items[4].level, 2);
    assert_int_equal(bs.items[5].kind, BLOCK_TEXT);
    assert_int_equal(bs.items[6].kind, BLOCK_TEXT);
    blocks_done(&bs);
}

static enum block_kind kind_of_scanned(float size, float breadth, float gap_above)
{
    struct blocks bs = {0};
    put(&bs, 1, 100, 10, LINE_OCR, PROSE)->breadth = 1.0f;
    struct block *b = put(&bs, 1, 300, size, LINE_OCR, "Ashby by the Sea");
    b->breadth = breadth;
    b->gap_above_pt = gap_above;
    put(&bs, 1, 350, 10, LINE_OCR, PROSE)->breadth = 1.0f;
    classify_blocks(&bs, pages, 3);
    enum block_kind kind = bs.items[1].kind;
    blocks_done(&bs);
    return kind;
}

/* The height of a recognised line scatters: it is believed when the width of the print agrees. */
static void test_headings_of_scans(void **state)
{
    (void)state;
    assert_int_equal(kind_of_scanned(13, 1.3f, 10), BLOCK_HEADING);
    assert_int_equal(kind_of_scanned(13, 1.0f, 10), BLOCK_TEXT);
    assert_int_equal(kind_of_scanned(16, 1.0f, 10), BLOCK_HEADING);
    assert_int_equal(kind_of_scanned(13, 0, 10), BLOCK_HEADING); /* width unknown: the gap decides */
    assert_int_equal(kind_of_scanned(13, 0, 1), BLOCK_TEXT);
}

static void test_lists(void **state)
{
    (void)state;
    struct blocks bs = {0};
    put(&bs, 1, 100, 10, 0, PROSE);
    put(&bs, 1, 150, 10, 0, "• first");
    put(&bs, 1, 165, 10, 0, "– nested")->box.left = 80;
    put(&bs, 1, 180, 10, 0, "• second");
    put(&bs, 1, 195, 10, 0, PROSE);
    put(&bs, 1, 250, 10, 0, "1. one");
    put(&bs, 1, 265, 10, 0, "2. two");
    put(&bs, 1, 300, 10, 0, "77. is a number and not an item");
    classify_blocks(&bs, pages, 3);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(bs.items[i].kind, BLOCK_LIST_ITEM);
    assert_string_equal(bs.items[1].text, "first");
    assert_int_equal(bs.items[1].level, 1);
    assert_int_equal(bs.items[2].level, 2);
    assert_int_equal(bs.items[3].level, 1);
    assert_true(bs.items[6].enumerated);
    assert_string_equal(bs.items[6].marker, "2.");
    assert_int_equal(bs.items[7].kind, BLOCK_TEXT);
    blocks_done(&bs);
}

static void test_furniture(void **state)
{
    (void)state;
    struct blocks bs = {0};
    for (int p = 1; p <= 3; p++) {
        char footer[16] = "Seite 0";
        footer[6] = (char)('0' + p);
        put(&bs, p, 20, 9, 0, "Annual report");
        put(&bs, p, 300, 10, 0, PROSE);
        put(&bs, p, 770, 9, 0, footer);
    }
    put(&bs, 3, 30, 10, 0, "Only here");
    classify_blocks(&bs, pages, 3);
    for (size_t p = 0; p < 3; p++) {
        assert_int_equal(bs.items[3 * p].kind, BLOCK_PAGE_HEADER);
        assert_int_equal(bs.items[3 * p + 1].kind, BLOCK_TEXT);
        assert_int_equal(bs.items[3 * p + 2].kind, BLOCK_PAGE_FOOTER);
    }
    assert_int_equal(bs.items[9].kind, BLOCK_TEXT);
    blocks_done(&bs);
}

static void test_captions(void **state)
{
    (void)state;
    struct blocks bs = {0};
    put(&bs, 1, 100, 10, 0, PROSE);
    put(&bs, 1, 190, 10, 0, "Table 1: Numbers");
    struct block *t = put(&bs, 1, 210, 10, 0, "");
    t->kind = BLOCK_TABLE;
    t->box.bottom = 300;
    put(&bs, 1, 310, 10, 0, "Figure 9: far from any picture");
    classify_blocks(&bs, pages, 3);
    assert_int_equal(bs.items[1].kind, BLOCK_CAPTION);
    assert_int_equal(bs.items[1].caption_of, 2);
    assert_int_equal(bs.items[3].caption_of, -1);
    blocks_done(&bs);
}

static void test_paragraph_goes_on(void **state)
{
    (void)state;
    struct blocks bs = {0};
    put(&bs, 1, 100, 10, 0, "A sentence that stops in the middle of its thought because the co-");
    put(&bs, 1, 780, 8, 0, "1");
    put(&bs, 2, 50, 10, 0, "lumn ends here and goes on there.");
    put(&bs, 2, 100, 10, 0, "Another one.");
    classify_blocks(&bs, pages, 3);
    assert_true(bs.items[2].dropped);
    assert_string_equal(
        bs.items[0].text,
        "A sentence that stops in the middle of its thought because the column ends here and goes on there.");
    assert_int_equal(bs.items[0].next_page_no, 2);
    assert_false(bs.items[3].dropped);
    blocks_done(&bs);
}

static void test_nothing(void **state)
{
    (void)state;
    struct blocks bs = {0};
    classify_blocks(&bs, pages, 0);
    assert_int_equal(bs.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headings),          cmocka_unit_test(test_lists),
        cmocka_unit_test(test_furniture),         cmocka_unit_test(test_captions),
        cmocka_unit_test(test_headings_of_scans), cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_paragraph_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
