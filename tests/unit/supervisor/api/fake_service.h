/* A service.h in memory: tasks do nothing until the test moves them. */
#ifndef PLATEN_TESTS_FAKE_SERVICE_H
#define PLATEN_TESTS_FAKE_SERVICE_H

#include <uv.h>

#include "supervisor/sched/service.h"

struct service *fake_service_new(void);
void fake_service_free(struct service *s);
int fake_service_open_spools(const struct service *s);
void fake_service_fail_spool(struct service *s, int kind);
void fake_service_fail_submit(struct service *s, int kind);
void fake_service_set_ready(struct service *s, bool ready);
const char *fake_spool_text(const struct spool_file *f);

/* Calls the submit callbacks that wait, as the loop would. */
void fake_service_run_submits(struct service *s);
/* The id of the last task, "" when there is none. */
const char *fake_service_last_id(const struct service *s);
const char *fake_service_last_options(const struct service *s);
/* Moves the last task and tells its watchers. output: the result of a success; NULL with a failure. */
void fake_service_move(struct service *s, enum task_state state, int error_kind, const char *output);
int fake_service_cancelled(const struct service *s);
int fake_service_sent(const struct service *s);
int fake_service_watches(const struct service *s);

#endif
