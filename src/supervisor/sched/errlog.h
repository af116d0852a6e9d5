/* A child's stderr, line by line into our log: escaped, cut to length and limited in rate, for it is hostile
 * text. */
#ifndef PLATEN_SUPERVISOR_SCHED_ERRLOG_H
#define PLATEN_SUPERVISOR_SCHED_ERRLOG_H

#include "base/err.h"

struct uv_loop_s;
struct errlog;

/* *ret_child_fd is for the child's fd 2: close it after the spawn. name: put before each line. */
int errlog_new(struct uv_loop_s *loop, const char *name, struct errlog **ret, int *ret_child_fd,
               struct err *err);
/* Reads what is left (without waiting), then frees. NULL is accepted. */
void errlog_end(struct errlog *e);
/* The last warning or error line so far, "" = none. Borrowed. */
const char *errlog_last(const struct errlog *e);

#endif
