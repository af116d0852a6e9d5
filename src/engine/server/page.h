/* A page image that a client has handed over: a sealed memfd, mapped read-only, shared by reference between
 * the client's table and jobs. */
#ifndef PLATEN_ENGINE_SERVER_PAGE_H
#define PLATEN_ENGINE_SERVER_PAGE_H

#include <stdatomic.h>

#include "engine/vision/vision.h"
#include "ipc/messages.h"

struct page {
    atomic_int refs;
    struct ipc_page info;
    const uint8_t *pixels;
    size_t bytes;
    atomic_int *alive; /* the server's count of pages */
};

/* Checks and maps; the descriptor stays the caller's. ERR_LIMIT for too many pixels, ERR_FORMAT for a memfd
 * that is not what was announced. */
int page_new(const struct ipc_page *info, int fd, atomic_int *alive, struct page **ret, struct err *err);
struct page *page_ref(struct page *p);
void page_unref(struct page *p); /* NULL is fine */
struct vision_image page_image(const struct page *p);

#endif
