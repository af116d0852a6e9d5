/*
 * Labels by the rules that a reader's eye follows: what is larger or bolder than the body and stands alone is
 * a heading, what starts with a marker is a list item, what stands beside a table and says "Table 2" is its
 * caption. Layout-model hints only ever add evidence.
 */
#include "worker/pipeline/classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/text.h"

#define SIZE_BUCKETS 400 /* quarter points */
#define HEADING_MAX_CHARS 180
#define LEVELS_MAX 6

struct statistics {
    float body_size;
    bool body_bold;
    float body_lead_gap; /* usual gap between blocks */
};

static int bucket_of(float size)
{
    int b = (int)lroundf(size * 4);
    return b < 0 ? 0 : MIN(b, SIZE_BUCKETS - 1);
}

static struct statistics measure(const struct blocks *bs)
{
    size_t *chars = xnew_array(size_t, SIZE_BUCKETS), total = 0, bold = 0;
    for (size_t i = 0; i < bs->count; i++) {
        const struct block *b = &bs->items[i];
        if (b->kind != BLOCK_TEXT)
            continue;
        size_t n = strlen(b->text);
        chars[bucket_of(b->size_pt)] += n;
        total += n;
        bold += b->flags & LINE_BOLD ? n : 0;
    }
    /* The mode of the sizes; neighbours count too, for sizes of recognised lines scatter. */
    size_t best = 0, best_n = 0;
    for (size_t i = 1; i + 1 < SIZE_BUCKETS; i++) {
        size_t n = chars[i - 1] + 2 * chars[i] + chars[i + 1];
        if (n > best_n) {
            best_n = n;
            best = i;
        }
    }
    free(chars);
    return (struct statistics){.body_size = best > 0 ? (float)best / 4 : 10.0f,
                               .body_bold = bold * 2 > total};
}

static bool has_letters(const char *s)
{
    size_t letters = 0;
    for (size_t n; *s; s += n) {
        uint32_t c = 0;
        n = utf8_decode(s, strlen(s), &c);
        n = MAX(n, 1u);
        letters += text_is_letter(c);
    }
    return letters >= 2;
}

static bool all_caps(const char *s)
{
    size_t upper = 0, lower = 0;
    for (size_t n; *s; s += n) {
        uint32_t c = 0;
        n = utf8_decode(s, strlen(s), &c);
        n = MAX(n, 1u);
        upper += text_is_upper(c);
        lower += text_is_lower(c);
    }
    return upper >= 4 && lower == 0;
}

static bool ends_like_prose(const char *s)
{
    uint32_t c = text_last(s);
    return c == '.' || c == ',' || c == ';' || c == '-' || c == 0x3002 || c == 0xff0c;
}

static bool ends_early(const struct block *b)
{
    return b->right_slack_pt > 0.15f * (b->column_right_pt - b->column_left_pt);
}

static bool is_heading(const struct block *b, const struct statistics *st)
{
    size_t len = strlen(b->text);
    if (b->kind != BLOCK_TEXT || b->turned || b->line_count > 3 ||
        utf8_count(b->text, len) > HEADING_MAX_CHARS || !has_letters(b->text) ||
        (b->flags & LINE_IN_PICTURE) || text_caption_kind(b->text) != 0)
        return false;
    bool ocr = (b->flags & LINE_OCR) != 0, enumerated;
    int value;
    bool bullet = text_marker(b->text, &enumerated, &value) > 0 && !enumerated;
    if (bullet || text_is_lower(text_first(b->text)))
        return false;
    float ratio = b->size_pt / st->body_size;
    bool prose_end = ends_like_prose(b->text);
    if (prose_end && (ratio < 1.3f || b->line_count > 1))
        return false;
    int number = text_heading_number(b->text);
    bool isolated = b->gap_above_pt > 0.35f * b->size_pt && b->line_count <= 2;
    if (ocr) {
        /* Where the width of the print is known, it tells more than the height of its boxes. */
        bool wide = b->breadth > 1.13f, supported = b->breadth > 0 ? b->breadth > 1.05f : isolated;
        if (b->hint == IPC_REGION_TITLE && (ratio > 0.85f || wide) && b->line_count <= 2)
            return true;
        if (ratio > (supported ? 1.22f : 1.5f))
            return true;
        /* Belongs to what follows: much nearer to it than to what is before. */
        if (b->line_count == 1 && ratio > 1.05f && b->gap_above_pt < 1000 &&
            b->gap_below_pt > 0.3f * b->size_pt && b->gap_above_pt > 1.8f * b->gap_below_pt &&
            text_last(b->text) != ':')
            return true;
        /* Wider than its letters say: bold, or larger. Headings do not fill their column. */
        if (wide && ratio > 0.8f && isolated && text_last(b->text) != ':' &&
            (number > 0 || (b->gap_below_pt > 0.2f * b->size_pt && ends_early(b))))
            return true;
        return number > 0 && ratio > 1.08f && isolated;
    }
    if (ratio > 1.14f)
        return true;
    bool strong = (b->flags & LINE_BOLD) && !st->body_bold;
    if (strong && ratio > 0.93f && (isolated || number > 0))
        return text_last(b->text) != ':' || number > 0 || ratio > 1.05f;
    if (number > 0 && isolated && ratio > 1.04f)
        return true;
    return all_caps(b->text) && isolated && ratio > 0.97f && b->gap_below_pt > 0.2f * b->size_pt && len > 5 &&
           len < 80;
}

