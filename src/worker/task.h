/* One task of the worker: its input file, its sources, its output. */
#ifndef PLATEN_WORKER_TASK_H
#define PLATEN_WORKER_TASK_H

#include "conf/convert_options.h"
#include "ipc/messages.h"
#include "worker/pipeline/pipeline.h"

struct task_source {
    int fd;
    char *filename;
};

struct task {
    struct convert_options options;
    int64_t max_pages;
    int64_t page_batch; /* as in struct pipeline_job */
    struct task_source *sources;
    size_t source_count, source_cap;
};

/* Reads and checks the JSON of the input file. ERR_FORMAT, ERR_ARG, ERR_LIMIT. */
int task_read(int input_fd, struct task *ret, struct err *err);
void task_done(struct task *t);

/*
 * Converts all sources and writes the response body to output_fd (from its start, synced). Documents that
 * fail are part of a successful answer; an error is returned only when the task as a whole cannot go on
 * (engine gone, cancelled, output not writable).
 */
int task_run(struct task *t, int output_fd, const struct vision *vision, const struct pipeline_hooks *hooks,
             struct ipc_done *ret, struct err *err);

#endif
