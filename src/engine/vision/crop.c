/*
 * Upright quads are a plain scaled part of the image. Others are sampled along their own axes: bilinear,
 * several samples a pixel where the line is shrunk, so that thin strokes do not fall between samples.
 */
#include "engine/vision/crop.h"

#include <math.h>

#include "base/mem.h"
#include "engine/vision/geometry.h"

/* A quad whose corners lie this close to an upright rectangle is cut as one. */
#define UPRIGHT_PX 0.75f
#define MAX_SAMPLES 4

void crop_size(const float q[8], float *ret_width, float *ret_height)
{
    *ret_width = fmaxf(hypotf(q[2] - q[0], q[3] - q[1]), hypotf(q[4] - q[6], q[5] - q[7]));
    *ret_height = fmaxf(hypotf(q[6] - q[0], q[7] - q[1]), hypotf(q[4] - q[2], q[5] - q[3]));
}

void crop_turn(const float quad[8], int quarters, float ret[8])
{
    for (int i = 0; i < 8; i++)
        ret[i] = quad[(i + 2 * quarters) % 8];
}

static bool quad_is_upright(const float q[8])
{
    return fabsf(q[1] - q[3]) <= UPRIGHT_PX && fabsf(q[5] - q[7]) <= UPRIGHT_PX &&
           fabsf(q[0] - q[6]) <= UPRIGHT_PX && fabsf(q[2] - q[4]) <= UPRIGHT_PX && q[2] > q[0] && q[5] > q[3];
}

static int clamp_int(float v, int low, int high)
{
    return v <= (float)low ? low : v >= (float)high ? high : (int)v;
}

/* Adds the bilinear value of each channel at (x, y), where pixel i covers i .. i + 1. */
static inline void sample_add(const struct vision_image *im, float x, float y, float sum[3])
{
    x = fminf(fmaxf(x - 0.5f, 0), (float)(im->width_px - 1));
    y = fminf(fmaxf(y - 0.5f, 0), (float)(im->height_px - 1));
    int x0 = (int)x, y0 = (int)y;
    float fx = x - (float)x0, fy = y - (float)y0;
    size_t step = x0 + 1 < im->width_px ? (size_t)im->channels : 0;
    size_t stride = y0 + 1 < im->height_px ? im->stride_bytes : 0;
    const uint8_t *p = im->pixels + (size_t)y0 * im->stride_bytes + (size_t)x0 * (size_t)im->channels;
    for (int c = 0; c < im->channels; c++, p++) {
        float above = (float)p[0] + fx * ((float)p[step] - (float)p[0]);
        float below = (float)p[stride] + fx * ((float)p[stride + step] - (float)p[stride]);
        sum[c] += above + fy * (below - above);
    }
}

struct frame {
    struct point origin, right,
        down; /* point = origin + u * right + v * down + u * v * bend, u and v in 0..1 */
    struct point bend;
};

static void crop_sample(const struct vision_image *im, const struct frame *f, const struct norm *norm,
                        int across, int down, struct planes *out)
{
    float share = 1.0f / (float)(across * down);
    float du = 1.0f / (float)(out->width_px * across), dv = 1.0f / (float)(out->height_px * down);
    for (int y = 0; y < out->height_px; y++) {
        for (int x = 0; x < out->width_px; x++) {
            float sum[3] = {0, 0, 0};
            for (int j = 0; j < down; j++) {
                float v = ((float)(y * down + j) + 0.5f) * dv;
                for (int i = 0; i < across; i++) {
                    float u = ((float)(x * across + i) + 0.5f) * du;
                    sample_add(im, f->origin.x + u * (f->right.x + v * f->bend.x) + v * f->down.x,
                               f->origin.y + u * (f->right.y + v * f->bend.y) + v * f->down.y, sum);
                }
            }
            float *to = out->data + (size_t)y * out->row_floats + (size_t)x;
            for (int c = 0; c < 3; c++)
                to[(size_t)c * out->plane_floats] = sum[im->channels == 1 ? 0 : c] * share * norm->mul[c] +
                                                    norm->add[c];
        }
    }
}

int crop_into(const struct vision_image *im, const float q[8], const struct norm *norm, struct planes *out,
              struct err *err)
{
    if (quad_is_upright(q)) {
        int left = clamp_int(floorf(fminf(q[0], q[6]) + 0.5f), 0, im->width_px - 1);
        int top = clamp_int(floorf(fminf(q[1], q[3]) + 0.5f), 0, im->height_px - 1);
        int right = clamp_int(floorf(fmaxf(q[2], q[4]) + 0.5f), left + 1, im->width_px);
        int bottom = clamp_int(floorf(fmaxf(q[5], q[7]) + 0.5f), top + 1, im->height_px);
        return resize_into(im, left, top, right - left, bottom - top, norm, out, err);
    }
    if (im->channels != 1 && im->channels != 3)
        return err_fail(err, ERR_ARG, "an image with %d channels", im->channels);
    struct frame f = {
        .origin = {q[0], q[1]},
        .right = {q[2] - q[0], q[3] - q[1]},
        .down = {q[6] - q[0], q[7] - q[1]},
        .bend = {q[0] - q[2] + q[4] - q[6], q[1] - q[3] + q[5] - q[7]},
    };
    float width, height;
    crop_size(q, &width, &height);
    int across = clamp_int(ceilf(width / (float)out->width_px - 0.25f), 1, MAX_SAMPLES);
    int down = clamp_int(ceilf(height / (float)out->height_px - 0.25f), 1, MAX_SAMPLES);
    crop_sample(im, &f, norm, across, down, out);
    return 0;
}
