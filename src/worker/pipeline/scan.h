/* A page image made ready for reading: scaled, grey, upright, level. */
#ifndef PLATEN_WORKER_PIPELINE_SCAN_H
#define PLATEN_WORKER_PIPELINE_SCAN_H

#include <stdbool.h>

#include "worker/pipeline/vision.h"
#include "worker/reader/reader.h"

/* The resolution at which to render a page that will be read. */
float scan_dpi(struct reader *r, int page, float width_pt, float height_pt);

/* Renders; grey unless colour is to be kept for pictures. */
int scan_render(struct reader *r, int page, float width_pt, float height_pt, bool keep_colour,
                struct image **ret, struct err *err);

/* The inked part of the page, at most side_px wide and high: enough to tell which way is up. */
int scan_thumbnail(const struct image *im, float side_px, struct image **ret, struct err *err);

/* Levels a page that stands upright (skew of 0.3° to 15°); replaces *im. */
int scan_level(struct image **im, struct err *err);

/* Horizontal and vertical ruling lines in points; malloced. */
int scan_rules(const struct image *im, float pt_per_px, struct reader_segment **ret, size_t *ret_count,
               struct err *err);

#endif
