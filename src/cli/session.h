/*
 * A private supervisor for the length of one command: started without a port, spoken to over an inherited
 * socket, gone (with its folder and its children) when the command ends, however it ends.
 */
#ifndef PLATEN_CLI_SESSION_H
#define PLATEN_CLI_SESSION_H

#include <stddef.h>

#include "base/err.h"
#include "ipc/messages.h"

struct session; /* opaque */

struct session_options {
    int workers;              /* documents at once, >= 1 */
    const char *const *extra; /* further flags for platend, NULL-terminated; may be NULL */
    bool verbose;             /* let its log through to stderr; else only warnings and errors */
};

struct session_event {
    uint32_t job;
    uint16_t type; /* IPC_JOB_PROGRESS, IPC_JOB_DONE or IPC_JOB_FAIL */
    struct ipc_progress progress;
    struct ipc_done done;
    int result_fd; /* DONE: the response body, the caller's; else -1 */
    struct ipc_failure failure;
};

int session_open(const struct session_options *o, struct session **ret, struct err *err);
/* Ends the supervisor and waits until it has gone (at most 10 s, then it is killed). NULL is accepted. */
void session_close(struct session *s);

/* fd stays the caller's and may be closed afterwards. */
int session_submit(struct session *s, uint32_t job, const struct ipc_job *m, int fd, struct err *err);
/* Waits for the next event: 1, 0 after timeout_ms without one, ERR_CRASH when the supervisor has died. */
int session_wait(struct session *s, int timeout_ms, struct session_event *ret, struct err *err);

#endif
