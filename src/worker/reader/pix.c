/*
 * Conversion between our byte rasters and leptonica's PIX, which keeps pixels in 32-bit words whose most
 * significant byte comes first: on a little-endian machine each word is swapped.
 */
#include "worker/reader/pix.h"

#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"

#define WHITE 255

void pix_setup(void)
{
    setMsgSeverity(L_SEVERITY_NONE);
}

void pix_freep(PIX **pix)
{
    pixDestroy(pix);
}

int pix_of_image(const struct image *im, PIX **ret, struct err *err)
{
    pix_setup();
    PIX *pix = pixCreateNoInit(im->width_px, im->height_px, im->format == IMAGE_GREY8 ? 8 : 32);
    if (!pix)
        return err_fail(err, ERR_MEMORY, "no memory for a picture of %d x %d pixels", im->width_px,
                        im->height_px);
    l_uint32 *data = pixGetData(pix);
    size_t words = (size_t)pixGetWpl(pix);
    for (int y = 0; y < im->height_px; y++) {
        const uint8_t *src = im->pixels + (size_t)y * im->stride_bytes;
        l_uint32 *dst = data + (size_t)y * words;
        if (im->format == IMAGE_GREY8) {
            dst[words - 1] = 0;
            memcpy(dst, src, (size_t)im->width_px);
            for (size_t i = 0; i < words; i++)
                dst[i] = __builtin_bswap32(dst[i]);
        } else {
            for (int x = 0; x < im->width_px; x++, src += 3)
                dst[x] = (l_uint32)src[2] << 24 | (l_uint32)src[1] << 16 | (l_uint32)src[0] << 8;
        }
    }
    *ret = pix;
    return 0;
}

/* Makes *pix 8 or 32 bits deep without colour map and alpha (drawn on white). */
static int simplify(PIX **pix)
{
    PIX *next = NULL;
    if (pixGetColormap(*pix)) {
        next = pixRemoveColormap(*pix, REMOVE_CMAP_WITH_ALPHA);
        if (!next)
            return -1;
        pixDestroy(pix);
        *pix = next;
    }
    if (pixGetDepth(*pix) == 32) {
        if (pixGetSpp(*pix) != 4)
            return 0;
        next = pixRemoveAlpha(*pix);
    } else if (pixGetDepth(*pix) == 24) {
        next = pixConvertTo32(*pix);
    } else if (pixGetDepth(*pix) == 8) {
        return 0;
    } else {
        next = pixConvertTo8(*pix, 0);
    }
    if (!next)
        return -1;
    pixDestroy(pix);
    *pix = next;
    return 0;
}

static void copy_row_grey(const l_uint32 *src, int width, enum image_format format, uint8_t *dst)
{
    for (int x = 0; x < width; x++) {
        uint8_t v = (uint8_t)(src[x >> 2] >> (24 - 8 * (x & 3)));
        if (format == IMAGE_GREY8)
            dst[x] = v;
        else
            dst[3 * x] = dst[3 * x + 1] = dst[3 * x + 2] = v;
    }
}

static void copy_row_color(const l_uint32 *src, int width, enum image_format format, uint8_t *dst)
{
    for (int x = 0; x < width; x++) {
        uint32_t r = src[x] >> 24, g = src[x] >> 16 & 0xff, b = src[x] >> 8 & 0xff;
        if (format == IMAGE_GREY8)
            dst[x] = IMAGE_GREY_OF(r, g, b);
        else
            dst[3 * x] = (uint8_t)b, dst[3 * x + 1] = (uint8_t)g, dst[3 * x + 2] = (uint8_t)r;
    }
}

static void copy_rows(PIX *pix, struct image *im)
{
    const l_uint32 *data = pixGetData(pix);
    size_t words = (size_t)pixGetWpl(pix);
    bool grey = pixGetDepth(pix) == 8;
    for (int y = 0; y < im->height_px; y++)
        (grey ? copy_row_grey : copy_row_color)(data + (size_t)y * words, im->width_px, im->format,
                                                im->pixels + (size_t)y * im->stride_bytes);
}

int image_of_pix(PIX **pix, enum image_format format, float dpi, size_t max_px, struct image **ret,
                 struct err *err)
{
    int width = pixGetWidth(*pix), height = pixGetHeight(*pix);
    if (simplify(pix) < 0) {
        pixDestroy(pix);
        return err_fail(err, ERR_MEMORY, "no memory for a picture of %d x %d pixels", width, height);
    }
    int rc = image_alloc(width, height, format, dpi, max_px, ret, err);
    if (rc == 0)
        copy_rows(*pix, *ret);
    pixDestroy(pix);
    return rc;
}

PIX *pix_binarise(const struct image *im, int half)
{
    CLEANUP(image_freep) struct image *grey = NULL;
    CLEANUP(image_freep) struct image *small = NULL;
    const struct image *source = im;
    struct err err = ERR_INIT;
    if (half) {
        if (image_resize(im, MAX(1, im->width_px / 2), MAX(1, im->height_px / 2), &small, &err) < 0)
            return NULL;
        source = small;
    }
    if (source->format != IMAGE_GREY8) {
        if (image_to_grey(source, &grey, &err) < 0)
            return NULL;
        source = grey;
    }
    CLEANUP(pix_freep) PIX *pix8 = NULL;
    if (pix_of_image(source, &pix8, &err) < 0)
        return NULL;
    /* One threshold from the histogram: half way between ink and paper where both are there. */
    PIX *pix1 = NULL;
    if (pixOtsuAdaptiveThreshold(pix8, pixGetWidth(pix8), pixGetHeight(pix8), 0, 0, 0.1f, NULL, &pix1) != 0 ||
        !pix1)
        pix1 = pixThresholdToBinary(pix8, WHITE / 2);
    return pix1;
}
