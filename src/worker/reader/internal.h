/* What the files of this folder share: one table of functions per family of formats. Nobody outside includes
 * it. */
#ifndef PLATEN_WORKER_READER_INTERNAL_H
#define PLATEN_WORKER_READER_INTERNAL_H

#include <stddef.h>

#include "worker/reader/reader.h"

struct reader {
    const struct reader_ops *ops;
    void *doc; /* the format's own state, freed by ops->free */
    int page_count;
};

/* The page number was checked by reader.c; read_content and outline may be NULL (nothing to tell). */
struct reader_ops {
    void (*free)(void *doc);
    int (*page_size)(void *doc, int page, float *ret_width_pt, float *ret_height_pt, struct err *err);
    float (*native_dpi)(void *doc, int page);
    float (*scan_dpi)(void *doc, int page);
    int (*render)(void *doc, int page, float dpi, struct image **ret, struct err *err);
    int (*read_content)(void *doc, int page, struct reader_content *ret, struct err *err);
    int (*outline)(void *doc, struct reader_outline_entry **ret, size_t *ret_count, struct err *err);
};

int pdf_open(int fd, const char *password, const struct reader_limits *limits, struct reader *ret,
             struct err *err);
int raster_open(int fd, const struct reader_limits *limits, struct reader *ret, struct err *err);

/* Integer weights of ITU-R BT.601. */
#define IMAGE_GREY_OF(r, g, b) ((uint8_t)(((r)*77u + (g)*150u + (b)*29u + 128u) >> 8))

/* Like image_new, under the ceiling given here, the pixels not yet set. */
int image_alloc(int width_px, int height_px, enum image_format format, float dpi, size_t max_px,
                struct image **ret, struct err *err);
/* Scales to these sides (a copy where they are the same); area averages when smaller, bilinear when larger.
 */
int image_resize(const struct image *im, int width_px, int height_px, struct image **ret, struct err *err);
/* image_rotate_quarter under another ceiling. */
int image_turn(const struct image *im, int degrees, size_t max_px, struct image **ret, struct err *err);
/* Mirrors in place: left and right change places. */
void image_mirror(struct image *im);
/* The pixels of a width x height page at this resolution, lowered to fit LIMIT_PAGE_PIXELS; at least 1 x 1.
 * *dpi is changed. */
void page_pixels(float width_pt, float height_pt, float *dpi, int *ret_width_px, int *ret_height_px);

#endif
