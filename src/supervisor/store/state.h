/*
 * The life of a task as pure numbers: which event is allowed in which state, and what it leads to. No I/O, no
 * clock: the store asks it inside the transaction, and a table-driven test knows every pair.
 */
#ifndef PLATEN_SUPERVISOR_STORE_STATE_H
#define PLATEN_SUPERVISOR_STORE_STATE_H

#include "base/err.h"

enum life_state {                /* values are stored in the database */
                  LIFE_NONE = 0, /* no row */
                  LIFE_QUEUED = 1,
                  LIFE_RUNNING = 2,
                  LIFE_SUCCESS = 3,
                  LIFE_FAILURE = 4,
                  LIFE_CANCELLED = 5,
                  LIFE_STATE_COUNT
};

enum life_event {
    LIFE_SUBMIT,
    LIFE_CLAIM,
    LIFE_FINISH,    /* the worker's output is in place */
    LIFE_FAIL,      /* typed and final */
    LIFE_BLAME,     /* a child died on it: again, or failed after LIFE_BLAMED_MAX */
    LIFE_INTERRUPT, /* not its fault (drain, supervisor death): again */
    LIFE_CANCEL,
    LIFE_FETCH, /* the result was sent to its last byte */
    LIFE_REMOVE,
    LIFE_EVENT_COUNT
};

#define LIFE_BLAMED_MAX 3

struct life {
    enum life_state state;
    int attempt;     /* every start */
    int blamed;      /* starts that ended with the death of a child */
    int interrupted; /* starts that ended for no fault of the task */
};

/*
 * Applies the event. ERR_NOTFOUND when there is no task, ERR_BUSY when the event does not fit the state (the
 * caller's news is stale: drop it); *life is then unchanged.
 */
int life_step(struct life *life, enum life_event event, struct err *err);

/* Has the task ended? Its sources are of no more use then. */
int life_ended(enum life_state state);

const char *life_state_name(enum life_state state);
const char *life_event_name(enum life_event event);

#endif
