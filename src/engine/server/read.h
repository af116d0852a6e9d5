/* READ: finding the lines of a page is one job; reading them is cut into chunks, so that one page keeps every
 * lane busy. The last chunk to end answers. */
#ifndef PLATEN_ENGINE_SERVER_READ_H
#define PLATEN_ENGINE_SERVER_READ_H

#include "engine/server/queue.h"

/* Takes the contents of ask (its regions). One reference, which the DETECT job takes over. */
struct reading *reading_new(struct ipc_read *ask);
void reading_unref(struct reading *r);

/* Finds the lines and pushes the chunks ahead of the client's other jobs; answers itself when there is
 * nothing to read, or on an error. */
void reading_detect(const struct job *job, struct queue *q, const struct vision_lane *lane, int lanes);
void reading_chunk(const struct job *job, const struct vision_lane *lane);

#endif
