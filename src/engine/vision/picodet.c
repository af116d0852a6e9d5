/* Only cells with a score above the threshold are decoded: a page has hundreds of them at most, of ten
 * thousand. */
#include "engine/vision/picodet.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define MAX_BINS 32
#define MAX_CANDIDATES 4000

/* The expected value of a softmax over the bins. */
static float distance(const float *logits, size_t bins)
{
    float top = logits[0];
    for (size_t i = 1; i < bins; i++)
        top = fmaxf(top, logits[i]);
    float sum = 0, weighted = 0;
    for (size_t i = 0; i < bins; i++) {
        float e = expf(logits[i] - top);
        sum += e;
        weighted += e * (float)i;
    }
    return weighted / sum;
}

static float clamp(float v, int high)
{
    return fminf(fmaxf(v, 0), (float)high);
}

static void cell_box(const float *logits, size_t bins, int column, int row, int step,
                     const struct picodet_options *o, struct picodet_box *b)
{
    float x = ((float)column + 0.5f) * (float)step, y = ((float)row + 0.5f) * (float)step;
    b->left = clamp(x - distance(logits, bins) * (float)step, o->width_px);
    b->top = clamp(y - distance(logits + bins, bins) * (float)step, o->height_px);
    b->right = clamp(x + distance(logits + 2 * bins, bins) * (float)step, o->width_px);
    b->bottom = clamp(y + distance(logits + 3 * bins, bins) * (float)step, o->height_px);
}

static int grid_decode(const struct tensor *scores, const struct tensor *boxes, int step,
                       const struct picodet_options *o, struct picodet_boxes *found, struct err *err)
{
    int columns = (o->width_px + step - 1) / step, rows = (o->height_px + step - 1) / step;
    if (scores->rank != 3 || boxes->rank != 3 || scores->dims[1] != (int64_t)columns * rows ||
        boxes->dims[1] != scores->dims[1] || scores->dims[2] != o->classes || boxes->dims[2] < 8 ||
        boxes->dims[2] % 4 != 0 || boxes->dims[2] / 4 > MAX_BINS)
        return err_fail(err, ERR_FORMAT, "the layout model's output for cells of %d px has a wrong shape",
                        step);
    size_t bins = (size_t)boxes->dims[2] / 4;
    for (int i = 0; i < columns * rows; i++)
        for (int c = 0; c < o->classes; c++) {
            float score = scores->data[(size_t)i * (size_t)o->classes + (size_t)c];
            if (!(score > o->min_score) || found->count >= MAX_CANDIDATES)
                continue;
            struct picodet_box *b = VEC_PUSH(found->items, found->count, found->cap);
            b->score = fminf(score, 1);
            b->label = c;
            cell_box(boxes->data + (size_t)i * 4 * bins, bins, i % columns, i / columns, step, o, b);
        }
    return 0;
}

static int by_score(const void *a, const void *b)
{
    const struct picodet_box *p = a, *q = b;
    if (p->label != q->label)
        return p->label - q->label;
    return p->score > q->score ? -1 : p->score < q->score;
}

static float overlap(const struct picodet_box *a, const struct picodet_box *b)
{
    float w = fminf(a->right, b->right) - fmaxf(a->left, b->left),
          h = fminf(a->bottom, b->bottom) - fmaxf(a->top, b->top);
    if (w <= 0 || h <= 0)
        return 0;
    float both = (a->right - a->left) * (a->bottom - a->top) + (b->right - b->left) * (b->bottom - b->top) -
                 w * h;
    return w * h / (both + 1e-5f);
}

/* Sorts and keeps of each class those boxes that no better one overlaps. */
static void suppress(struct picodet_boxes *boxes, const struct picodet_options *o)
{
    if (boxes->count == 0)
        return; /* qsort must not be handed NULL */
    qsort(boxes->items, boxes->count, sizeof(*boxes->items), by_score);
    size_t kept = 0, class_start = 0;
    for (size_t i = 0; i < boxes->count; i++) {
        struct picodet_box b = boxes->items[i];
        if (kept > class_start && boxes->items[class_start].label != b.label)
            class_start = kept;
        bool keep = kept - class_start < o->max_boxes && b.right > b.left && b.bottom > b.top;
        for (size_t k = class_start; k < kept && keep; k++)
            keep = overlap(&boxes->items[k], &b) <= o->max_overlap;
        if (keep)
            boxes->items[kept++] = b;
    }
    boxes->count = kept;
}

int picodet_decode(const struct tensor outputs[2 * PICODET_GRIDS], const struct picodet_options *o,
                   struct picodet_boxes *boxes, struct err *err)
{
    struct picodet_boxes found = {0};
    int r = 0;
    for (int g = 0; g < PICODET_GRIDS && r == 0; g++)
        r = grid_decode(&outputs[g], &outputs[g + PICODET_GRIDS], 8 << g, o, &found, err);
    if (r == 0) {
        suppress(&found, o);
        for (size_t i = 0; i < found.count; i++)
            *VEC_PUSH(boxes->items, boxes->count, boxes->cap) = found.items[i];
    }
    free(found.items);
    return r;
}
