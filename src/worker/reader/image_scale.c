/*
 * Scaling, one axis after the other: each output sample is a weighted sum of input samples. Where the side
 * shrinks the weights are the areas covered, so nothing is skipped (thin strokes survive); where it grows
 * they are bilinear. Integer weights sum to WEIGHT_ONE exactly, so that flat areas stay flat.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/internal.h"

#define WEIGHT_BITS 14
#define WEIGHT_ONE (1 << WEIGHT_BITS)
#define FACTOR_MAX 64.0f

struct tap { /* the samples that make one output sample */
    int first, count;
    const uint16_t *weights;
};

struct taps {
    struct tap *taps;
    uint16_t *weights;
};

static void taps_done(struct taps *t)
{
    free(t->taps);
    free(t->weights);
}

/* Rounds to integers that sum to WEIGHT_ONE; the largest takes the difference. */
static void set_weights(const double *w, int count, uint16_t *ret)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += w[i];
    int left = WEIGHT_ONE, largest = 0;
    for (int i = 0; i < count; i++) {
        ret[i] = (uint16_t)lrint(w[i] / sum * WEIGHT_ONE);
        left -= ret[i];
        if (ret[i] > ret[largest])
            largest = i;
    }
    ret[largest] = (uint16_t)(ret[largest] + left);
}

static bool taps_init(struct taps *t, int from, int to)
{
    double ratio = (double)from / to;
    int most = ratio > 1 ? (int)ceil(ratio) + 2 : 2;
    *t = (struct taps){try_calloc((size_t)to, sizeof(*t->taps)),
                       try_calloc((size_t)to * (size_t)most, sizeof(*t->weights))};
    CLEANUP(freep) double *w = try_calloc((size_t)most, sizeof(*w));
    if (!t->taps || !t->weights || !w)
        return false;
    for (int i = 0; i < to; i++) {
        struct tap *tap = &t->taps[i];
        uint16_t *weights = t->weights + (size_t)i * (size_t)most;
        if (ratio > 1) {
            double start = i * ratio, end = MIN((i + 1) * ratio, (double)from);
            tap->first = (int)start;
            for (int k = tap->first; k < from && k < end && tap->count < most; k++)
                w[tap->count++] = MIN(end, k + 1.0) - MAX(start, (double)k);
        } else {
            double centre = MAX((i + 0.5) * ratio - 0.5, 0);
            tap->first = MIN((int)centre, from - 1);
            tap->count = tap->first + 1 < from ? 2 : 1;
            w[0] = 1 - (centre - tap->first);
            w[1] = 1 - w[0];
            if (tap->count == 1)
                w[0] = 1;
        }
        set_weights(w, tap->count, weights);
        tap->weights = weights;
    }
    return true;
}

/* Weighted sum of whole rows into one row; acc has room for `bytes` sums. */
static void mix_rows(const struct image *im, const struct tap *tap, size_t bytes, uint32_t *acc, uint8_t *dst)
{
    memset(acc, 0, bytes * sizeof(*acc));
    for (int k = 0; k < tap->count; k++) {
        const uint8_t *src = im->pixels + (size_t)(tap->first + k) * im->stride_bytes;
        uint32_t weight = tap->weights[k];
        for (size_t i = 0; i < bytes; i++)
            acc[i] += src[i] * weight;
    }
    for (size_t i = 0; i < bytes; i++)
        dst[i] = (uint8_t)((acc[i] + WEIGHT_ONE / 2) >> WEIGHT_BITS);
}

static void mix_columns(const uint8_t *row, const struct tap *taps, int count, enum image_format format,
                        uint8_t *dst)
{
    for (int x = 0; x < count; x++) {
        const struct tap *tap = &taps[x];
        const uint8_t *src = row + (size_t)tap->first * format;
        uint32_t a = WEIGHT_ONE / 2, b = a, c = a;
        if (format == IMAGE_GREY8) {
            for (int k = 0; k < tap->count; k++)
                a += src[k] * (uint32_t)tap->weights[k];
            *dst++ = (uint8_t)(a >> WEIGHT_BITS);
        } else {
            for (int k = 0; k < tap->count; k++, src += 3) {
                uint32_t weight = tap->weights[k];
                a += src[0] * weight, b += src[1] * weight, c += src[2] * weight;
            }
            *dst++ = (uint8_t)(a >> WEIGHT_BITS), *dst++ = (uint8_t)(b >> WEIGHT_BITS),
            *dst++ = (uint8_t)(c >> WEIGHT_BITS);
        }
    }
}

int image_resize(const struct image *im, int width_px, int height_px, struct image **ret, struct err *err)
{
    if (width_px == im->width_px && height_px == im->height_px)
        return image_crop(im, 0, 0, width_px, height_px, ret, err);
    CLEANUP(image_freep) struct image *out = NULL;
    float dpi = im->dpi * (float)width_px / (float)im->width_px;
    int rc = image_alloc(width_px, height_px, im->format, dpi, LIMIT_PAGE_PIXELS, &out, err);
    if (rc < 0)
        return rc;
    size_t bytes = (size_t)im->width_px * im->format;
    CLEANUP(taps_done) struct taps across = {0};
    CLEANUP(taps_done) struct taps down = {0};
    CLEANUP(freep) uint32_t *acc = try_calloc(bytes, sizeof(*acc));
    CLEANUP(freep) uint8_t *row = try_malloc(bytes);
    if (!acc || !row || !taps_init(&across, im->width_px, width_px) ||
        !taps_init(&down, im->height_px, height_px))
        return err_fail(err, ERR_MEMORY, "no memory to scale a picture of %d x %d pixels", im->width_px,
                        im->height_px);
    for (int y = 0; y < height_px; y++) {
        mix_rows(im, &down.taps[y], bytes, acc, row);
        mix_columns(row, across.taps, width_px, im->format, out->pixels + (size_t)y * out->stride_bytes);
    }
    *ret = take_ptr(&out);
    return 0;
}

int image_scale(const struct image *im, float factor, struct image **ret, struct err *err)
{
    if (!(factor > 0 && factor <= FACTOR_MAX))
        return err_fail(err, ERR_ARG, "a picture cannot be scaled by %g", (double)factor);
    double width = MAX(1.0, round(im->width_px * (double)factor)),
           height = MAX(1.0, round(im->height_px * (double)factor));
    if (width * height > LIMIT_PAGE_PIXELS)
        return err_fail(err, ERR_LIMIT, "a picture of %.0f x %.0f pixels, the limit is %u pixels", width,
                        height, LIMIT_PAGE_PIXELS);
    int rc = image_resize(im, (int)width, (int)height, ret, err);
    if (rc == 0)
        (*ret)->dpi = im->dpi * factor;
    return rc;
}
