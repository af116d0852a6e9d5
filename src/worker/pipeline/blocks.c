/*
 * From rows to paragraphs. rows.c has put lines together in reading order; inside a column leaf, rows become
 * one block until the leading, the style, an indent, a list marker or an early line end says that something
 * new begins.
 */
#include "worker/pipeline/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/rows.h"
#include "worker/pipeline/text.h"

#define BLOCK_MAX_BYTES (4u * 1024 * 1024)

struct column {
    float left, right, lead;
};

static struct column measure_column(const struct rows *rows, size_t first, size_t end, float em)
{
    struct column c = {1e9f, -1e9f, 0};
    float *lead = xnew_array(float, end - first + 1);
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        const struct row *r = &rows->items[i];
        if (r->solid != -1)
            continue;
        c.left = MIN(c.left, r->box.left);
        c.right = MAX(c.right, r->box.right);
        if (i > first && rows->items[i - 1].solid == -1) {
            float d = r->baseline - rows->items[i - 1].baseline;
            if (d > 0.7f * r->size && d < 2.2f * r->size)
                lead[n++] = d;
        }
    }
    c.lead = rows_median(lead, n, 1.25f * em);
    free(lead);
    return c;
}

static bool starts_item(const struct row *r)
{
    bool enumerated;
    int value;
    return text_marker(r->text, &enumerated, &value) > 0;
}

/* Recognised lines: print of another weight or size, or the edge of a title that the layout model sees. */
static bool changes_print(const struct row *a, const struct row *b, float d, float lead)
{
    float size = a->size > b->size ? a->size / b->size : b->size / a->size;
    bool goes_on = text_is_lower(text_first(b->text)) && !text_ends_sentence(a->text);
    if (size > 1.35f)
        return true;
    if (a->title != b->title && !(goes_on && size < 1.1f))
        return true;
    if (a->breadth <= 0 || b->breadth <= 0)
        return false;
    float breadth = a->breadth > b->breadth ? a->breadth / b->breadth : b->breadth / a->breadth;
    bool agree = (a->size > b->size) == (a->breadth > b->breadth);
    return breadth > 1.3f && ((agree && size > 1.12f) || d > 1.12f * lead);
}

/* Does something new begin with row b, which follows a? first: the block's first row; c: the row behind b or
 * NULL. */
static bool begins_block(const struct row *first, const struct row *a, const struct row *b,
                         const struct row *c, const struct column *col)
{
    if (a->solid != -1 || b->solid != -1)
        return true;
    bool ocr = (b->flags & LINE_OCR) != 0;
    float em = MIN(a->size, b->size), big = MAX(a->size, b->size), d = b->baseline - a->baseline;
    float lead = MAX(col->lead, 1.05f * em);
    if (ocr ? changes_print(a, b, d, lead) : big > em * 1.12f)
        return true;
    if ((a->flags ^ b->flags) & (LINE_MONO | LINE_IN_PICTURE))
        return true;
    if (((a->flags ^ b->flags) & LINE_BOLD) && !ocr)
        return true;
    bool mono = (a->flags & LINE_MONO) != 0;
    if (d < 0.3f * em || d > (mono ? 2.2f : ocr ? 1.5f : 1.35f) * lead)
        return true;
    if (mono)
        return false;
    uint32_t start = text_first(b->text);
    bool new_start = text_is_upper(start) || (start >= '0' && start <= '9') || !text_is_letter(start);
    if (ocr && d > 1.28f * lead && new_start && text_ends_sentence(a->text))
        return true;
    if (starts_item(b)) {
        bool enumerated;
        int value;
        text_marker(b->text, &enumerated, &value);
        if (!enumerated || starts_item(first) || text_ends_sentence(a->text) || d > 1.12f * lead)
            return true;
    }
    bool item = starts_item(first), numbered = item && text_heading_number(first->text) > 0;
    if (item && a == first && !(numbered && fabsf(b->box.left - a->box.left) < 0.8f * em))
        return b->box.left < a->box.left - 1.0f * em; /* a hanging indent */
    if (item && b->box.left < a->box.left - 0.8f * em)
        return true;
    bool rtl = (b->flags & LINE_RTL) != 0;
    float in_b = rtl ? col->right - b->box.right : b->box.left - col->left;
    float in_a = rtl ? col->right - a->box.right : a->box.left - col->left;
    float in_c = c && c->solid == -1 ? (rtl ? col->right - c->box.right : c->box.left - col->left) : in_a;
    float slack = rtl ? a->box.left - col->left : col->right - a->box.right;
    if (in_b > in_a + 0.8f * em && in_b < in_a + 6 * em && in_c < in_b - 0.8f * em && new_start &&
        (slack > 3 * em || text_ends_sentence(a->text)))
        return true;
    /* The next word would have fitted: the line was ended on purpose. */
    bool fits = slack > b->first_word + 1.2f * em;
    return fits && new_start &&
           (text_ends_sentence(a->text) || (slack > 0.35f * (col->right - col->left) && in_b <= in_a + em));
}

