/*
 * Numbered crash points between the durable steps. For tests only: PLATEN_CRASH_AT=n ends the process at
 * point n as kill -9 would (no clean-up, no buffers written). Unset, a point costs one integer compare.
 */
#ifndef PLATEN_SUPERVISOR_STORE_FAILPOINT_H
#define PLATEN_SUPERVISOR_STORE_FAILPOINT_H

enum failpoint {
    FAILPOINT_NONE = 0,
    FAILPOINT_SUBMIT_SYNCED = 1,      /* spool data synced, not renamed */
    FAILPOINT_SUBMIT_RENAMED = 2,     /* renamed, folder not synced */
    FAILPOINT_SUBMIT_SPOOLED = 3,     /* folder synced, no row */
    FAILPOINT_SUBMIT_INSERTED = 4,    /* row inserted, not committed */
    FAILPOINT_SUBMIT_COMMITTED = 5,   /* committed, client not told */
    FAILPOINT_CLAIM_COMMITTED = 6,    /* running, scratch files not made */
    FAILPOINT_CLAIM_PREPARED = 7,     /* scratch files made, worker not started */
    FAILPOINT_FINISH_SYNCED = 8,      /* output synced, not renamed */
    FAILPOINT_FINISH_RENAMED = 9,     /* renamed, folder not synced */
    FAILPOINT_FINISH_PLACED = 10,     /* folder synced, row not updated */
    FAILPOINT_FINISH_UPDATED = 11,    /* row updated, not committed */
    FAILPOINT_FINISH_COMMITTED = 12,  /* committed, spool and input still there */
    FAILPOINT_FINISH_CLEANED = 13,    /* all done, nobody told */
    FAILPOINT_END_COMMITTED = 14,     /* failed, cancelled or queued again; files still there */
    FAILPOINT_REMOVE_COMMITTED = 15,  /* row gone, result file still there */
    FAILPOINT_RECOVER_COMMITTED = 16, /* rows queued again, orphans not swept */
    FAILPOINT_COUNT
};

#define FAILPOINT_EXIT_CODE 99

extern int failpoint_armed;

/* Reads PLATEN_CRASH_AT; call once at start. */
void failpoint_setup(void);
_Noreturn void failpoint_crash(enum failpoint point);

static inline void failpoint_pass(enum failpoint point)
{
    if (failpoint_armed == (int)point)
        failpoint_crash(point);
}

#endif
