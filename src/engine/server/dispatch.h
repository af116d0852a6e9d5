/* From a worker's frame to a page or a job. Runs on the poll thread. */
#ifndef PLATEN_ENGINE_SERVER_DISPATCH_H
#define PLATEN_ENGINE_SERVER_DISPATCH_H

#include "engine/server/queue.h"

/*
 * 0: served, or refused with an answer. Negative: the client broke the protocol, and is to be cut off. The
 * frame's descriptor stays the caller's. pages: the server's count of mapped pages.
 */
int dispatch_request(struct client *c, const struct ipc_frame *f, struct queue *q, atomic_int *pages,
                     struct err *err);

#endif
