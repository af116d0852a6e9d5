/* Status (a real long poll), result, cancel, clear. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "supervisor/api/call.h"

#define WAIT_MAX_S 300.0

/* A query parameter that must be a number; false after the 422 has been answered. */
static bool number_query(struct call *c, const char *name, double def, double *ret)
{
    const char *text = http_request_query(c->request, name);
    *ret = def;
    if (!text)
        return true;
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) {
        const char *const loc[] = {"query", name};
        reply_problem(c, "float_parsing", loc, ARRAY_LEN(loc),
                      "Input should be a valid number, unable to parse string as a number");
        return false;
    }
    *ret = value;
    return true;
}

/* The status of the call's task; false after the 404 has been answered. */
static bool find_task(struct call *c, struct task_status *ret)
{
    struct err err = ERR_INIT;
    int rc = service_status(c->api->service, c->task_id, c->tenant, ret, &err);
    if (rc == ERR_NOTFOUND)
        reply_detail(c, 404, "Task not found.");
    else if (rc != 0)
        reply_detail(c, err_traits(rc)->http_status, "%s", err.message);
    return rc == 0;
}

static void answer_now(struct call *c)
{
    wait_end(c);
    struct task_status status;
    if (find_task(c, &status))
        reply_status(c, &status);
}

static void on_change(void *ctx, const struct task_status *status)
{
    struct call *c = ctx;
    if ((int)status->state != c->first_state)
        answer_now(c);
}

static void on_timeout(uv_timer_t *timer)
{
    answer_now(timer->data);
}

void tasks_poll(struct call *c)
{
    double wait_s;
    struct task_status status;
    if (!number_query(c, "wait", 0, &wait_s) || !find_task(c, &status))
        return;
    if (wait_s <= 0 || task_state_final(status.state)) {
        reply_status(c, &status);
        return;
    }
    c->first_state = (int)status.state;
    wait_begin(c, MIN(wait_s, WAIT_MAX_S), on_change, on_timeout);
}

void tasks_result(struct call *c)
{
    struct task_status status;
    if (find_task(c, &status))
        reply_result(c, 200);
}

void tasks_cancel(struct call *c)
{
    struct task_status status;
    if (!find_task(c, &status))
        return;
    struct err err = ERR_INIT;
    int rc = task_state_final(status.state) ? 0
                                            : service_cancel(c->api->service, c->task_id, c->tenant, &err);
    if (rc != 0)
        reply_detail(c, err_traits(rc)->http_status, "%s", err.message);
    else if (find_task(c, &status))
        reply_status(c, &status);
}

void tasks_clear_results(struct call *c)
{
    double older_s;
    if (!number_query(c, "older_then", 3600, &older_s))
        return;
    service_clear_results(c->api->service, MAX(older_s, 0));
    reply_json(c, 200, json_pack("{s:s}", "status", "ok"));
}
