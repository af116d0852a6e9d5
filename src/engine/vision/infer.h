/* What every model run here shares: a zeroed input of planes, and the inference on a lane with a check of
 * what came back. */
#ifndef PLATEN_ENGINE_VISION_INFER_H
#define PLATEN_ENGINE_VISION_INFER_H

#include "base/err.h"
#include "engine/vision/resize.h"
#include "engine/vision/vision.h"

/* One picture of three planes, rows and planes packed; all 0. Free data. */
int input_new(int width_px, int height_px, struct planes *ret, struct err *err);

/* The top left width_px x height_px of the planes. */
struct planes input_part(const struct planes *all, int width_px, int height_px);

/* Runs the model on the whole input. ERR_FORMAT when it gives fewer than `want` outputs. Outputs are borrowed
 * until the lane's next run. */
int infer_planes(const struct vision_lane *l, enum model_role role, const struct planes *input,
                 struct tensor *ret_outputs, int want, struct err *err);

/* ERR_ARG unless the image has a size, pixels and 1 or 3 channels. */
int image_check(const struct vision_image *im, struct err *err);

#endif