static char *code_text(const struct rows *rows, size_t first, size_t end)
{
    CLEANUP(buf_done) struct buf b = BUF_INIT(BLOCK_MAX_BYTES);
    float left = 1e9f;
    for (size_t i = first; i < end; i++)
        left = MIN(left, rows->items[i].box.left);
    for (size_t i = first; i < end; i++) {
        const struct row *r = &rows->items[i];
        if (i > first)
            buf_putc(&b, '\n');
        int spaces = (int)lroundf((r->box.left - left) / MAX(0.6f * r->size, 1.0f));
        for (int k = 0; k < MIN(spaces, 60); k++)
            buf_putc(&b, ' ');
        buf_puts(&b, r->text);
    }
    return buf_take(&b);
}

/* The mean of its rows, by their length. */
static float breadth_of(const struct rows *rows, size_t first, size_t end)
{
    float sum = 0, width = 0;
    for (size_t i = first; i < end; i++) {
        const struct row *r = &rows->items[i];
        if (r->breadth > 0) {
            sum += r->breadth * box_width(r->box);
            width += box_width(r->box);
        }
    }
    return width > 0 ? sum / width : 0;
}

/* What the layout model calls the place, or -1. */
static int hint_of(const struct page *p, const struct rows *rows, size_t first, size_t end,
                   struct doc_box box)
{
    const struct row *r = &rows->items[first];
    bool title = r->title >= 0 && !r->title_doubtful;
    for (size_t i = first; i < end; i++)
        title &= rows->items[i].title == r->title;
    if (title)
        return IPC_REGION_TITLE;
    float best = 0.5f;
    int hint = -1;
    for (size_t i = 0; i < p->regions.count; i++) {
        float share = box_share_in(box, p->regions.items[i].box);
        bool doubtful = p->regions.items[i].label == IPC_REGION_TITLE && r->title_doubtful;
        if (share > best && !doubtful) {
            best = share;
            hint = (int)p->regions.items[i].label;
        }
    }
    return hint;
}

static void make_text_block(const struct page *p, const struct rows *rows, size_t first, size_t end,
                            const struct column *col, struct blocks *ret)
{
    const struct row *r = &rows->items[first], *last = &rows->items[end - 1];
    struct block *b = blocks_push(ret);
    b->page_no = p->page_no;
    b->column = r->leaf;
    b->box = r->box;
    b->flags = r->flags;
    b->line_count = (int)(end - first);
    b->size_pt = 0;
    b->next_page_no = 0;
    b->breadth = breadth_of(rows, first, end);
    CLEANUP(buf_done) struct buf text = BUF_INIT(BLOCK_MAX_BYTES);
    for (size_t i = first; i < end; i++) {
        b->box = box_union(b->box, rows->items[i].box);
        b->flags &= rows->items[i].flags;
        b->size_pt = MAX(b->size_pt, rows->items[i].size);
        text_join_line(&text, rows->items[i].text);
    }
    b->flags |= r->flags & LINE_OCR;
    if (r->flags & LINE_OCR) { /* heights of recognised lines scatter: the mean is steadier */
        b->size_pt = 0;
        for (size_t i = first; i < end; i++)
            b->size_pt += rows->items[i].size / (float)(end - first);
    }
    if (b->flags & LINE_MONO) {
        b->kind = BLOCK_CODE;
        b->text = code_text(rows, first, end);
    } else {
        b->text = buf_take(&text);
    }
    b->column_left_pt = col->left;
    b->column_right_pt = col->right;
    b->indent_pt = r->box.left - col->left;
    b->right_slack_pt = col->right - last->box.right;
    b->gap_above_pt = first > 0 && rows->items[first - 1].leaf == r->leaf
                          ? r->box.top - rows->items[first - 1].box.bottom
                          : 1000;
    b->gap_below_pt = end < rows->count && rows->items[end].leaf == r->leaf
                          ? rows->items[end].box.top - last->box.bottom
                          : 1000;
    b->hint = hint_of(p, rows, first, end, b->box);
    for (size_t i = 0; i < p->links.count && !b->link; i++)
        if (end - first == 1 && box_share_in(b->box, box_grown(p->links.items[i].box, 2)) > 0.9f)
            b->link = xstrdup(p->links.items[i].uri);
}

