/*
 * Text detection of a page. The page is shrunk so that its longer side has about 960 px: a finer map finds
 * hardly more and costs several times as much. Long strips and pages known to be large get a finer one, so
 * that their letters stay as tall as on a plain page.
 */
#include <malloc.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/crop.h"
#include "engine/vision/db.h"
#include "engine/vision/infer.h"

#define LONG_SIDE_PX 960
#define STRIP_AREA_PX (960 * 640) /* strips: their sides give this area */
#define MIN_DPI 80                /* of the map, when the page's own is known */
#define TRUSTED_DPI 100           /* up to here it is what files say that were never told (72, 96) */
#define MAX_LONG_SIDE_PX 2560
#define STEP_PX 32
#define TALL_RATIO 1.5f /* taller than wide by this: the text runs downwards */

static const struct db_options tiny_options = {
    .threshold = 0.2f, .box_threshold = 0.4f, .unclip = 1.4f, .min_side_px = 3, .dilate = false};
static const struct db_options small_options = {
    .threshold = 0.2f, .box_threshold = 0.45f, .unclip = 1.4f, .min_side_px = 3, .dilate = false};

static int round_step(double px)
{
    return MAX(STEP_PX, (int)(px / STEP_PX + 0.5) * STEP_PX);
}

/* The size of the map. */
static void map_size(const struct vision_image *im, int *ret_width, int *ret_height)
{
    double longer = MAX(im->width_px, im->height_px), shorter = MIN(im->width_px, im->height_px);
    double side = fmax(LONG_SIDE_PX, sqrt(STRIP_AREA_PX * longer / shorter));
    if (im->dpi > TRUSTED_DPI)
        side = fmax(side, longer / (double)im->dpi * MIN_DPI);
    side = fmin(fmin(side, MAX_LONG_SIDE_PX), longer);
    double scale = side / longer;
    *ret_width = round_step(im->width_px * scale);
    *ret_height = round_step(im->height_px * scale);
}

/* From the map to the page; tall quads are turned so that the text reads along their first side. */
static void quad_to_page(float quad[8], float scale_x, float scale_y)
{
    for (int i = 0; i < 4; i++) {
        quad[2 * i] *= scale_x;
        quad[2 * i + 1] *= scale_y;
    }
    float width, height;
    crop_size(quad, &width, &height);
    if (height >= TALL_RATIO * width) {
        float turned[8];
        crop_turn(quad, 1, turned);
        memcpy(quad, turned, sizeof(turned));
    }
}

/* Where a line stands: the middle of its quad, and half of what it is high along the page's y axis when it is
 * straightened. */
struct place {
    float x, y, half;
};

static struct place quad_place(const struct vision_quad *v)
{
    const float *q = v->quad;
    float length, height;
    crop_size(q, &length, &height);
    bool downwards = fabsf(q[3] - q[1]) > fabsf(q[2] - q[0]);
    return (struct place){
        .x = (q[0] + q[2] + q[4] + q[6]) / 4,
        .y = (q[1] + q[3] + q[5] + q[7]) / 4,
        .half = (downwards ? length : height) / 2,
    };
}

static int by_top(const void *a, const void *b)
{
    struct place p = quad_place(a), q = quad_place(b);
    float x = p.y - p.half, y = q.y - q.half;
    return x < y ? -1 : x > y;
}

static int by_left(const void *a, const void *b)
{
    struct place p = quad_place(a), q = quad_place(b);
    return p.x < q.x ? -1 : p.x > q.x;
}

/* Top to bottom; quads whose top lies above the middle of the first of their row are of one row, sorted left
 * to right. */
static void quads_sort(struct vision_quads *quads)
{
    if (quads->count < 2)
        return;
    qsort(quads->items, quads->count, sizeof(*quads->items), by_top);
    for (size_t from = 0; from < quads->count;) {
        float middle = quad_place(&quads->items[from]).y;
        size_t to = from + 1;
        for (; to < quads->count; to++) {
            struct place p = quad_place(&quads->items[to]);
            if (p.y - p.half >= middle)
                break;
        }
        qsort(quads->items + from, to - from, sizeof(*quads->items), by_left);
        from = to;
    }
}

int vision_detect(const struct vision_lane *l, const struct vision_image *im, bool small,
                  struct vision_quads *ret, struct err *err)
{
    int r = image_check(im, err);
    if (r)
        return r;
    malloc_trim(
        0); /* a page's peak is here: what the page before left free between used blocks goes back first */
    int width, height;
    map_size(im, &width, &height);
    struct planes input;
    r = input_new(width, height, &input, err);
    if (r)
        return r;
    struct vision_quads quads = {0};
    struct tensor map;
    r = resize_into(im, 0, 0, im->width_px, im->height_px, &norm_imagenet, &input, err);
    if (r == 0)
        r = infer_planes(l, small ? MODEL_DET_SMALL : MODEL_DET_TINY, &input, &map, 1, err);
    free(input.data);
    if (r)
        return r;
    if (map.rank != 4 || map.dims[0] != 1 || map.dims[1] != 1 || map.dims[2] != height ||
        map.dims[3] != width)
        return err_fail(err, ERR_FORMAT, "the text map does not have the size of its input");
    r = db_quads(map.data, width, height, small ? &small_options : &tiny_options, &quads, err);
    if (r) {
        vision_quads_done(&quads);
        return r;
    }
    for (size_t i = 0; i < quads.count; i++)
        quad_to_page(quads.items[i].quad, (float)im->width_px / (float)width,
                     (float)im->height_px / (float)height);
    quads_sort(&quads);
    *ret = quads;
    return 0;
}

void vision_quads_done(struct vision_quads *q)
{
    free(q->items);
    *q = (struct vision_quads){0};
}
