/*
 * Page rasters: making, grey, cropping, turning by quarters. Every size is checked against a ceiling before
 * it is allocated; rows are padded to four bytes, as PDFium and leptonica like them.
 */
#include "worker/reader/image.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/internal.h"

#define ROW_ALIGN 4
#define TURN_TILE 32 /* a turn reads rows and writes columns: in tiles both stay in the cache */

int image_alloc(int width_px, int height_px, enum image_format format, float dpi, size_t max_px,
                struct image **ret, struct err *err)
{
    if (width_px <= 0 || height_px <= 0)
        return err_fail(err, ERR_ARG, "a picture of %d x %d pixels", width_px, height_px);
    if ((size_t)width_px * (size_t)height_px > max_px)
        return err_fail(err, ERR_LIMIT, "a picture of %d x %d pixels, the limit is %zu pixels", width_px,
                        height_px, max_px);
    size_t stride = ((size_t)width_px * (size_t)format + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
    uint8_t *pixels = try_malloc(stride * (size_t)height_px);
    if (!pixels)
        return err_fail(err, ERR_MEMORY, "no memory for a picture of %d x %d pixels", width_px, height_px);
    struct image *im = xnew(struct image);
    *im = (struct image){.width_px = width_px,
                         .height_px = height_px,
                         .stride_bytes = stride,
                         .format = format,
                         .dpi = dpi,
                         .pixels = pixels};
    *ret = im;
    return 0;
}

int image_new(int width_px, int height_px, enum image_format format, float dpi, struct image **ret,
              struct err *err)
{
    int rc = image_alloc(width_px, height_px, format, dpi, LIMIT_PAGE_PIXELS, ret, err);
    if (rc == 0)
        memset((*ret)->pixels, 0xff, (*ret)->stride_bytes * (size_t)height_px);
    return rc;
}

void image_free(struct image *im)
{
    if (!im)
        return;
    free(im->pixels);
    free(im);
}

void image_freep(struct image **im)
{
    image_free(*im);
    *im = NULL;
}

/* What exists already may be as large as a raster file may be. */
static size_t max_px_of(const struct image *im)
{
    return MAX((size_t)LIMIT_PAGE_PIXELS, (size_t)im->width_px * (size_t)im->height_px);
}

int image_to_grey(const struct image *im, struct image **ret, struct err *err)
{
    struct image *grey;
    int rc = image_alloc(im->width_px, im->height_px, IMAGE_GREY8, im->dpi, max_px_of(im), &grey, err);
    if (rc < 0)
        return rc;
    for (int y = 0; y < im->height_px; y++) {
        const uint8_t *src = im->pixels + (size_t)y * im->stride_bytes;
        uint8_t *dst = grey->pixels + (size_t)y * grey->stride_bytes;
        if (im->format == IMAGE_GREY8) {
            memcpy(dst, src, (size_t)im->width_px);
            continue;
        }
        for (int x = 0; x < im->width_px; x++)
            dst[x] = IMAGE_GREY_OF(src[3 * x + 2], src[3 * x + 1], src[3 * x]);
    }
    *ret = grey;
    return 0;
}

int image_crop(const struct image *im, int left_px, int top_px, int right_px, int bottom_px,
               struct image **ret, struct err *err)
{
    left_px = MAX(left_px, 0), top_px = MAX(top_px, 0);
    right_px = MIN(right_px, im->width_px), bottom_px = MIN(bottom_px, im->height_px);
    if (left_px >= right_px || top_px >= bottom_px)
        return err_fail(err, ERR_ARG, "the part to crop lies outside the picture");
    struct image *part;
    int rc = image_alloc(right_px - left_px, bottom_px - top_px, im->format, im->dpi, max_px_of(im), &part,
                         err);
    if (rc < 0)
        return rc;
    for (int y = 0; y < part->height_px; y++)
        memcpy(part->pixels + (size_t)y * part->stride_bytes,
               im->pixels + (size_t)(top_px + y) * im->stride_bytes + (size_t)left_px * im->format,
               (size_t)part->width_px * part->format);
    *ret = part;
    return 0;
}

static void swap_pixels(uint8_t *a, uint8_t *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

void image_mirror(struct image *im)
{
    size_t bytes = im->format;
    for (int y = 0; y < im->height_px; y++) {
        uint8_t *left = im->pixels + (size_t)y * im->stride_bytes,
                *right = left + ((size_t)im->width_px - 1) * bytes;
        for (; left < right; left += bytes, right -= bytes)
            swap_pixels(left, right, bytes);
    }
}

/* One tile of the source, x0..x1 and y0..y1; pixel (x, y) goes to `out` + x * step_x + y * step_y. */
static void turn_tile(const struct image *im, int x0, int y0, int x1, int y1, uint8_t *out, ptrdiff_t step_x,
                      ptrdiff_t step_y)
{
    size_t bytes = im->format;
    for (int y = y0; y < y1; y++) {
        const uint8_t *src = im->pixels + (size_t)y * im->stride_bytes + (size_t)x0 * bytes;
        uint8_t *dst = out + x0 * step_x + y * step_y;
        for (int x = x0; x < x1; x++, src += bytes, dst += step_x) {
            dst[0] = src[0];
            if (bytes == 3)
                dst[1] = src[1], dst[2] = src[2];
        }
    }
}

int image_turn(const struct image *im, int degrees, size_t max_px, struct image **ret, struct err *err)
{
    if (degrees != 0 && degrees != 90 && degrees != 180 && degrees != 270)
        return err_fail(err, ERR_ARG, "a turn by %d degrees is no quarter turn", degrees);
    bool sideways = degrees == 90 || degrees == 270;
    int width = sideways ? im->height_px : im->width_px, height = sideways ? im->width_px : im->height_px;
    struct image *turned;
    int rc = image_alloc(width, height, im->format, im->dpi, max_px, &turned, err);
    if (rc < 0)
        return rc;
    ptrdiff_t pixel = im->format, row = (ptrdiff_t)turned->stride_bytes;
    uint8_t *out = turned->pixels;
    ptrdiff_t step_x = pixel, step_y = row;
    switch (degrees) {
    case 90: /* the top row becomes the right column */
        out += (width - 1) * pixel, step_x = row, step_y = -pixel;
        break;
    case 180: out += (height - 1) * row + (width - 1) * pixel, step_x = -pixel, step_y = -row; break;
    case 270: /* the top row becomes the left column, read upwards */
        out += (height - 1) * row, step_x = -row, step_y = pixel;
        break;
    default: break;
    }
    for (int y = 0; y < im->height_px; y += TURN_TILE)
        for (int x = 0; x < im->width_px; x += TURN_TILE)
            turn_tile(im, x, y, MIN(x + TURN_TILE, im->width_px), MIN(y + TURN_TILE, im->height_px), out,
                      step_x, step_y);
    *ret = turned;
    return 0;
}

int image_rotate_quarter(const struct image *im, int degrees, struct image **ret, struct err *err)
{
    return image_turn(im, degrees, max_px_of(im), ret, err);
}
