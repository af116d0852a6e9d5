/* See environment.h. */
#include "supervisor/sched/environment.h"

#include <stdlib.h>

#include "base/mem.h"

void environment_init(struct environment *e)
{
    const char *path = getenv("PATH");
    const char *tz = getenv("TZ");
    *e = (struct environment){0};
    e->owned[0] = xasprintf("PATH=%s", path ? path : "/usr/bin:/bin");
    e->vars[0] = e->owned[0];
    e->vars[1] = "LANG=C.UTF-8";
    if (tz) {
        e->owned[1] = xasprintf("TZ=%s", tz);
        e->vars[2] = e->owned[1];
    }
}

void environment_done(struct environment *e)
{
    free(e->owned[0]);
    free(e->owned[1]);
}
