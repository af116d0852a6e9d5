/*
 * Scaling of a part of an image into normalised float planes (channels first), as the models want them. A
 * grey image fills three equal planes. Shrinking averages over the covered area (no pixel is skipped);
 * enlarging is bilinear.
 */
#ifndef PLATEN_ENGINE_VISION_RESIZE_H
#define PLATEN_ENGINE_VISION_RESIZE_H

#include "base/err.h"
#include "engine/vision/vision.h"

/* value = pixel * mul + add, a channel (in the order of the image: B, G, R). */
struct norm {
    float mul[3], add[3];
};

/* (v / 255 - 0.5) / 0.5 */
extern const struct norm norm_half;
/* (v / 255 - mean) / std with ImageNet's figures, applied to the channels in the order B, G, R as the models
 * were trained */
extern const struct norm norm_imagenet;

struct planes {
    float *data;
    size_t row_floats;   /* from one row to the next */
    size_t plane_floats; /* from one channel to the next */
    int width_px, height_px;
};

/* ERR_ARG for a part outside the image, ERR_MEMORY. */
int resize_into(const struct vision_image *im, int left, int top, int width_px, int height_px,
                const struct norm *norm, struct planes *out, struct err *err);

#endif
