/*
 * Private to api: one request on its way through the API. A call lives until its request is finished and no
 * submit is pending; so a client may leave at any time, and what was begun for it is found again here.
 */
#ifndef PLATEN_SUPERVISOR_API_CALL_H
#define PLATEN_SUPERVISOR_API_CALL_H

#include <jansson.h>

#include "supervisor/api/api.h"
#include "supervisor/api/form.h"
#include "supervisor/api/intake.h"
#include "supervisor/api/source_body.h"

#define TENANT_BYTES 129

struct call;

struct api {
    uv_loop_t *loop;
    struct service *service;
    const struct settings *settings;
    size_t calls; /* alive */
};

struct route {
    const char *method;
    const char *path;              /* a trailing '/' takes a task id behind it */
    bool key;                      /* needs the API key, when there is one */
    void (*begin)(struct call *c); /* optional, at the headers */
    void (*end)(struct call *c);
};

struct call {
    struct api *api;
    struct http_request *request; /* NULL once finished */
    const struct route *route;
    char tenant[TENANT_BYTES];
    char task_id[TASK_ID_BYTES];
    /* convert */
    bool has_intake, async, submitting;
    struct intake intake;
    struct form *form;
    struct source_body *source;
    /* waiting for a task */
    uint64_t watch;
    uv_timer_t *timer;
    int first_state;
    bool drop_result; /* sync: the result goes when the call ends, sent or not */
    bool sending_result;
    bool cancel_on_leave;
};

/* reply.c: answers in the API's shapes */
void reply_json(struct call *c, int status, json_t *json); /* takes json */
void reply_detail(struct call *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void reply_problem(struct call *c, const char *type, const char *const *loc, size_t loc_count,
                   const char *msg);
void reply_status(struct call *c, const struct task_status *status);
void reply_task_failure(struct call *c, int http_status, const struct task_status *status);
/* Streams the result of a finished task; failed tasks are answered with failure_status (0: by the table of
 * error kinds). */
void reply_result(struct call *c, int failure_status);

/* wait.c: until a task changes, or time is up. Either callback may answer; both end the waiting first. */
void wait_begin(struct call *c, double timeout_s, service_watch_cb *on_change, uv_timer_cb on_timeout);
void wait_end(struct call *c);

/* convert.c */
void convert_form_begin(struct call *c);
void convert_source_begin(struct call *c);
void convert_end(struct call *c);

/* tasks.c */
void tasks_poll(struct call *c);
void tasks_result(struct call *c);
void tasks_cancel(struct call *c);
void tasks_clear_results(struct call *c);

/* api.c: frees the call when nothing holds it any more. */
void call_release(struct call *c);
/* Finished tasks do not change any more. */
bool task_state_final(enum task_state state);

#endif
