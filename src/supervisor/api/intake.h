/*
 * What a convert request amounts to, whichever way it came (form or JSON): options, sources in spool files,
 * and what is wrong with it. Problems are pydantic's ("detail": a list, 422); a refusal is a policy
 * ("detail": a text, any status) and ends the matter.
 */
#ifndef PLATEN_SUPERVISOR_API_INTAKE_H
#define PLATEN_SUPERVISOR_API_INTAKE_H

#include <jansson.h>

#include "conf/convert_options.h"
#include "conf/settings.h"
#include "supervisor/sched/service.h"

struct intake_source {
    struct spool_file *spool; /* owned until intake_take_sources */
    char *filename;
};

struct intake {
    struct service *service;
    const struct settings *settings;
    struct convert_options options;
    json_t *problems;   /* list, in FastAPI's shape */
    int refusal_status; /* 0: none */
    char refusal[512];
    struct intake_source *sources;
    size_t count, cap;
};

void intake_init(struct intake *in, struct service *service, const struct settings *settings);
void intake_done(struct intake *in); /* discards spool files that are still owned */

/* The first refusal counts. Its sources are discarded at once. Returns ERR_ARG for the caller's convenience.
 */
int intake_refuse(struct intake *in, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* loc: parts joined by dots below "body"; numbers become numbers. */
void intake_problem(struct intake *in, const char *type, const char *loc, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void intake_option_problem(struct intake *in, const char *prefix, const struct option_problem *p);
bool intake_ok(const struct intake *in);

/* Opens one more source. 0 and its index, or refused (too many, no space). */
int intake_open(struct intake *in, const char *filename, size_t *ret_index);
/* 0, or refused (too large, no space). */
int intake_write(struct intake *in, size_t index, const void *bytes, size_t len);
/* Names a source afterwards (JSON tells the name at any place). */
void intake_name(struct intake *in, size_t index, const char *filename);
void intake_drop(struct intake *in, size_t index);

/* Applies a target kind of docling-serve; problem_loc as in intake_problem. */
void intake_target(struct intake *in, const char *kind, const char *problem_loc);
/* The checks at the end: at least one source, options that span. */
void intake_finish(struct intake *in);

#endif
