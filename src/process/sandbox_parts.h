/* Inside of the sandbox: its two halves, which the probe tries one by one. Not for other folders. */
#ifndef PLATEN_PROCESS_SANDBOX_PARTS_H
#define PLATEN_PROCESS_SANDBOX_PARTS_H

#include "process/sandbox.h"

/* Highest Landlock ABI of this kernel; 0: none. */
int sandbox_landlock_abi(void);
/* Puts Landlock on. The ABI must be above 0. */
int sandbox_landlock_apply(const struct sandbox_policy *policy, int abi, struct err *err);

/* Puts the filter on. no_open: nothing can be opened, not even for reading. */
int sandbox_seccomp_apply(enum sandbox_role role, bool no_open, struct err *err);

#endif
