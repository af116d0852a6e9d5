/*
 * Regions of text are found as runs of pixels a row, joined to the runs above that touch them (8 neighbours)
 * by union-find. The hull of a region needs only the ends of its runs, so no contour is traced. Invariant:
 * the parent of a run has an index not above its own.
 */
#include "engine/vision/db.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/geometry.h"
#include "engine/vision/simd.h"

struct run {
    int y, from, to; /* pixels from..to, both inside */
    uint32_t parent;
};

struct runs {
    struct run *items;
    size_t count, cap;
};

static uint32_t run_root(struct runs *r, uint32_t i)
{
    while (r->items[i].parent != i) {
        r->items[i].parent = r->items[r->items[i].parent].parent;
        i = r->items[i].parent;
    }
    return i;
}

static void run_join(struct runs *r, uint32_t a, uint32_t b)
{
    a = run_root(r, a);
    b = run_root(r, b);
    if (a < b)
        r->items[b].parent = a;
    else
        r->items[a].parent = b;
}

SIMD_CLONES static void mask_row(const float *restrict map, uint8_t *restrict mask, int width,
                                 float threshold)
{
    for (int x = 0; x < width; x++)
        mask[x] = map[x] > threshold;
}

SIMD_CLONES static void mask_or(uint8_t *restrict to, const uint8_t *restrict from, int count)
{
    for (int x = 0; x < count; x++)
        to[x] |= from[x];
}

/* Appends the runs of a row and joins them with those of the row above, which begin at index above. */
static void runs_add_row(struct runs *r, const uint8_t *mask, int width, int y, size_t above)
{
    size_t above_end = r->count;
    for (int x = 0; x < width;) {
        const uint8_t *p = memchr(mask + x, 1, (size_t)(width - x));
        if (!p)
            break;
        int from = (int)(p - mask);
        const uint8_t *q = memchr(p, 0, (size_t)(width - from));
        int to = q ? (int)(q - mask) - 1 : width - 1;
        uint32_t at = (uint32_t)r->count;
        struct run *run = VEC_PUSH(r->items, r->count, r->cap);
        *run = (struct run){.y = y, .from = from, .to = to, .parent = at};
        while (above < above_end && r->items[above].to < from - 1)
            above++;
        for (size_t k = above; k < above_end && r->items[k].from <= to + 1; k++)
            run_join(r, (uint32_t)k, at);
        x = to + 1;
    }
}

/* mask rows: two buffers of width bytes and one for the dilated row. */
static void runs_find(struct runs *r, const float *map, int width, int height, const struct db_options *o,
                      uint8_t *rows)
{
    uint8_t *now = rows, *before = rows + width, *grown = rows + 2 * (size_t)width;
    memset(before, 0, (size_t)width);
    size_t above = 0;
    for (int y = 0; y < height; y++) {
        mask_row(map + (size_t)y * (size_t)width, now, width, o->threshold);
        const uint8_t *mask = now;
        if (o->dilate) {
            memcpy(grown, now, (size_t)width);
            mask_or(grown, before, width);
            mask_or(grown + 1, now, width - 1);
            mask_or(grown + 1, before, width - 1);
            mask = grown;
        }
        size_t row = r->count;
        runs_add_row(r, mask, width, y, above);
        above = row;
        uint8_t *swap = before;
        before = now;
        now = swap;
    }
}

/* Narrows [low, high] to the dx for which |offset + dx * slope| <= half. */
static void narrow(float offset, float slope, float half, float *low, float *high)
{
    if (fabsf(slope) < 1e-6f) {
        if (fabsf(offset) > half)
            *high = *low - 1;
        return;
    }
    float a = (-half - offset) / slope, b = (half - offset) / slope;
    *low = fmaxf(*low, fminf(a, b));
    *high = fminf(*high, fmaxf(a, b));
}

