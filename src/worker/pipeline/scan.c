/*
 * Preparation of page images. 150 dpi grey reads as well as 200 dpi colour; PDFium's own grey path is slow,
 * so pages are rendered in colour and turned grey here. Small pictures are enlarged until their text can be
 * detected.
 */
#include "worker/pipeline/scan.h"

#include <math.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/mem.h"

#define PAGE_DPI 150.0f
#define LONG_SIDE_MIN_PX 1000.0f
#define LONG_SIDE_MAX_PX 2400.0f
#define SKEW_MIN_DEG 0.3f

float scan_dpi(struct reader *r, int page, float width_pt, float height_pt)
{
    float native = reader_page_native_dpi(r, page), long_in = MAX(MAX(width_pt, height_pt), 1.0f) / 72.0f;
    if (native <= 0)
        return MIN(PAGE_DPI * MAX(1.0f, LONG_SIDE_MIN_PX / (PAGE_DPI * long_in)),
                   LONG_SIDE_MAX_PX * 2 / long_in);
    float px = native * long_in;
    if (px < LONG_SIDE_MIN_PX)
        return native * MIN(LONG_SIDE_MIN_PX / px, 3.0f);
    return px > LONG_SIDE_MAX_PX ? LONG_SIDE_MAX_PX / long_in : native;
}

int scan_render(struct reader *r, int page, float width_pt, float height_pt, bool keep_colour,
                struct image **ret, struct err *err)
{
    CLEANUP(image_freep) struct image *colour = NULL;
    int rc = reader_render(r, page, scan_dpi(r, page, width_pt, height_pt), &colour, err);
    if (rc == 0 && keep_colour) {
        *ret = take_ptr(&colour);
        return 0;
    }
    return rc == 0 ? image_to_grey(colour, ret, err) : rc;
}

int scan_thumbnail(const struct image *im, float side_px, struct image **ret, struct err *err)
{
    /* The box of all ink but isolated specks: a row or column counts when at least 0.3 % of it is dark. */
    int w = im->width_px, h = im->height_px, left = w, right = 0, top = h, bottom = 0;
    int *columns = xnew_array(int, (size_t)w + 1);
    for (int y = 0; y < h; y += 2) {
        const uint8_t *row = im->pixels + (size_t)y * im->stride_bytes;
        int dark = 0;
        for (int x = 0; x < w; x++)
            if (row[(size_t)x * im->format] < 128) {
                dark++;
                columns[x]++;
            }
        if (dark * 300 > w) {
            top = MIN(top, y);
            bottom = MAX(bottom, y + 2);
        }
    }
    for (int x = 0; x < w; x++)
        if (columns[x] * 600 > h) {
            left = MIN(left, x);
            right = MAX(right, x + 1);
        }
    free(columns);
    if (left >= right || top >= bottom) {
        left = top = 0;
        right = w;
        bottom = h;
    }
    int margin = MAX(w, h) / 50 + 4;
    CLEANUP(image_freep) struct image *crop = NULL;
    int rc = image_crop(im, MAX(left - margin, 0), MAX(top - margin, 0), MIN(right + margin, w),
                        MIN(bottom + margin, h), &crop, err);
    if (rc != 0)
        return rc;
    float factor = side_px / (float)MAX(crop->width_px, crop->height_px);
    if (factor < 1.0f)
        return image_scale(crop, factor, ret, err);
    *ret = take_ptr(&crop);
    return 0;
}

int scan_level(struct image **im, struct err *err)
{
    float confidence = 0, angle = image_find_skew(*im, &confidence);
    if (fabsf(angle) < SKEW_MIN_DEG) /* 0 where the rows say nothing for certain */
        return 0;
    struct image *level = NULL;
    int rc = image_rotate_small(*im, angle, &level, err);
    if (rc == 0) {
        image_free(*im);
        *im = level;
    }
    return rc;
}

int scan_rules(const struct image *im, float pt_per_px, struct reader_segment **ret, size_t *ret_count,
               struct err *err)
{
    struct image_rule *rules = NULL;
    size_t n = 0;
    int rc = image_find_rules(im, MAX(MAX(im->width_px, im->height_px) / 25, 30), &rules, &n, err);
    if (rc != 0)
        return rc;
    *ret = xnew_array(struct reader_segment, n + 1);
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = (struct reader_segment){rules[i].x0 * pt_per_px, rules[i].y0 * pt_per_px,
                                            rules[i].x1 * pt_per_px, rules[i].y1 * pt_per_px, 1.0f};
    *ret_count = n;
    free(rules);
    return 0;
}
