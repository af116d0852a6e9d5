/*
 * The proof that a task has given everything back: its process group is empty, its engine is gone or
 * detached, and no memory of its processes is left. Kept until it holds; after RELEASE_ALARM_MS it is an
 * alarm, and the slot stays in use.
 */
#ifndef PLATEN_SUPERVISOR_SCHED_RELEASE_H
#define PLATEN_SUPERVISOR_SCHED_RELEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RELEASE_ALARM_MS 2000
#define RELEASE_BUCKETS 12

/* platen_release_seconds (histogram) and platen_release_failures_total. */
struct release_counters {
    uint64_t buckets[RELEASE_BUCKETS + 1]; /* each its own, not cumulated; the last: longer than all bounds */
    uint64_t count;
    double sum_s;
    uint64_t failures; /* not proven after RELEASE_ALARM_MS; it may have been later */
};

/* Upper bounds of the buckets, in seconds. */
extern const double release_bounds_s[RELEASE_BUCKETS];

void release_count(struct release_counters *c, double seconds);

/* Is anything left in the group, a corpse that nobody has reaped included? group 0: never. */
bool release_group_exists(pid_t group);
/* Resident memory of the process; 0 when there is none with this number, or (start_ticks not 0) another. */
uint64_t release_rss_bytes(pid_t pid, uint64_t start_ticks);

#endif
