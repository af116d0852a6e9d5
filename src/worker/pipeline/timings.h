/* How long each stage of a conversion took; the response shows it in docling's shape. */
#ifndef PLATEN_WORKER_PIPELINE_TIMINGS_H
#define PLATEN_WORKER_PIPELINE_TIMINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stage {
    STAGE_OPEN,   /* document: the file, its page count */
    STAGE_PARSE,  /* page: its text layer */
    STAGE_RENDER, /* page: its picture */
    STAGE_ORIENT, /* page, as are layout and read: from the question to the engine's answer */
    STAGE_LAYOUT,
    STAGE_READ,
    STAGE_TABLE,    /* page: all ways of finding tables */
    STAGE_ASSEMBLE, /* document: blocks, labels, items */
    STAGE_EXPORT,   /* document: all formats asked for */
    STAGE_COUNT
};

struct stopwatch {
    int64_t mono_us, wall_ms;
};

struct timing {
    double seconds;
    int64_t start_wall_ms;
};

struct timings {
    struct stage_times {
        struct timing *items;
        size_t count, cap;
    } stages[STAGE_COUNT];
};

const char *stage_name(enum stage s);
bool stage_is_of_page(enum stage s);

struct stopwatch stopwatch_start(void);
/* Records the time since the start. t may be NULL: nothing is kept. */
void timings_add(struct timings *t, enum stage s, struct stopwatch since);
void timings_done(struct timings *t);

#endif
