/* Decoding of a PicoDet detector's output: box distributions (DFL) and class scores on four grids, then
 * suppression of overlaps. Pure. */
#ifndef PLATEN_ENGINE_VISION_PICODET_H
#define PLATEN_ENGINE_VISION_PICODET_H

#include <stddef.h>

#include "base/err.h"
#include "engine/backend/backend.h"

#define PICODET_GRIDS 4 /* with cells of 8, 16, 32 and 64 px */

struct picodet_box {
    float left, top, right, bottom; /* px of the model's input */
    float score;
    int label;
};
struct picodet_boxes {
    struct picodet_box *items;
    size_t count, cap;
};

struct picodet_options {
    int width_px, height_px, classes;
    float min_score, max_overlap; /* overlap: intersection over union, within a class */
    size_t max_boxes;             /* a class */
};

/* outputs: the scores of the four grids, then their boxes. Appends to boxes, best first within a class.
 * ERR_FORMAT when the shapes do not fit. */
int picodet_decode(const struct tensor outputs[2 * PICODET_GRIDS], const struct picodet_options *o,
                   struct picodet_boxes *boxes, struct err *err);

#endif
