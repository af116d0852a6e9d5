/* struct vision over the engine's socket. */
#ifndef PLATEN_WORKER_ENGINE_CLIENT_H
#define PLATEN_WORKER_ENGINE_CLIENT_H

#include "worker/pipeline/vision.h"

struct engine_client; /* opaque */

/* The socket stays the caller's. control_sock (or -1) is watched while waiting: *ret of on_control other than
 * 0 ends the wait with that error. */
struct engine_client *engine_client_new(int sock, int control_sock,
                                        int (*on_control)(void *ctx, struct err *err), void *ctx);
void engine_client_free(struct engine_client *c);
/* Borrowed; lives as long as the client. */
const struct vision *engine_client_vision(const struct engine_client *c);

#endif
