/* What the end of a worker means for its task. Pure: facts in, verdict out. The worker's own words count
 * least. */
#ifndef PLATEN_SUPERVISOR_SCHED_DEATH_H
#define PLATEN_SUPERVISOR_SCHED_DEATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "process/spawn.h"

enum stop_reason { /* why we ended it; in the order of precedence: the first one given stays */
                   STOP_NONE,
                   STOP_CANCEL,
                   STOP_TIMEOUT,  /* document timeout */
                   STOP_STALLED,  /* no progress */
                   STOP_PROTOCOL, /* sent something that breaks the rules */
                   STOP_SHUTDOWN, /* we are leaving */
                   STOP_LINGER,   /* had reported its end, but did not go */
};

struct death {
    enum stop_reason reason;
    double limit_s;      /* of STOP_TIMEOUT and STOP_STALLED, for the message */
    bool done;           /* sent DONE, and the output is as long as it said */
    int failure_kind;    /* of its FAIL frame, else 0 */
    const char *message; /* of its FAIL frame, or what was wrong with the protocol */
    struct child_exit exit;
    uint64_t data_peak_bytes, data_limit_bytes; /* last sampled; 0: unknown */
};

enum verdict_kind {
    VERDICT_DONE,      /* publish the output */
    VERDICT_FAIL,      /* final */
    VERDICT_BLAME,     /* a process died, perhaps through this task: try again a few times */
    VERDICT_INTERRUPT, /* not its fault: again */
    VERDICT_CANCEL,
};

struct verdict {
    enum verdict_kind kind;
    int error_kind;
    char message[ERR_MESSAGE_BYTES];
};

void death_judge(const struct death *d, struct verdict *ret);

#endif
