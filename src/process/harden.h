/*
 * What a child does first thing in its own main(), before any input byte. Kernel features that are missing
 * are reported, not fatal (the supervisor publishes what holds).
 */
#ifndef PLATEN_PROCESS_HARDEN_H
#define PLATEN_PROCESS_HARDEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct harden_limits {
    uint64_t data_bytes;  /* RLIMIT_DATA; 0: leave */
    uint64_t file_bytes;  /* RLIMIT_FSIZE (SIGXFSZ ignored); 0: leave */
    uint64_t cpu_seconds; /* RLIMIT_CPU; 0: leave */
    uint64_t open_files;  /* RLIMIT_NOFILE; 0: leave */
    bool alone; /* RLIMIT_NPROC 1: starts neither process nor thread (root is exempt; the filter is not) */
};

/* PR_SET_PDEATHSIG with the getppid() race check, no core dumps, no new privileges, not dumpable, limits,
 * oom_score_adj 1000. */
int harden_child(pid_t expected_parent, const struct harden_limits *limits, struct err *err);

#endif
