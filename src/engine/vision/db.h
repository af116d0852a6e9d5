/*
 * Post-processing of a DB text detector (Liao et al., "Real-time Scene Text Detection with Differentiable
 * Binarization", 2020): from a map of text probabilities to the quads of text lines. Pure: no model, no
 * image.
 */
#ifndef PLATEN_ENGINE_VISION_DB_H
#define PLATEN_ENGINE_VISION_DB_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/vision/vision.h"

#define DB_MAX_CANDIDATES                                                                                    \
    6000 /* regions of a map that are looked at, in reading order of their first pixel */

struct db_options {
    float threshold;     /* a pixel with more is text */
    float box_threshold; /* a box with a lower mean is dropped */
    float unclip;        /* how far boxes grow: area * unclip / perimeter on every side */
    float min_side_px;   /* of the map; thinner regions are dropped */
    bool dilate;         /* grow text by one pixel to the right and down first */
};

/* Appends a quad for each region, in coordinates of the map (pixel edges: 0 .. width), clipped to it, tall
 * ones in geometric order too. */
int db_quads(const float *map, int width_px, int height_px, const struct db_options *options,
             struct vision_quads *quads, struct err *err);

#endif