/* A short line with a number before it, and prose below it. */
static bool may_be_numbered_heading(const struct blocks *bs, size_t i)
{
    const struct block *b = &bs->items[i], *next = i + 1 < bs->count ? &bs->items[i + 1] : NULL;
    if (b->kind == BLOCK_HEADING)
        return text_heading_number(b->text) > 0;
    return next && b->kind == BLOCK_TEXT && (b->flags & LINE_OCR) && !(b->flags & LINE_IN_PICTURE) &&
           !b->turned && b->line_count == 1 && text_heading_number(b->text) > 0 && ends_early(b) &&
           b->gap_above_pt > 0.35f * b->size_pt && !ends_like_prose(b->text) && text_last(b->text) != ':' &&
           text_caption_kind(b->text) == 0 && has_letters(b->text) && next->kind == BLOCK_TEXT &&
           next->column == b->column && next->line_count >= 2 && text_heading_number(next->text) == 0;
}

/* Plain numbered headings of a scan look like list items; what tells them is that they go on from one to the
 * next (1, 2, …) with prose between. */
static void find_numbered_headings(struct blocks *bs)
{
    struct block *before = NULL;
    long value_before = 0;
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        char *end;
        long value = strtol(b->text, &end, 10);
        if (end == b->text || !may_be_numbered_heading(bs, i) || text_heading_number(b->text) != 1)
            continue;
        if (before && value == value_before + 1) {
            before->kind = BLOCK_HEADING;
            b->kind = BLOCK_HEADING;
        }
        before = b;
        value_before = value;
    }
}

/* Levels from the sizes that headings have, largest first; numbering wins where there is one. */
static void set_levels(struct blocks *bs)
{
    float sizes[LEVELS_MAX];
    size_t n = 0;
    for (;;) {
        float next = 0;
        for (size_t i = 0; i < bs->count; i++) {
            const struct block *b = &bs->items[i];
            float step = b->flags & LINE_OCR ? 0.7f : 0.93f; /* sizes of recognised lines scatter */
            if (b->kind == BLOCK_HEADING && b->size_pt > next && (n == 0 || b->size_pt < sizes[n - 1] * step))
                next = b->size_pt;
        }
        if (next <= 0 || n == LEVELS_MAX)
            break;
        sizes[n++] = next;
    }
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->kind != BLOCK_HEADING)
            continue;
        int level = 1;
        for (size_t k = 1; k < n; k++)
            if (b->size_pt <= sizes[k] * 1.001f)
                level = (int)k + 1;
        int number = text_heading_number(b->text);
        b->level = number > 0 ? MIN(number, LEVELS_MAX) : level;
    }
}

/* On a scan weight cannot be seen: one short line that opens the document, apart from the paragraph below it,
 * is its heading. */
