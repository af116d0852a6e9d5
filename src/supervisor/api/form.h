/* A convert request as multipart form: files stream into the spool, the other fields are options. */
#ifndef PLATEN_SUPERVISOR_API_FORM_H
#define PLATEN_SUPERVISOR_API_FORM_H

#include "supervisor/api/intake.h"

struct form;

/* NULL when the content type is not a form; the intake is refused then. */
struct form *form_new(struct intake *in, const char *content_type);
void form_feed(struct form *f, const void *bytes, size_t len);
void form_end(struct form *f);
void form_free(struct form *f); /* NULL is accepted */

#endif
