/*
 * What the sandbox can hold on this machine. The supervisor asks once, before it serves: a child program
 * tries each facility in a process of its own by doing what it must forbid. Never inferred from versions.
 */
#ifndef PLATEN_PROCESS_PROBE_H
#define PLATEN_PROCESS_PROBE_H

#include <stdint.h>

#include "process/sandbox.h"

#define PROBE_TEXT_BYTES 200
#define PROBE_FD 3

struct sandbox_report {
    enum sandbox_mode mode;
    unsigned facilities; /* enum sandbox_facility; those that held */
    int landlock_abi;
    bool sanitized; /* the children are sanitizer builds, which leave the filter out */
    int64_t took_ms;
    char text[PROBE_TEXT_BYTES]; /* "nnp,rlimit,seccomp,landlock7,…;missing=cgroup2", for log, /ready and
                                    metrics */
};

/*
 * Starts `program --probe-sandbox`, reads its line and waits for its end; a few seconds at most, a few
 * milliseconds as a rule. Mode off starts nothing. Blocks, so only before the loop runs.
 */
int sandbox_probe(const char *program, enum sandbox_mode mode, struct sandbox_report *ret, struct err *err);

/* 0 when what held is enough for the mode, else ERR_UNSUPPORTED and a sentence that says what to do. */
int sandbox_report_check(const struct sandbox_report *r, struct err *err);

/* The child's part: tries everything and writes the line to the descriptor. Returns an exit status. */
int sandbox_probe_run(int fd);

/* The line, and its reading. ERR_FORMAT when it is none. */
void sandbox_report_print(struct sandbox_report *r); /* fills text from the other fields */
int sandbox_report_parse(const char *line, struct sandbox_report *ret, struct err *err);

#endif