/* Mean of the map inside the rectangle, its edge included. */
static float rect_mean(const float *map, int width, int height, const struct tilted *t)
{
    struct point c[4];
    geometry_corners(t, c);
    float top = fminf(c[0].y, c[1].y), bottom = fmaxf(c[2].y, c[3].y);
    double sum = 0;
    size_t count = 0;
    for (int y = MAX(0, (int)floorf(top)); y <= MIN(height - 1, (int)ceilf(bottom)); y++) {
        float dy = (float)y - t->centre.y, low = -t->centre.x, high = (float)(width - 1) - t->centre.x;
        narrow(dy * t->along.y, t->along.x, t->length / 2 + 0.01f, &low, &high);
        narrow(dy * t->along.x, -t->along.y, t->breadth / 2 + 0.01f, &low, &high);
        int from = (int)ceilf(low + t->centre.x), to = (int)floorf(high + t->centre.x);
        for (int x = MAX(0, from); x <= MIN(to, width - 1); x++, count++)
            sum += (double)map[(size_t)y * (size_t)width + (size_t)x];
    }
    return count > 0 ? (float)(sum / (double)count) : 0;
}

/* One region, given the points at the ends of its runs. */
static void region_quad(const float *map, int width, int height, const struct db_options *o,
                        struct point *points, size_t count, struct point *hull, struct vision_quads *quads)
{
    size_t corners = geometry_hull(points, count, hull);
    struct tilted t = geometry_min_rect(hull, corners);
    if (fminf(t.length, t.breadth) < o->min_side_px)
        return;
    float score = rect_mean(map, width, height, &t);
    if (score < o->box_threshold)
        return;
    float grow = t.length * t.breadth * o->unclip / (2 * (t.length + t.breadth));
    t.length += 2 * grow;
    t.breadth += 2 * grow;
    if (fminf(t.length, t.breadth) < o->min_side_px + 2)
        return;
    struct point c[4];
    geometry_corners(&t, c);
    struct vision_quad *q = VEC_PUSH(quads->items, quads->count, quads->cap);
    q->score = fminf(score, 1);
    for (int i = 0; i < 4; i++) {
        q->quad[2 * i] = fminf(fmaxf(c[i].x + 0.5f, 0), (float)width);
        q->quad[2 * i + 1] = fminf(fmaxf(c[i].y + 0.5f, 0), (float)height);
    }
}

/* Sorts the runs by region (counting sort; regions keep the order of their first run) and makes the quads. */
static int regions_quads(struct runs *r, const float *map, int width, int height, const struct db_options *o,
                         struct vision_quads *quads)
{
    size_t n = r->count;
    uint32_t *root = try_malloc((n + 1) * sizeof(uint32_t));
    uint32_t *begin = try_calloc(n + 1, sizeof(uint32_t));
    struct point *points = try_malloc((2 * n + 1) * sizeof(struct point));
    struct point *hull = try_malloc((2 * n + 2) * sizeof(struct point));
    int result = root && begin && points && hull ? 0 : ERR_MEMORY;
    if (result == 0) {
        for (size_t i = 0; i < n; i++) {
            root[i] = run_root(r, (uint32_t)i);
            begin[root[i] + 1]++;
        }
        for (size_t i = 0; i < n; i++)
            begin[i + 1] += begin[i];
        /* begin[k] becomes the end of region k as its points are put in */
        for (size_t i = 0; i < n; i++) {
            const struct run *run = &r->items[i];
            size_t at = 2 * (size_t)begin[root[i]]++;
            points[at] = (struct point){(float)run->from, (float)run->y};
            points[at + 1] = (struct point){(float)run->to, (float)run->y};
        }
        size_t looked = 0, from = 0;
        for (size_t i = 0; i < n && looked < DB_MAX_CANDIDATES; i++) {
            if (root[i] != i)
                continue;
            size_t to = 2 * (size_t)begin[i];
            region_quad(map, width, height, o, points + from, to - from, hull, quads);
            from = to;
            looked++;
        }
    }
    free(root);
    free(begin);
    free(points);
    free(hull);
    return result;
}

int db_quads(const float *map, int width_px, int height_px, const struct db_options *options,
             struct vision_quads *quads, struct err *err)
{
    if (width_px < 1 || height_px < 1)
        return err_fail(err, ERR_ARG, "a text map of %d x %d px", width_px, height_px);
    struct runs r = {0};
    uint8_t *rows = try_malloc(3 * (size_t)width_px);
    int result = rows ? 0 : ERR_MEMORY;
    if (result == 0) {
        runs_find(&r, map, width_px, height_px, options, rows);
        result = regions_quads(&r, map, width_px, height_px, options, quads);
    }
    free(rows);
    free(r.items);
    if (result)
        return err_fail(err, result, "no memory to find the text of a map of %d x %d px", width_px,
                        height_px);
    return 0;
}
