/* What the kernel tells of a process: enough to know whether a pid is still the process it was, and its
 * memory. */
#ifndef PLATEN_PROCESS_STAT_H
#define PLATEN_PROCESS_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
    uint64_t start_ticks; /* since boot; with the pid it names one process for ever */
    uint64_t rss_pages;
};

/* False when there is no such process. */
bool process_stat_read(pid_t pid, struct process_stat *ret);

#endif
