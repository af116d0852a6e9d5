/* See state.h. One table row per state; what is not named is refused. */
#include "supervisor/store/state.h"

#include <stdbool.h>

#include "base/macros.h"

/* LIFE_NONE as a target stands for "refused", except for LIFE_REMOVE, whose target it is. */
static const enum life_state targets[LIFE_STATE_COUNT][LIFE_EVENT_COUNT] = {
    [LIFE_NONE] = {[LIFE_SUBMIT] = LIFE_QUEUED},
    [LIFE_QUEUED] = {[LIFE_CLAIM] = LIFE_RUNNING, [LIFE_FAIL] = LIFE_FAILURE, [LIFE_CANCEL] = LIFE_CANCELLED},
    [LIFE_RUNNING] = {[LIFE_FINISH] = LIFE_SUCCESS,
                      [LIFE_FAIL] = LIFE_FAILURE,
                      [LIFE_BLAME] = LIFE_QUEUED,
                      [LIFE_INTERRUPT] = LIFE_QUEUED,
                      [LIFE_CANCEL] = LIFE_CANCELLED},
    [LIFE_SUCCESS] = {[LIFE_FETCH] = LIFE_SUCCESS},
    [LIFE_FAILURE] = {[LIFE_FETCH] = LIFE_FAILURE},
    [LIFE_CANCELLED] = {[LIFE_FETCH] = LIFE_CANCELLED},
};

int life_ended(enum life_state state)
{
    return state == LIFE_SUCCESS || state == LIFE_FAILURE || state == LIFE_CANCELLED;
}

const char *life_state_name(enum life_state state)
{
    static const char *const names[] = {"none", "queued", "running", "success", "failure", "cancelled"};
    return (unsigned)state < ARRAY_LEN(names) ? names[state] : "?";
}

const char *life_event_name(enum life_event event)
{
    static const char *const names[] = {"submit",    "claim",  "finish", "fail",  "blame",
                                        "interrupt", "cancel", "fetch",  "remove"};
    return (unsigned)event < ARRAY_LEN(names) ? names[event] : "?";
}

int life_step(struct life *life, enum life_event event, struct err *err)
{
    if (life->state == LIFE_NONE && event != LIFE_SUBMIT)
        return err_fail(err, ERR_NOTFOUND, "no such task");
    enum life_state to = targets[life->state][event];
    bool removed = event == LIFE_REMOVE && life_ended(life->state);
    if (to == LIFE_NONE && !removed)
        return err_fail(err, ERR_BUSY, "%s does not fit a task that is %s", life_event_name(event),
                        life_state_name(life->state));
    switch (event) {
    case LIFE_CLAIM: life->attempt++; break;
    case LIFE_BLAME:
        if (++life->blamed >= LIFE_BLAMED_MAX)
            to = LIFE_FAILURE;
        break;
    case LIFE_INTERRUPT: life->interrupted++; break;
    default: break;
    }
    life->state = to;
    return 0;
}
