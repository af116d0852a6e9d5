/*
 * What the pipeline sees of the engine: begin/end pairs, so that several pages are under way at once. The
 * worker's main implements it over IPC (worker/engine_client.c), tests with a table of answers. Boxes are
 * page-image pixels.
 */
#ifndef PLATEN_WORKER_PIPELINE_VISION_H
#define PLATEN_WORKER_PIPELINE_VISION_H

#include "base/err.h"
#include "ipc/messages.h"
#include "worker/reader/image.h"

struct vision {
    void *ctx;
    /* Hands a copy of the image over; its pixels may be freed afterwards. page_id is the caller's choice,
     * unique while open. */
    int (*page_open)(void *ctx, uint32_t page_id, const struct image *im, struct err *err);
    void (*page_close)(void *ctx, uint32_t page_id);
    /* Each begin returns a ticket at once; the matching end waits for the answer (once per ticket). */
    int (*orient_begin)(void *ctx, uint32_t page_id, uint32_t *ret_ticket, struct err *err);
    int (*orient_end)(void *ctx, uint32_t ticket, struct ipc_orientation *ret, struct err *err);
    int (*layout_begin)(void *ctx, uint32_t page_id, uint32_t *ret_ticket, struct err *err);
    int (*layout_end)(void *ctx, uint32_t ticket, struct ipc_regions *ret, struct err *err);
    int (*read_begin)(void *ctx, const struct ipc_read *ask, uint32_t *ret_ticket, struct err *err);
    int (*read_end)(void *ctx, uint32_t ticket, struct ipc_lines *ret, struct err *err);
    int (*table_begin)(void *ctx, const struct ipc_table_ask *ask, uint32_t *ret_ticket, struct err *err);
    int (*table_end)(void *ctx, uint32_t ticket, struct ipc_grid *ret, struct err *err);
};

#endif
