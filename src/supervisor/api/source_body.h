/*
 * A convert request as JSON. The text of each base64_string goes straight through the decoder into a spool
 * file as it arrives; what is left of the body is small and parsed as a whole at the end.
 */
#ifndef PLATEN_SUPERVISOR_API_SOURCE_BODY_H
#define PLATEN_SUPERVISOR_API_SOURCE_BODY_H

#include "supervisor/api/intake.h"

struct source_body;

struct source_body *source_body_new(struct intake *in, const char *content_type);
void source_body_feed(struct source_body *b, const void *bytes, size_t len);
void source_body_end(struct source_body *b);
void source_body_free(struct source_body *b); /* NULL is accepted */

#endif
