/* See failpoint.h. _exit runs no handler and flushes nothing, so what is left is what kill -9 leaves. */
#include "supervisor/store/failpoint.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

int failpoint_armed = FAILPOINT_NONE;

void failpoint_setup(void)
{
    const char *text = getenv("PLATEN_CRASH_AT");
    if (!text)
        return;
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || n <= FAILPOINT_NONE || n >= FAILPOINT_COUNT) {
        log_warning("PLATEN_CRASH_AT=%s is no crash point (1 to %d): ignored", text, FAILPOINT_COUNT - 1);
        return;
    }
    failpoint_armed = (int)n;
    log_warning("PLATEN_CRASH_AT=%ld: this process will end itself there (for tests)", n);
}

_Noreturn void failpoint_crash(enum failpoint point)
{
    log_error("crash point %d reached", (int)point);
    _exit(FAILPOINT_EXIT_CODE);
}