static void find_opening(struct blocks *bs)
{
    size_t i = 0;
    while (i < bs->count &&
           (bs->items[i].kind == BLOCK_PAGE_HEADER || bs->items[i].kind == BLOCK_PAGE_FOOTER))
        i++;
    if (i + 1 >= bs->count)
        return;
    struct block *b = &bs->items[i];
    const struct block *next = &bs->items[i + 1];
    float width = b->column_right_pt - b->column_left_pt;
    if (b->kind == BLOCK_TEXT && !b->turned && (b->flags & LINE_OCR) && b->line_count == 1 &&
        next->kind == BLOCK_TEXT && next->line_count >= 2 && b->column == next->column &&
        b->gap_below_pt > 0.8f * b->size_pt && box_width(b->box) < 0.8f * width && strlen(b->text) > 3 &&
        !ends_like_prose(b->text) && text_last(b->text) != ':' && has_letters(b->text))
        b->kind = BLOCK_HEADING;
}

/* How large a heading looks. On a scan its width tells more than its height. */
static float apparent_size(const struct block *b)
{
    return b->flags & LINE_OCR && b->breadth > 0 ? b->size_pt * sqrtf(b->breadth) : b->size_pt;
}

/* A first heading that is clearly larger than every other one is the title. */
static void find_title(struct blocks *bs)
{
    struct block *first = NULL;
    float other = 0;
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->kind != BLOCK_HEADING)
            continue;
        if (!first)
            first = b;
        else
            other = MAX(other, apparent_size(b));
    }
    if (first && first->page_no == bs->items[0].page_no && other > 0 && apparent_size(first) > 1.12f * other)
        first->kind = BLOCK_TITLE;
}

static void find_list_items(struct blocks *bs)
{
    int last_value = 0;
    size_t since = 100;
    for (size_t i = 0; i < bs->count; i++, since++) {
        struct block *b = &bs->items[i];
        bool enumerated = false;
        int value = 0;
        size_t n = b->kind == BLOCK_TEXT && !b->turned && !(b->flags & LINE_IN_PICTURE)
                       ? text_marker(b->text, &enumerated, &value)
                       : 0;
        if (n == 0 || b->text[n] == '\0')
            continue;
        if (enumerated && value != 1 && (value != last_value + 1 || since > 30)) {
            /* The first of several in sequence may have any number (a list that began elsewhere). */
            bool goes_on = false;
            for (size_t k = i + 1; k < bs->count && k < i + 4; k++) {
                bool e2 = false;
                int v2 = 0;
                goes_on |= text_marker(bs->items[k].text, &e2, &v2) > 0 && e2 && v2 == value + 1;
            }
            if (!goes_on)
                continue;
        }
        if (enumerated) {
            last_value = value;
            since = 0;
        }
        b->kind = BLOCK_LIST_ITEM;
        b->enumerated = enumerated;
        if (enumerated) {
            size_t m = n;
            while (m > 0 && b->text[m - 1] == ' ')
                m--;
            b->marker = xstrndup(b->text, m);
        } else {
            b->marker = xstrdup("-");
        }
        memmove(b->text, b->text + n, strlen(b->text + n) + 1);
    }
}

/* Nesting by the left edge, within a run of list items. */
static void nest_list_items(struct blocks *bs)
{
    float lefts[8];
    int depth = 0;
    const struct block *prev = NULL;
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->kind != BLOCK_LIST_ITEM) {
            if (b->kind != BLOCK_PAGE_HEADER && b->kind != BLOCK_PAGE_FOOTER)
                depth = 0;
            continue;
        }
        if (prev && (prev->column != b->column || prev->page_no != b->page_no))
            depth = MIN(depth, 1);
        float left = b->box.left, em = MAX(b->size_pt, 4.0f);
        if (depth == 1 && prev && (prev->column != b->column || prev->page_no != b->page_no))
            lefts[0] = left;
        while (depth > 1 && left < lefts[depth - 1] - 0.6f * em)
            depth--;
        if (depth == 0 || (left > lefts[depth - 1] + 0.8f * em && depth < 8))
            lefts[depth++] = left;
        else if (depth == 1)
            lefts[0] = MIN(lefts[0], left);
        b->level = depth;
        prev = b;
    }
}

static float distance_y(struct doc_box a, struct doc_box b)
{
    return MAX(MAX(b.top - a.bottom, a.top - b.bottom), 0.0f);
}

