/* The clean environment of every child: PATH, LANG=C.UTF-8, TZ and nothing else of ours (no keys, no
 * proxies). */
#ifndef PLATEN_SUPERVISOR_SCHED_ENVIRONMENT_H
#define PLATEN_SUPERVISOR_SCHED_ENVIRONMENT_H

struct environment {
    char *owned[2];
    const char *vars[4]; /* NULL-terminated */
};

void environment_init(struct environment *e);
void environment_done(struct environment *e);

#endif
