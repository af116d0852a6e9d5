/*
 * Lines → rows in reading order. Lines of one leaf that share a base line are one row; a table or picture is
 * a row by itself. Rows of a scan are given what evidence there is of weight and importance, for a scan has
 * no fonts.
 */
#include "worker/pipeline/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/order.h"
#include "worker/pipeline/setwidth.h"

#define TITLE_MIN_SCORE 0.4f

static int compare_float(const void *pa, const void *pb)
{
    float a = *(const float *)pa, b = *(const float *)pb;
    return a < b ? -1 : a > b;
}

float rows_median(float *v, size_t n, float otherwise)
{
    if (n == 0)
        return otherwise;
    qsort(v, n, sizeof(*v), compare_float);
    return v[n / 2];
}

float rows_page_em(const struct page *p)
{
    float *v = xnew_array(float, p->lines.count + 1);
    size_t n = 0;
    for (size_t i = 0; i < p->lines.count; i++)
        if (p->lines.items[i].turn == 0 && p->lines.items[i].size_pt > 0)
            v[n++] = p->lines.items[i].size_pt;
    float em = rows_median(v, n, 10.0f);
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
                      .title = -1,
                      .solid = -1,
                      .first_word = l->word_count > 0 ? box_width(l->words[0].box) : box_width(l->box)};
}

/* Every free line, table and picture in reading order. */
static void read_rows(const struct page *p, float em, struct rows *ret)
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
        r->title = -1;
        r->solid = i < first_figure ? what[i] : -2 - what[i];
    }
    free(order);
    free(leaf);
    free(boxes);
    free(what);
}

/* The middle of a row decides: on a page that is not quite level the boxes of long rows are too high. */
static bool lies_in(const struct row *r, const struct region *g)
{
    return box_has_point(g->box, (r->box.left + r->box.right) / 2, (r->box.top + r->box.bottom) / 2) &&
           box_overlap_x(r->box, g->box) > 0.7f * box_width(r->box);
}

static void find_title_region(const struct page *p, struct row *r)
{
    float title = 0, other = 0;
    for (size_t i = 0; i < p->regions.count; i++) {
        const struct region *g = &p->regions.items[i];
        if (!lies_in(r, g))
            continue;
        if (g->label != IPC_REGION_TITLE) {
            other = MAX(other, g->score);
        } else if (g->score > title && g->score >= TITLE_MIN_SCORE) {
            title = g->score;
            r->title = (int)i;
        }
    }
    r->title_doubtful = other > title;
}

/* What a scan shows of weight and importance: print that is wider than usual, and the layout model's titles.
 */
static void add_evidence(const struct page *p, struct rows *rows)
{
    float *v = xnew_array(float, rows->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < rows->count; i++) {
        struct row *r = &rows->items[i];
        if (r->solid != -1 || !(r->flags & LINE_OCR))
            continue;
        float em = setwidth_of(r->text);
        r->breadth = em > 0 ? box_width(r->box) / em : 0;
        if (em > 8) /* about twenty letters: a line of prose */
            v[n++] = r->breadth;
        find_title_region(p, r);
    }
    float usual = rows_median(v, n, 0);
    for (size_t i = 0; i < rows->count; i++)
        rows->items[i].breadth = usual > 0 ? rows->items[i].breadth / usual : 0;
    free(v);
}

void rows_of_page(const struct page *p, float em, struct rows *ret)
{
    read_rows(p, em, ret);
    add_evidence(p, ret);
}

void rows_done(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].text);
    free(rows->items);
    *rows = (struct rows){0};
}