static void find_captions(struct blocks *bs)
{
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        char kind = b->kind == BLOCK_TEXT || b->kind == BLOCK_HEADING ? text_caption_kind(b->text) : 0;
        bool hinted = b->hint == IPC_REGION_FIGURE_CAPTION || b->hint == IPC_REGION_TABLE_CAPTION;
        if (kind == 0 && !(hinted && b->kind == BLOCK_TEXT))
            continue;
        float best = 60;
        for (size_t k = 0; k < bs->count; k++) {
            const struct block *t = &bs->items[k];
            bool fits = (t->kind == BLOCK_TABLE && kind != 'f' && kind != 'c') ||
                        (t->kind == BLOCK_PICTURE && kind != 't' && kind != 'c') ||
                        (t->kind == BLOCK_CODE && kind == 'c');
            if (!fits || t->page_no != b->page_no || box_overlap_x(t->box, b->box) <= 0)
                continue;
            float d = distance_y(t->box, b->box);
            if (d < best) {
                best = d;
                b->caption_of = (int)k;
            }
        }
        if (kind != 0 || b->caption_of >= 0)
            b->kind = BLOCK_CAPTION;
    }
}

static void find_footnotes(struct blocks *bs, const struct statistics *st, const struct page_size *pages,
                           size_t page_count)
{
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if ((b->kind != BLOCK_TEXT && b->kind != BLOCK_LIST_ITEM) || b->flags & (LINE_OCR | LINE_MONO) ||
            b->size_pt > 0.92f * st->body_size)
            continue;
        float height = 0;
        for (size_t k = 0; k < page_count; k++)
            if (pages[k].page_no == b->page_no)
                height = pages[k].height_pt;
        uint32_t c = text_first(b->text);
        bool mark = (c >= '0' && c <= '9') || c == '*' || c == 0x2020 || c == 0x2021 || c == 0xb9 ||
                    c == 0xb2 || c == 0xb3;
        if (mark && b->kind == BLOCK_TEXT && b->box.top > 0.6f * height)
            b->kind = BLOCK_FOOTNOTE;
    }
}

/* A paragraph that stops in the middle of a sentence at the end of a column goes on at the start of the next
 * one. */
static void join_paragraphs(struct blocks *bs)
{
    struct block *open = NULL;
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->dropped || b->kind == BLOCK_PAGE_HEADER || b->kind == BLOCK_PAGE_FOOTER ||
            b->kind == BLOCK_FOOTNOTE || b->kind == BLOCK_CAPTION || b->kind == BLOCK_TABLE ||
            b->kind == BLOCK_PICTURE)
            continue;
        bool elsewhere = open && (open->page_no != b->page_no || open->column != b->column);
        bool near_page = open && b->page_no - open->page_no <= 1;
        if (elsewhere && near_page && !b->turned && b->kind == BLOCK_TEXT &&
            (open->kind == BLOCK_TEXT || open->kind == BLOCK_LIST_ITEM) && open->next_page_no == 0 &&
            !text_ends_sentence(open->text) && text_is_lower(text_first(b->text)) &&
            fabsf(open->size_pt - b->size_pt) < (b->flags & LINE_OCR ? 0.25f : 0.08f) * b->size_pt &&
            strlen(open->text) > 40) {
            struct buf t = BUF_INIT(16u * 1024 * 1024);
            buf_puts(&t, open->text);
            text_join_line(&t, b->text);
            free(open->text);
            open->text = buf_take(&t);
            open->next_box = b->box;
            open->next_page_no = b->page_no;
            open->column = b->column;
            b->dropped = true;
            continue;
        }
        open = b;
    }
}

void classify_blocks(struct blocks *bs, const struct page_size *pages, size_t page_count)
{
    if (bs->count == 0)
        return;
    struct statistics st = measure(bs);
    classify_furniture(bs, pages, page_count, st.body_size);
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->kind == BLOCK_CODE && b->line_count == 1 && strlen(b->text) < 12)
            b->kind = BLOCK_TEXT; /* a word in a type-writer face is no listing */
        if (is_heading(b, &st))
            b->kind = BLOCK_HEADING;
    }
    find_numbered_headings(bs);
    find_opening(bs);
    find_captions(bs);
    find_list_items(bs);
    nest_list_items(bs);
    find_footnotes(bs, &st, pages, page_count);
    find_title(bs);
    set_levels(bs);
    join_paragraphs(bs);
}
