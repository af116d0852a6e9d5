/* See release.h. */
#include "supervisor/sched/release.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "process/stat.h"

const double release_bounds_s[RELEASE_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    2,     5};

void release_count(struct release_counters *c, double seconds)
{
    size_t i = 0;
    while (i < RELEASE_BUCKETS && seconds > release_bounds_s[i])
        i++;
    c->buckets[i]++;
    c->count++;
    c->sum_s += seconds;
}

bool release_group_exists(pid_t group)
{
    return group > 1 && (kill(-group, 0) == 0 || errno != ESRCH);
}

uint64_t release_rss_bytes(pid_t pid, uint64_t start_ticks)
{
    struct process_stat stat;
    bool same = process_stat_read(pid, &stat) && (start_ticks == 0 || stat.start_ticks == start_ticks);
    return same ? stat.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
