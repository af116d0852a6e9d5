/*
 * One worker process, from spawn to reaping: its control frames, its deadlines, its log, its death. States:
 *
 *   RUNNING --DONE/FAIL frame--> REPORTED --exit--> ended
 *      |  \--exit--------------------------------> ended
 *      \--stop or deadline--> TERMINATING --grace--> KILLED --exit--> ended
 *   (REPORTED goes to KILLED too, when the worker lingers)
 *
 * Every path ends with `ended` called once, on the loop, after the process is reaped and nothing of its group
 * is left.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_SUPERVISE_H
#define PLATEN_SUPERVISOR_SCHED_SUPERVISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/messages.h"
#include "supervisor/sched/death.h"

struct uv_loop_s;
struct worker;

struct worker_end {
    struct verdict verdict;
    struct ipc_done done; /* when the verdict is VERDICT_DONE */
    struct child_exit exit;
    pid_t pid;
    uint64_t rss_bytes; /* when it was last looked at: at its report, or at a tick before */
    int64_t lived_ms;
};

struct worker_spec {
    const char *program; /* path of platen-worker */
    const char *sandbox; /* mode, or NULL for its default */
    const char *task_id;
    int attempt;
    int input_fd, output_fd, engine_fd; /* stay the caller's; output_fd must stay open until ended */
    const int *source_fds;
    size_t source_count;
    double timeout_s, no_progress_s, grace_s;
    void (*progress)(void *ctx, const struct ipc_progress *progress);
    void (*ended)(void *ctx, const struct worker_end *end); /* the worker object is gone afterwards */
    void *ctx;
};

int worker_start(struct uv_loop_s *loop, const struct worker_spec *spec, struct worker **ret,
                 struct err *err);
/* SIGTERM now (and the CANCEL frame for STOP_CANCEL), SIGKILL after the grace. The first reason counts. */
void worker_stop(struct worker *w, enum stop_reason reason);
pid_t worker_pid(const struct worker *w);

#endif
