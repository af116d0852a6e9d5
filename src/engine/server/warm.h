/* Warming: load the models of plain reading and run the shapes that pages usually have, so that the first
 * page finds its kernels built. */
#ifndef PLATEN_ENGINE_SERVER_WARM_H
#define PLATEN_ENGINE_SERVER_WARM_H

#include <stddef.h>

#include "engine/models/models.h"

struct warming {
    size_t next; /* step */
    float *input;
    size_t cap;
};

/* One short step for this lane: 1 when there are more, 0 after the last, or an error (no more steps then). */
int warm_step(struct warming *w, struct models *models, int lane, int lanes, struct err *err);
void warm_done(struct warming *w);

#endif
