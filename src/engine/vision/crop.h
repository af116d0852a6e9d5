/* The quad of a text line, put upright and scaled into the planes that a recogniser takes. */
#ifndef PLATEN_ENGINE_VISION_CROP_H
#define PLATEN_ENGINE_VISION_CROP_H

#include "base/err.h"
#include "engine/vision/resize.h"
#include "engine/vision/vision.h"

/* Lengths of a quad in reading direction and across it. */
void crop_size(const float quad[8], float *ret_width, float *ret_height);

/* The quad that begins `quarters` corners later: the same corners, read in another direction. */
void crop_turn(const float quad[8], int quarters, float ret[8]);

/* Fills all of out. Points outside the image take the nearest pixel. */
int crop_into(const struct vision_image *im, const float quad[8], const struct norm *norm, struct planes *out,
              struct err *err);

#endif
