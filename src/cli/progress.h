/* Progress on standard error: a bar on a terminal, lines or JSON on request, nothing in a pipe. */
#ifndef PLATEN_CLI_PROGRESS_H
#define PLATEN_CLI_PROGRESS_H

#include "cli/args.h"
#include "ipc/messages.h"

struct progress; /* opaque */

/* input_count: how many documents there are. */
struct progress *progress_new(enum progress_mode mode, size_t input_count);
void progress_update(struct progress *p, uint32_t job, const char *name, const struct ipc_progress *m);
/* One document ended with this status ("success", "failure", …). */
void progress_end(struct progress *p, uint32_t job, const char *name, const char *status);
/* Clears the bar, so that a message can be written. */
void progress_clear(struct progress *p);
void progress_free(struct progress *p);

#endif
