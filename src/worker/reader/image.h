/* Page rasters in the worker. Rows are stride_bytes apart, from the top; grey is 1 byte a pixel (0 black),
 * BGR 3 bytes. */
#ifndef PLATEN_WORKER_READER_IMAGE_H
#define PLATEN_WORKER_READER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum image_format { IMAGE_GREY8 = 1, IMAGE_BGR24 = 3 }; /* value = bytes per pixel */

struct image {
    int width_px, height_px;
    size_t stride_bytes;
    enum image_format format;
    float dpi;
    uint8_t *pixels; /* malloced */
};

/* A new white image; ERR_LIMIT above LIMIT_PAGE_PIXELS, ERR_MEMORY. */
int image_new(int width_px, int height_px, enum image_format format, float dpi, struct image **ret,
              struct err *err);
void image_free(struct image *im);
void image_freep(struct image **im);

/* Each yields a new image, owned by the caller. */
int image_to_grey(const struct image *im, struct image **ret, struct err *err);
/* degrees: 0, 90, 180 or 270, clockwise. */
int image_rotate_quarter(const struct image *im, int degrees, struct image **ret, struct err *err);
/* Small angles (up to ±15°), clockwise, same size, white corners, bilinear. */
int image_rotate_small(const struct image *im, float degrees, struct image **ret, struct err *err);
int image_scale(const struct image *im, float factor, struct image **ret, struct err *err);
int image_crop(const struct image *im, int left_px, int top_px, int right_px, int bottom_px,
               struct image **ret, struct err *err);

/*
 * The angle (degrees, -15..15) by which the page must be turned clockwise to be level, from its text rows; 0
 * with *ret_confidence < 2.0 when there is none to be found. (leptonica's differential square sum; Bloomberg,
 * Kopec, Dasari 1995.)
 */
float image_find_skew(const struct image *im, float *ret_confidence);

/* Ruling lines longer than min_px, from morphology on the binarised page: [x0,y0,x1,y1] each, malloced. */
struct image_rule {
    float x0, y0, x1, y1;
};
int image_find_rules(const struct image *im, int min_px, struct image_rule **ret, size_t *ret_count,
                     struct err *err);

/* PNG bytes, malloced. */
int image_encode_png(const struct image *im, uint8_t **ret, size_t *ret_bytes, struct err *err);

#endif
