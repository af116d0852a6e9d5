/*
 * The page understanding that needs a model, each a pure function of an image and a lane's models. Pixels are
 * as in ipc_page (grey or BGR). Results are in page pixels. Any lane may call any function; no state is
 * shared but the models.
 */
#ifndef PLATEN_ENGINE_VISION_VISION_H
#define PLATEN_ENGINE_VISION_VISION_H

#include <stdatomic.h>

#include "base/err.h"
#include "engine/models/models.h"
#include "ipc/messages.h"

struct vision_image {
    const uint8_t *pixels;
    int width_px, height_px;
    size_t stride_bytes;
    int channels; /* 1 grey, 3 BGR */
    float dpi;    /* 0: unknown */
};

struct vision_lane {
    struct models *models;
    int lane;
    atomic_int_least64_t
        *first_us; /* set once, to the monotonic time at which an inference first began; or NULL */
};

/* A detected text line before it is read: quad as in struct ipc_line, and the detector's score. */
struct vision_quad {
    float quad[8];
    float score;
};
struct vision_quads {
    struct vision_quad *items;
    size_t count, cap;
};

/* DB text detection (Liao et al. 2020; PP-OCRv6 post-processing). small: the small detector, else tiny.
 * Sorted top to bottom, left to right. */
int vision_detect(const struct vision_lane *l, const struct vision_image *im, bool small,
                  struct vision_quads *ret, struct err *err);
void vision_quads_done(struct vision_quads *q);

/*
 * Reads the given quads (CTC). Fills text and score of out[i] for quads[i]; lines that cannot be read get
 * text "" and score 0. mode auto: tiny first, lines in doubt again with small, the better score is kept. A
 * page's quads may be cut into several calls on several lanes.
 */
int vision_read(const struct vision_lane *l, const struct vision_image *im, const struct vision_quad *quads,
                size_t count, enum ipc_read_mode mode, bool textline_cls, struct ipc_line *out,
                struct err *err);

int vision_orient(const struct vision_lane *l, const struct vision_image *im, struct ipc_orientation *ret,
                  struct err *err);
int vision_layout(const struct vision_lane *l, const struct vision_image *im, struct ipc_regions *ret,
                  struct err *err);
/* The structure of the table inside box. Cells in reading order, boxes in page pixels. */
int vision_table(const struct vision_lane *l, const struct vision_image *im, struct ipc_box box,
                 struct ipc_grid *ret, struct err *err);

#endif
