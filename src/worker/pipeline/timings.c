/* Times of stages: two clock readings each, so they are always taken. One entry for a page and stage at most.
 */
#include "worker/pipeline/timings.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

const char *stage_name(enum stage s)
{
    static const char *const names[STAGE_COUNT] = {"open", "parse", "render",   "orient", "layout",
                                                   "read", "table", "assemble", "export"};
    return names[s];
}

bool stage_is_of_page(enum stage s)
{
    return s != STAGE_OPEN && s != STAGE_ASSEMBLE && s != STAGE_EXPORT;
}

struct stopwatch stopwatch_start(void)
{
    return (struct stopwatch){clock_mono_us(), clock_wall_ms()};
}

void timings_add(struct timings *t, enum stage s, struct stopwatch since)
{
    if (!t)
        return;
    struct stage_times *st = &t->stages[s];
    *VEC_PUSH(st->items, st->count,
              st->cap) = (struct timing){(double)(clock_mono_us() - since.mono_us) / 1e6, since.wall_ms};
}

void timings_done(struct timings *t)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        free(t->stages[i].items);
    *t = (struct timings){0};
}