static void make_solid_block(struct page *p, const struct row *r, struct blocks *ret)
{
    struct block *b = blocks_push(ret);
    b->page_no = p->page_no;
    b->column = r->leaf;
    b->box = r->box;
    b->text = xstrdup("");
    if (r->solid >= 0) {
        b->kind = BLOCK_TABLE;
        b->table = p->tables.items[r->solid];
        p->tables.items[r->solid] = (struct grid){0};
    } else {
        b->kind = BLOCK_PICTURE;
        b->figure = p->figures.items[-2 - r->solid];
        p->figures.items[-2 - r->solid].png = NULL;
    }
}

/* Rows at the very top or bottom that hold a page number are running heads, whatever other pages say. */
static void take_page_number_row(struct page *p, bool top, struct blocks *ret)
{
    const float zone = 0.15f;
    struct line *edge = NULL;
    for (size_t i = 0; i < p->lines.count; i++) {
        struct line *l = &p->lines.items[i];
        if (l->turn == 0 && !l->taken &&
            (!edge || (top ? l->box.top < edge->box.top : l->box.bottom > edge->box.bottom)))
            edge = l;
    }
    if (!edge || (top ? edge->box.bottom > zone * p->height_pt : edge->box.top < (1 - zone) * p->height_pt))
        return;
    struct doc_box row = edge->box;
    bool number = false;
    float nearest = 1e9f;
    size_t in_row = 0;
    for (size_t i = 0; i < p->lines.count; i++) {
        const struct line *l = &p->lines.items[i];
        if (l->taken || l->turn != 0)
            continue;
        if (box_overlap_y(l->box, edge->box) > 0.5f * MIN(box_height(l->box), box_height(edge->box))) {
            number |= text_is_page_number(l->text);
            row = box_union(row, l->box);
            in_row++;
        }
    }
    for (size_t i = 0; i < p->lines.count; i++) {
        const struct line *l = &p->lines.items[i];
        float d = top ? l->box.top - row.bottom : row.top - l->box.bottom;
        if (l->turn == 0 && !l->taken && d > -0.3f * box_height(row))
            nearest = MIN(nearest, d);
    }
    if (!number || nearest < 0.5f * box_height(row) || in_row > 4 || in_row == p->lines.count)
        return;
    for (size_t i = 0; i < p->lines.count; i++) {
        struct line *l = &p->lines.items[i];
        if (l->taken || l->turn != 0 || box_share_in(l->box, box_grown(row, 1)) < 0.9f)
            continue;
        l->taken = true;
        struct block *b = blocks_push(ret);
        b->kind = top ? BLOCK_PAGE_HEADER : BLOCK_PAGE_FOOTER;
        b->page_no = p->page_no;
        b->column = -1;
        b->box = l->box;
        b->text = xstrdup(l->text);
        b->size_pt = l->size_pt;
        b->line_count = 1;
    }
}

/* Text that does not stand upright (marginal stamps, vertical labels) is told apart, behind the rest. */
static void add_turned_lines(const struct page *p, struct blocks *ret)
{
    for (size_t i = 0; i < p->lines.count; i++) {
        const struct line *l = &p->lines.items[i];
        if (l->taken || l->turn == 0)
            continue;
        struct block *b = blocks_push(ret);
        b->page_no = p->page_no;
        b->column = -2;
        b->box = l->box;
        b->text = xstrdup(l->text);
        b->size_pt = l->size_pt;
        b->flags = l->flags & ~(unsigned)(LINE_BOLD | LINE_MONO);
        b->line_count = 1;
        b->turned = true;
    }
}

void blocks_of_page(struct page *p, struct blocks *ret)
{
    struct rows rows = {0};
    float em = rows_page_em(p);
    take_page_number_row(p, true, ret);
    struct blocks footers = {0};
    take_page_number_row(p, false, &footers);
    rows_of_page(p, em, &rows);
    for (size_t i = 0; i < rows.count;) {
        size_t end = i;
        while (end < rows.count && rows.items[end].leaf == rows.items[i].leaf)
            end++;
        struct column col = measure_column(&rows, i, end, em);
        while (i < end) {
            if (rows.items[i].solid != -1) {
                make_solid_block(p, &rows.items[i++], ret);
                continue;
            }
            size_t first = i++;
            while (i < end && !begins_block(&rows.items[first], &rows.items[i - 1], &rows.items[i],
                                            i + 1 < end ? &rows.items[i + 1] : NULL, &col))
                i++;
            make_text_block(p, &rows, first, i, &col, ret);
        }
    }
    add_turned_lines(p, ret);
    for (size_t i = 0; i < footers.count; i++) {
        struct block *b = blocks_push(ret);
        *b = footers.items[i];
    }
    free(footers.items);
    rows_done(&rows);
}
