/*
 * Separable scaling: each output row first sums its source rows (long, vectorised), then its columns. The
 * weights of an axis are computed once. Invariant: the weights of an output position add up to 1 and touch
 * only the given part of the image.
 */
#include "engine/vision/resize.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/simd.h"

const struct norm norm_half = {
    .mul = {2.0f / 255, 2.0f / 255, 2.0f / 255},
    .add = {-1, -1, -1},
};
const struct norm norm_imagenet = {
    .mul = {1.0f / (255 * 0.229f), 1.0f / (255 * 0.224f), 1.0f / (255 * 0.225f)},
    .add = {-0.485f / 0.229f, -0.456f / 0.224f, -0.406f / 0.225f},
};

/* For each output position: the first source position and `span` weights. */
struct taps {
    int span;
    int *start;
    float *weight;
};

static void taps_done(struct taps *t)
{
    free(t->start);
    free(t->weight);
}

static void taps_area(struct taps *t, int src, int dst)
{
    double scale = (double)src / dst;
    for (int i = 0; i < dst; i++) {
        double from = i * scale, to = (i + 1) * scale;
        int first = MIN((int)from, src - t->span);
        t->start[i] = first;
        for (int k = 0; k < t->span; k++) {
            double covered = fmin(to, first + k + 1) - fmax(from, first + k);
            t->weight[(size_t)i * (size_t)t->span + (size_t)k] = covered > 0 ? (float)(covered / scale) : 0;
        }
    }
}

static void taps_linear(struct taps *t, int src, int dst)
{
    double scale = (double)src / dst;
    for (int i = 0; i < dst; i++) {
        double at = fmax(0, fmin((i + 0.5) * scale - 0.5, src - 1));
        int first = MIN((int)at, src - t->span);
        t->start[i] = first;
        float *w = t->weight + (size_t)i * (size_t)t->span;
        float part = (float)(at - first);
        w[0] = t->span > 1 ? 1 - part : 1;
        if (t->span > 1)
            w[1] = part;
    }
}

static int taps_new(struct taps *t, int src, int dst)
{
    bool shrink = src > dst;
    t->span = MIN(src, shrink ? (int)ceil((double)src / dst) + 1 : 2);
    t->start = try_calloc((size_t)dst, sizeof(int));
    t->weight = try_calloc((size_t)dst * (size_t)t->span, sizeof(float));
    if (!t->start || !t->weight)
        return ERR_MEMORY;
    if (shrink)
        taps_area(t, src, dst);
    else
        taps_linear(t, src, dst);
    return 0;
}

/* sum = (or +=) row * weight */
SIMD_CLONES static void row_add(float *restrict sum, const uint8_t *restrict row, size_t count, float weight,
                                bool first)
{
    if (first)
        for (size_t i = 0; i < count; i++)
            sum[i] = (float)row[i] * weight;
    else
        for (size_t i = 0; i < count; i++)
            sum[i] += (float)row[i] * weight;
}

static void row_columns_grey(const struct taps *t, const float *sum, float *out, int width)
{
    const float *w = t->weight;
    for (int x = 0; x < width; x++, w += t->span) {
        const float *s = sum + t->start[x];
        float v = 0;
        for (int k = 0; k < t->span; k++)
            v += s[k] * w[k];
        out[x] = v;
    }
}

static void row_columns_bgr(const struct taps *t, const float *sum, float *out, int width)
{
    const float *w = t->weight;
    for (int x = 0; x < width; x++, w += t->span) {
        const float *s = sum + 3 * (size_t)t->start[x];
        float b = 0, g = 0, r = 0;
        for (int k = 0; k < t->span; k++, s += 3) {
            b += s[0] * w[k];
            g += s[1] * w[k];
            r += s[2] * w[k];
        }
        out[x] = b;
        out[width + x] = g;
        out[2 * width + x] = r;
    }
}

SIMD_CLONES static void row_norm(float *restrict out, const float *restrict in, int width, float mul,
                                 float add)
{
    for (int x = 0; x < width; x++)
        out[x] = in[x] * mul + add;
}

static void resize_rows(const struct vision_image *im, const uint8_t *origin, int width_px,
                        const struct taps *tx, const struct taps *ty, const struct norm *norm,
                        struct planes *out, float *sum, float *line)
{
    size_t row_len = (size_t)width_px * (size_t)im->channels;
    for (int y = 0; y < out->height_px; y++) {
        bool first = true;
        for (int k = 0; k < ty->span; k++) {
            float w = ty->weight[(size_t)y * (size_t)ty->span + (size_t)k];
            if (w == 0)
                continue;
            row_add(sum, origin + (size_t)(ty->start[y] + k) * im->stride_bytes, row_len, w, first);
            first = false;
        }
        if (im->channels == 1)
            row_columns_grey(tx, sum, line, out->width_px);
        else
            row_columns_bgr(tx, sum, line, out->width_px);
        for (int c = 0; c < 3; c++) {
            const float *in = im->channels == 1 ? line : line + (size_t)c * (size_t)out->width_px;
            row_norm(out->data + (size_t)c * out->plane_floats + (size_t)y * out->row_floats, in,
                     out->width_px, norm->mul[c], norm->add[c]);
        }
    }
}

int resize_into(const struct vision_image *im, int left, int top, int width_px, int height_px,
                const struct norm *norm, struct planes *out, struct err *err)
{
    if (im->channels != 1 && im->channels != 3)
        return err_fail(err, ERR_ARG, "an image with %d channels", im->channels);
    if (left < 0 || top < 0 || width_px < 1 || height_px < 1 || width_px > im->width_px - left ||
        height_px > im->height_px - top || out->width_px < 1 || out->height_px < 1)
        return err_fail(err, ERR_ARG, "a part of %d x %d px at %d, %d of a %d x %d px image", width_px,
                        height_px, left, top, im->width_px, im->height_px);
    struct taps tx = {0}, ty = {0};
    float *sum = try_malloc((size_t)width_px * (size_t)im->channels * sizeof(float));
    float *line = try_malloc((size_t)out->width_px * 3 * sizeof(float));
    int r = 0;
    if (!sum || !line || taps_new(&tx, width_px, out->width_px) || taps_new(&ty, height_px, out->height_px)) {
        r = err_fail(err, ERR_MEMORY, "no memory to scale an image of %d x %d px", width_px, height_px);
        goto out;
    }
    const uint8_t *origin = im->pixels + (size_t)top * im->stride_bytes + (size_t)left * (size_t)im->channels;
    resize_rows(im, origin, width_px, &tx, &ty, norm, out, sum, line);
out:
    taps_done(&tx);
    taps_done(&ty);
    free(sum);
    free(line);
    return r;
}
