/* From the token sequence of a table structure model (SLANet) to a grid of cells. Pure. */
#ifndef PLATEN_ENGINE_VISION_SLANET_H
#define PLATEN_ENGINE_VISION_SLANET_H

#include "base/err.h"
#include "ipc/messages.h"

struct slanet_output {
    const float *boxes;  /* steps x 8: four corners x, y as parts of the model's square input */
    const float *tokens; /* steps x classes */
    size_t steps, classes;
};

/*
 * Tokens are HTML: class 0 begins, the last class ends, those between are the dictionary. scale_x, scale_y
 * turn a part of the input into pixels, and (left, top) is added. Cells with spans take the place that HTML
 * gives them. ERR_FORMAT when classes and dictionary do not fit.
 */
int slanet_decode(const struct slanet_output *o, const char *const *dictionary, size_t dictionary_count,
                  float left, float top, float scale_x, float scale_y, struct ipc_grid *ret, struct err *err);

#endif
