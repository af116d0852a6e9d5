/*
 * Recursive XY-cut. A plain cut at every blank row would tear columns whose lines share base lines, so blank
 * rows only make bands, and runs of bands that share a gutter become columns. Invariant: every box is placed
 * exactly once.
 */
#include "worker/pipeline/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/geometry.h"

#define DEPTH_MAX 12
#define GUTTER_EM 0.8f
#define COLUMN_EM 5.0f /* a narrower strip is not a column of text */

struct band {
    size_t first, count; /* into the sorted index list */
    float top, bottom;
};

struct interval {
    float low, high;
};

struct orderer {
    const struct order_box *boxes;
    float em;
    bool rtl;
    size_t *out;
    int *leaf;
    size_t placed;
    int leaves;
};

static const struct order_box *sort_boxes; /* qsort has no context; the worker has one thread */

static int compare_top(const void *pa, const void *pb)
{
    const struct doc_box *a = &sort_boxes[*(const size_t *)pa].box, *b = &sort_boxes[*(const size_t *)pb].box;
    if (a->top != b->top)
        return a->top < b->top ? -1 : 1;
    return a->left < b->left ? -1 : a->left > b->left;
}

static int compare_interval(const void *pa, const void *pb)
{
    const struct interval *a = pa, *b = pb;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Vertical middle of a box's text: lines of neighbouring rows overlap a little with their full font height.
 */
static struct interval core_y(struct doc_box b)
{
    float cut = box_height(b) * 0.2f;
    return (struct interval){b.top + cut, b.bottom - cut};
}

static size_t make_bands(const struct orderer *o, size_t *idx, size_t n, struct band *bands)
{
    sort_boxes = o->boxes;
    qsort(idx, n, sizeof(*idx), compare_top);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct interval y = core_y(o->boxes[idx[i]].box);
        if (count > 0 && y.low < bands[count - 1].bottom) {
            bands[count - 1].count++;
            bands[count - 1].bottom = MAX(bands[count - 1].bottom, y.high);
        } else {
            bands[count++] = (struct band){i, 1, y.low, y.high};
        }
    }
    return count;
}

/* The x-projection of some boxes as sorted, disjoint intervals; joins gaps under min_gap. */
static size_t project(const struct orderer *o, const size_t *idx, size_t n, float min_gap,
                      struct interval *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (struct interval){o->boxes[idx[i]].box.left, o->boxes[idx[i]].box.right};
    qsort(out, n, sizeof(*out), compare_interval);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (count > 0 && out[i].low - out[count - 1].high < min_gap)
            out[count - 1].high = MAX(out[count - 1].high, out[i].high);
        else
            out[count++] = out[i];
    }
    return count;
}

/* Are these strips columns of running text (or blocks of their own), not words that happen to line up? */
static bool strips_are_columns(const struct orderer *o, const size_t *idx, size_t n,
                               const struct interval *strips, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        size_t lines = 0;
        for (size_t i = 0; i < n; i++) {
            const struct order_box *b = &o->boxes[idx[i]];
            float middle = (b->box.left + b->box.right) / 2;
            if (middle >= strips[k].low && middle <= strips[k].high)
                lines += b->solid ? 4 : 1;
        }
        if (lines < 2 || strips[k].high - strips[k].low < COLUMN_EM * o->em)
            return false;
    }
    return count > 1;
}

/* One band: its boxes row by row, each row in reading direction (insertion sort: rows overlap loosely, bands
 * are small). */
static bool comes_before(const struct orderer *o, struct doc_box a, struct doc_box b)
{
    if (box_overlap_y(a, b) > 0.5f * MIN(box_height(a), box_height(b)))
        return o->rtl ? a.right > b.right : a.left < b.left;
    return a.top < b.top;
}

static void place(struct orderer *o, size_t *idx, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && comes_before(o, o->boxes[idx[j]].box, o->boxes[idx[j - 1]].box); j--) {
            size_t t = idx[j];
            idx[j] = idx[j - 1];
            idx[j - 1] = t;
        }
    for (size_t i = 0; i < n; i++) {
        o->out[o->placed] = idx[i];
        o->leaf[o->placed++] = o->leaves;
    }
}

static void order_region(struct orderer *o, size_t *idx, size_t n, int depth);

/* Splits the boxes between the strips and orders each. */
static void order_columns(struct orderer *o, const size_t *idx, size_t n, const struct interval *strips,
                          size_t count, int depth)
{
    size_t *part = xnew_array(size_t, n);
    for (size_t c = 0; c < count; c++) {
        size_t k = o->rtl ? count - 1 - c : c, m = 0;
        for (size_t i = 0; i < n; i++) {
            float middle = (o->boxes[idx[i]].box.left + o->boxes[idx[i]].box.right) / 2;
            size_t s = 0;
            while (s + 1 < count && middle > (strips[s].high + strips[s + 1].low) / 2)
                s++;
            if (s == k)
                part[m++] = idx[i];
        }
        if (m > 0) {
            o->leaves++;
            order_region(o, part, m, depth + 1);
            o->leaves++;
        }
    }
    free(part);
}

static void order_region(struct orderer *o, size_t *idx, size_t n, int depth)
{
    struct band *bands = xnew_array(struct band, n);
    struct interval *strips = xnew_array(struct interval, n);
    size_t count = make_bands(o, idx, n, bands), i = 0;
    float gutter = GUTTER_EM * o->em;
    struct doc_box all = o->boxes[idx[0]].box;
    for (size_t k = 1; k < n; k++)
        all = box_union(all, o->boxes[idx[k]].box);
    while (i < count) {
        /* The longest run of bands from i whose boxes leave a gutter open. */
        size_t best_end = 0;
        for (size_t j = i; j < count && depth < DEPTH_MAX; j++) {
            size_t m = bands[j].first + bands[j].count - bands[i].first;
            size_t s = project(o, idx + bands[i].first, m, gutter, strips);
            if (s == 1 && strips[0].high - strips[0].low > 0.6f * box_width(all))
                break; /* something crosses every gutter */
            if (strips_are_columns(o, idx + bands[i].first, m, strips, s))
                best_end = j + 1;
        }
        size_t first = bands[i].first;
        if (best_end > 0) {
            size_t m = bands[best_end - 1].first + bands[best_end - 1].count - first;
            size_t s = project(o, idx + first, m, gutter, strips);
            order_columns(o, idx + first, m, strips, s, depth);
            i = best_end;
            continue;
        }
        place(o, idx + first, bands[i].count);
        i++;
    }
    free(bands);
    free(strips);
}

void order_boxes(const struct order_box *boxes, size_t n, float em, bool rtl, size_t *ret_order,
                 int *ret_leaf)
{
    if (n == 0)
        return;
    struct orderer o = {
        .boxes = boxes, .em = em > 1 ? em : 10.0f, .rtl = rtl, .out = ret_order, .leaf = ret_leaf};
    size_t *idx = xnew_array(size_t, n);
    for (size_t i = 0; i < n; i++)
        idx[i] = i;
    order_region(&o, idx, n, 0);
    free(idx);
}
