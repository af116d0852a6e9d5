/* See release.h. */
#include "supervisor/sched/release.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdio.h"

#define FIELD_START 22 /* of /proc/PID/stat, counted from 1 */
#define FIELD_RSS 24   /* pages */

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
    char path[40], text[1024];
    if (pid <= 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1, &n, NULL) < 0)
        return 0;
    text[n] = '\0';
    const char *s = strrchr(text, ')'); /* the name may hold anything; what follows it is field 3 */
    uint64_t start = 0, pages = 0;
    for (int field = 3; s && field <= FIELD_RSS; field++) {
        s = strchr(s + 1, ' ');
        if (s && field == FIELD_START)
            start = strtoull(s, NULL, 10);
        if (s && field == FIELD_RSS)
            pages = strtoull(s, NULL, 10);
    }
    return start_ticks == 0 || start == start_ticks ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
