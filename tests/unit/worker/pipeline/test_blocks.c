/* Recognised lines of a page → blocks, and what the layout model and the width of the print add to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/blocks.h"
#include "worker/pipeline/classify.h"
#include "worker/pipeline/setwidth.h"

#define LEFT 60.0f
#define BODY_PT 10.0f
#define LEAD 13.0f

static const struct page_size sizes[] = {{1, 600, 800}};

struct sheet {
    struct page page;
    float y;
};

/* Puts a recognised line whose print is em points large (its box is as wide as that print would be). */
static struct line *put(struct sheet *s, const char *text, float em, float gap)
{
    s->y += gap;
    struct line *l = lines_push(&s->page.lines);
    l->text = xstrdup(text);
    float width = setwidth_of(text) > 0 ? setwidth_of(text) * em : (float)strlen(text) * 0.5f * em;
    l->box = (struct doc_box){LEFT, s->y, LEFT + width, s->y + BODY_PT * 1.2f};
    l->baseline_pt = l->box.bottom - 2;
    l->size_pt = BODY_PT; /* heights that say nothing */
    l->flags = LINE_OCR;
    l->score = 1;
    line_split_words(l);
    s->y += LEAD;
    return l;
}

static void put_prose(struct sheet *s, float gap)
{
    put(s, "Every program that reads documents has to open files from strangers and", BODY_PT, gap);
    put(s, "a file may be damaged, far too large, or made to do some harm to others", BODY_PT, 0);
    put(s, "who wait in the same queue for their own documents to be read to the end.", BODY_PT, 0);
}

static void put_region(struct sheet *s, enum ipc_region_label label, float score, struct doc_box box)
{
    struct region *r = VEC_PUSH(s->page.regions.items, s->page.regions.count, s->page.regions.cap);
    *r = (struct region){label, score, box};
}

static struct sheet new_sheet(void)
{
    struct sheet s = {.y = 100};
    page_init(&s.page, 1, 600, 800);
    s.page.is_scan = true;
    return s;
}

static struct blocks classified(struct sheet *s)
{
    struct blocks bs = {0};
    blocks_of_page(&s->page, &bs);
    classify_blocks(&bs, sizes, 1);
    page_done(&s->page);
    return bs;
}

static const struct block *find(const struct blocks *bs, const char *start)
{
    for (size_t i = 0; i < bs->count; i++)
        if (strncmp(bs->items[i].text, start, strlen(start)) == 0)
            return &bs->items[i];
    fail_msg("no block begins with \"%s\"", start);
    return NULL;
}

/* The heading stands as near to its paragraph as that one's lines to each other. */
static void test_title_region_parts_heading(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put_prose(&s, 0);
    put(&s, "A heading as long as the column, so that nothing would have fitted behind it", BODY_PT, 8);
    put_region(&s, IPC_REGION_TITLE, 0.9f, s.page.lines.items[3].box);
    put_prose(&s, 0);
    struct blocks bs = classified(&s);
    assert_int_equal(bs.count, 3);
    assert_int_equal(bs.items[1].kind, BLOCK_HEADING);
    assert_int_equal(bs.items[1].line_count, 1);
    assert_int_equal(bs.items[2].kind, BLOCK_TEXT);
    blocks_done(&bs);
}

/* The model calls the same place text, and more firmly: the line is parted but needs other evidence. */
static void test_doubtful_title_is_text(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put_prose(&s, 0);
    put(&s, "Some more words of the same print that go up to the right edge of the column", BODY_PT, 8);
    put_region(&s, IPC_REGION_TITLE, 0.5f, s.page.lines.items[3].box);
    put_region(&s, IPC_REGION_TEXT, 0.9f, s.page.lines.items[3].box);
    put_prose(&s, 0);
    struct blocks bs = classified(&s);
    assert_int_equal(find(&bs, "Some more")->kind, BLOCK_TEXT);
    blocks_done(&bs);
}

static void test_bold_numbered_heading(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put_prose(&s, 0);
    put(&s, "1. Why a service is needed", BODY_PT * 1.25f, 8);
    put_prose(&s, 3);
    put_prose(&s, 8);
    struct blocks bs = classified(&s);
    const struct block *h = find(&bs, "1. Why");
    assert_int_equal(h->kind, BLOCK_HEADING);
    assert_string_equal(h->text, "1. Why a service is needed");
    assert_true(h->breadth > 1.2f && h->breadth < 1.3f);
    blocks_done(&bs);
}

/* No weight, no size, no region: the sequence is what tells. */
static void test_plain_numbered_headings(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put(&s, "1. Repairs", BODY_PT, 8);
    put_prose(&s, 0);
    put(&s, "2. The bell", BODY_PT, 8);
    put_prose(&s, 0);
    struct blocks bs = classified(&s);
    assert_int_equal(find(&bs, "1. Repairs")->kind, BLOCK_HEADING);
    assert_int_equal(find(&bs, "2. The bell")->kind, BLOCK_HEADING);
    assert_int_equal(find(&bs, "Every program")->kind, BLOCK_TEXT);
    blocks_done(&bs);
}

/* Numbered items that are prose, or that follow each other, stay items; a hanging line stays with its item.
 */
static void test_numbered_items_stay(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put_prose(&s, 0);
    put(&s, "1. Write down every limit there is, and then test what happens beyond", BODY_PT, 8);
    struct line *l = put(&s, "it on the same day.", BODY_PT, 0);
    l->box.left += 14;
    l->box.right += 14;
    put(&s, "2. Say which page failed", BODY_PT, 2);
    put(&s, "3. Show progress", BODY_PT, 2);
    put_prose(&s, 8);
    struct blocks bs = classified(&s);
    size_t items = 0;
    for (size_t i = 0; i < bs.count; i++) {
        items += bs.items[i].kind == BLOCK_LIST_ITEM;
        assert_int_not_equal(bs.items[i].kind, BLOCK_HEADING);
    }
    assert_int_equal(items, 3);
    assert_int_equal(find(&bs, "Write down")->line_count, 2);
    blocks_done(&bs);
}

/* A wide gap behind the end of a sentence parts paragraphs even when their last lines are full. */
static void test_gap_parts_paragraphs(void **state)
{
    (void)state;
    struct sheet s = new_sheet();
    put_prose(&s, 0);
    put_prose(&s, 0.35f * LEAD);
    struct blocks bs = classified(&s);
    assert_int_equal(bs.count, 2);
    blocks_done(&bs);
}

static void test_setwidth(void **state)
{
    (void)state;
    assert_true(setwidth_of("short") == 0); /* five letters tell too little */
    float narrow = setwidth_of("illicit"), wide = setwidth_of("MAMMOTH");
    assert_true(narrow > 0 && wide > 2 * narrow);
    assert_true(setwidth_of("日本語の文書") > 5.9f);
    assert_true(setwidth_of("\xff\xfe broken bytes") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_title_region_parts_heading),
        cmocka_unit_test(test_doubtful_title_is_text),
        cmocka_unit_test(test_bold_numbered_heading),
        cmocka_unit_test(test_plain_numbered_headings),
        cmocka_unit_test(test_numbered_items_stay),
        cmocka_unit_test(test_gap_parts_paragraphs),
        cmocka_unit_test(test_setwidth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
