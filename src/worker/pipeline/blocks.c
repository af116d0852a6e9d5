/*
 * From lines to paragraphs. The order of lines comes from order.c; inside a column leaf, lines of one row are
 * put together and rows become one block until the leading, the style, an indent, a list marker or an early
 * line end says that something new begins.
 */
#include "worker/pipeline/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/order.h"
#include "worker/pipeline/text.h"

#define BLOCK_MAX_BYTES (4u * 1024 * 1024)

struct row {
    struct doc_box box;
    float baseline, size, first_word;
    unsigned flags;
    char *text;
    int leaf;
    long solid; /* >= 0: table number; < -1: picture number -2 - n; -1: text */
};

struct rows {
    struct row *items;
    size_t count, cap;
};

struct column {
    float left, right, lead;
};

static int compare_float(const void *pa, const void *pb)
{
    float a = *(const float *)pa, b = *(const float *)pb;
    return a < b ? -1 : a > b;
}

static float median_of(float *v, size_t n, float otherwise)
{
    if (n == 0)
        return otherwise;
    qsort(v, n, sizeof(*v), compare_float);
    return v[n / 2];
}

static float page_em(const struct page *p)
{
    float *v = xnew_array(float, p->lines.count + 1);
    size_t n = 0;
    for (size_t i = 0; i < p->lines.count; i++)
        if (p->lines.items[i].turn == 0 && p->lines.items[i].size_pt > 0)
            v[n++] = p->lines.items[i].size_pt;
    float em = median_of(v, n, 10.0f);
    free(v);
    return MAX(em, 2.0f);
}

/* A line that goes on in the same row of the same leaf is part of that row. */
static bool same_row(const struct row *r, const struct line *l, int leaf)
{
    if (r->solid != -1 || r->leaf != leaf)
        return false;
    float em = MIN(r->size, l->size_pt);
    if (r->flags & LINE_OCR)
        return box_overlap_y(r->box, l->box) > 0.6f * MIN(box_height(r->box), box_height(l->box));
    return fabsf(r->baseline - l->baseline_pt) < 0.4f * em;
}

static void put_line(struct rows *rows, const struct line *l, int leaf)
{
    struct row *r = rows->count > 0 ? &rows->items[rows->count - 1] : NULL;
    if (r && same_row(r, l, leaf)) {
        char *joined = xasprintf("%s %s", r->text, l->text);
        free(r->text);
        r->text = joined;
        r->box = box_union(r->box, l->box);
        r->flags = (r->flags & l->flags) | ((r->flags | l->flags) & LINE_OCR);
        return;
    }
    r = VEC_PUSH(rows->items, rows->count, rows->cap);
    *r = (struct row){.box = l->box,
                      .baseline = l->baseline_pt,
                      .size = l->size_pt,
                      .flags = l->flags,
                      .text = xstrdup(l->text),
                      .leaf = leaf,
                      .solid = -1,
                      .first_word = l->word_count > 0 ? box_width(l->words[0].box) : box_width(l->box)};
}

/* Every free line, table and picture in reading order. */
static void read_rows(struct page *p, float em, struct rows *ret)
{
    size_t max = p->lines.count + p->tables.count + p->figures.count, n = 0, rtl = 0;
    struct order_box *boxes = xnew_array(struct order_box, max + 1);
    long *what = xnew_array(long, max + 1);
    for (size_t i = 0; i < p->lines.count; i++) {
        const struct line *l = &p->lines.items[i];
        if (l->taken || l->turn != 0)
            continue;
        rtl += (l->flags & LINE_RTL) != 0;
        what[n] = (long)i;
        boxes[n++].box = l->box;
    }
    bool is_rtl = rtl * 2 > n;
    size_t text_lines = n;
    for (size_t i = 0; i < p->tables.count; i++) {
        what[n] = (long)i;
        boxes[n++] = (struct order_box){p->tables.items[i].box, true};
    }
    size_t first_figure = n;
    for (size_t i = 0; i < p->figures.count; i++) {
        what[n] = (long)i;
        boxes[n++] = (struct order_box){p->figures.items[i].box, true};
    }
    size_t *order = xnew_array(size_t, n + 1);
    int *leaf = xnew_array(int, n + 1);
    order_boxes(boxes, n, em, is_rtl, order, leaf);
    for (size_t k = 0; k < n; k++) {
        size_t i = order[k];
        if (i < text_lines) {
            put_line(ret, &p->lines.items[what[i]], leaf[k]);
            continue;
        }
        struct row *r = VEC_PUSH(ret->items, ret->count, ret->cap);
        r->box = boxes[i].box;
        r->leaf = leaf[k];
        r->solid = i < first_figure ? what[i] : -2 - what[i];
    }
    free(order);
    free(leaf);
    free(boxes);
    free(what);
}

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
    c.lead = median_of(lead, n, 1.25f * em);
    free(lead);
    return c;
}

static bool starts_item(const struct row *r)
{
    bool enumerated;
    int value;
    return text_marker(r->text, &enumerated, &value) > 0;
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
    if (big > em * (ocr ? 1.35f : 1.12f) || ((a->flags ^ b->flags) & (LINE_MONO | LINE_IN_PICTURE)))
        return true;
    if (((a->flags ^ b->flags) & LINE_BOLD) && !ocr)
        return true;
    float lead = MAX(col->lead, 1.05f * em);
    bool mono = (a->flags & LINE_MONO) != 0;
    if (d < 0.3f * em || d > (mono ? 2.2f : ocr ? 1.5f : 1.35f) * lead)
        return true;
    if (mono)
        return false;
    if (starts_item(b)) {
        bool enumerated;
        int value;
        text_marker(b->text, &enumerated, &value);
        if (!enumerated || starts_item(first) || text_ends_sentence(a->text) || d > 1.12f * lead)
            return true;
    }
    bool item = starts_item(first);
    if (item && a == first)
        return b->box.left < a->box.left - 1.0f * em; /* a hanging indent */
    if (item && b->box.left < a->box.left - 0.8f * em)
        return true;
    bool rtl = (b->flags & LINE_RTL) != 0;
    float in_b = rtl ? col->right - b->box.right : b->box.left - col->left;
    float in_a = rtl ? col->right - a->box.right : a->box.left - col->left;
    float in_c = c && c->solid == -1 ? (rtl ? col->right - c->box.right : c->box.left - col->left) : in_a;
    float slack = rtl ? a->box.left - col->left : col->right - a->box.right;
    uint32_t start = text_first(b->text);
    bool new_start = text_is_upper(start) || (start >= '0' && start <= '9') || !text_is_letter(start);
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
    float best = 0.5f;
    for (size_t i = 0; i < p->regions.count; i++) {
        float share = box_share_in(b->box, p->regions.items[i].box);
        if (share > best) {
            best = share;
            b->hint = (int)p->regions.items[i].label;
        }
    }
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
    float em = page_em(p);
    take_page_number_row(p, true, ret);
    struct blocks footers = {0};
    take_page_number_row(p, false, &footers);
    read_rows(p, em, &rows);
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
    for (size_t i = 0; i < rows.count; i++)
        free(rows.items[i].text);
    free(rows.items);
}
