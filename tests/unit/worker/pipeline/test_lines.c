/* Lines from synthetic glyphs: gaps, doubles, superscripts, ligatures, markers, turned text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/lines.h"

struct sheet {
    struct reader_char chars[600];
    size_t count;
};

/* Each glyph is 0.5 em wide; a space in the text is a generated space, as PDFium gives it. */
static void put(struct sheet *s, float x, float base, float size, unsigned flags, const char *text)
{
    for (; *text; text++, x += size / 2) {
        struct reader_char *c = &s->chars[s->count++];
        *c = (struct reader_char){
            .codepoint = (unsigned char)*text, .origin_x = x, .origin_y = base, .size_pt = size};
        c->box = c->loose = (struct reader_box){x, base - 0.8f * size, x + size / 2, base + 0.2f * size};
        c->flags = (uint16_t)(flags | (*text == ' ' ? READER_CHAR_GENERATED : 0u));
    }
}

static struct lines read_sheet(struct sheet *s)
{
    struct lines lines = {0};
    struct reader_content c = {.chars = s->chars, .char_count = s->count};
    lines_of_content(&c, &lines);
    return lines;
}

static void test_wide_gap_splits(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "left column");
    put(&s, 100, 100, 10, 0, "right one");
    put(&s, 10, 112, 10, 0, "second line");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.items[0].text, "left column");
    assert_string_equal(l.items[1].text, "right one");
    assert_string_equal(l.items[2].text, "second line");
    assert_int_equal(l.items[0].word_count, 2);
    assert_memory_equal(l.items[0].text + l.items[0].words[1].offset, "column", 6);
    lines_done(&l);
}

static void test_runs_on_one_base_line_join(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 40, 100, 10, 0, "world"); /* out of order in the stream */
    put(&s, 10, 100, 10, READER_CHAR_BOLD, "Hello");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.items[0].text, "Hello world");
    assert_false(l.items[0].flags & LINE_BOLD);
    lines_done(&l);
}

static void test_fake_bold_is_dropped(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "Heading");
    put(&s, 10.3f, 100, 10, 0, "Heading");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.items[0].text, "Heading");
    lines_done(&l);
}

static void test_superscript_stays(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "E=mc");
    put(&s, 30, 96, 6, 0, "2");
    put(&s, 33, 100, 10, 0, ".");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.items[0].text, "E=mc2.");
    assert_true(l.items[0].size_pt > 9.9f);
    lines_done(&l);
}

static void test_ligature_and_unusable_values(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "aXc");
    s.chars[1].codepoint = 0xfb03;
    s.chars[2].flags |= READER_CHAR_UNMAPPED;
    struct lines l = read_sheet(&s);
    assert_string_equal(l.items[0].text, "affic");
    lines_done(&l);
    struct reader_content c = {.chars = s.chars, .char_count = s.count};
    struct text_layer t = text_layer_count(&c);
    assert_int_equal(t.chars, 3);
    assert_int_equal(t.unmapped, 1);
}

static void test_marker_joins_its_text(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "1.");
    put(&s, 45, 100, 10, 0, "first point");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.items[0].text, "1. first point");
    lines_done(&l);
}

static void test_turned_text_is_apart(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, 0, "upright");
    size_t first = s.count;
    put(&s, 45, 100, 10, 0, "side");
    for (size_t i = first; i < s.count; i++) { /* reading downward */
        float y = 100 + 5 * (float)(i - first);
        s.chars[i].angle_rad = 1.5708f;
        s.chars[i].origin_x = 45;
        s.chars[i].origin_y = y;
        s.chars[i].loose = (struct reader_box){43, y, 53, y + 5};
    }
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.items[0].turn, 0);
    assert_int_equal(l.items[1].turn, 1);
    assert_string_equal(l.items[1].text, "side");
    assert_true(l.items[1].box.bottom - l.items[1].box.top > 19);
    lines_done(&l);
}

static void test_invisible_layer(void **state)
{
    (void)state;
    struct sheet s = {0};
    put(&s, 10, 100, 10, READER_CHAR_INVISIBLE, "recognised before");
    struct lines l = read_sheet(&s);
    assert_int_equal(l.count, 1); /* the only layer: kept */
    lines_done(&l);
    put(&s, 10, 200, 10, 0, "a visible text that is longer than the other one");
    l = read_sheet(&s);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.items[0].text[0], 'a');
    lines_done(&l);
}

static void test_ocr_lines(void **state)
{
    (void)state;
    char text[] = "two words", blank[] = "  ";
    struct ipc_line in[2] = {{.quad = {20, 40, 200, 40, 200, 60, 20, 60}, .score = 0.9f, .text = text},
                             {.quad = {20, 80, 200, 80, 200, 99, 20, 99}, .score = 0.1f, .text = blank}};
    struct ipc_lines list = {in, 2, 2};
    struct lines l = {0};
    lines_of_ocr(&list, 0.5f, 0, &l);
    assert_int_equal(l.count, 1);
    assert_true(l.items[0].box.left == 10 && l.items[0].box.bottom == 30);
    assert_int_equal(l.items[0].word_count, 2);
    assert_true(l.items[0].words[1].box.right > 99 && l.items[0].words[1].box.left > 45);
    lines_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_gap_splits),
        cmocka_unit_test(test_runs_on_one_base_line_join),
        cmocka_unit_test(test_fake_bold_is_dropped),
        cmocka_unit_test(test_superscript_stays),
        cmocka_unit_test(test_ligature_and_unusable_values),
        cmocka_unit_test(test_marker_joins_its_text),
        cmocka_unit_test(test_turned_text_is_apart),
        cmocka_unit_test(test_invisible_layer),
        cmocka_unit_test(test_ocr_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
