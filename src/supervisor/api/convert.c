/*
 * Convert calls: body → intake → submit → (sync) wait → result. Invariants: a client that leaves a sync call
 * cancels its task, since nobody else knows the id; an async task goes on, since it was accepted. The result
 * of a sync call is dropped when the call ends.
 */
#include <string.h>

#include "base/mem.h"
#include "supervisor/api/call.h"

static void begin(struct call *c)
{
    const char *path = c->route->path;
    size_t len = strlen(path);
    c->async = len > 6 && strcmp(path + len - 6, "/async") == 0;
    c->has_intake = true;
    intake_init(&c->intake, c->api->service, c->api->settings);
}

void convert_form_begin(struct call *c)
{
    begin(c);
    c->form = form_new(&c->intake, http_request_header(c->request, "Content-Type"));
}

void convert_source_begin(struct call *c)
{
    begin(c);
    c->source = source_body_new(&c->intake, http_request_header(c->request, "Content-Type"));
}

/* ---- the synchronous wait ---- */

static void on_sync_change(void *ctx, const struct task_status *status)
{
    struct call *c = ctx;
    if (!task_state_final(status->state))
        return;
    wait_end(c);
    c->cancel_on_leave = false;
    reply_result(c, 0);
}

static void on_sync_timeout(uv_timer_t *timer)
{
    struct call *c = timer->data;
    wait_end(c);
    c->cancel_on_leave = false;
    /* Nobody learns the id of this task, so it would work for no one. */
    (void)service_cancel(c->api->service, c->task_id, c->tenant, NULL);
    reply_detail(c, 504,
                 "Conversion is taking too long. The maximum wait time is configured as "
                 "DOCLING_SERVE_MAX_SYNC_WAIT=%g.",
                 c->api->settings->max_sync_wait_s);
}

static void submit_failed(struct call *c, int rc, const struct err *err)
{
    int status = rc == ERR_LIMIT || rc == ERR_MEMORY ? 507 : err_traits(rc)->http_status;
    if (rc == ERR_BUSY) {
        char seconds[16];
        (void)snprintf(seconds, sizeof(seconds), "%d", service_retry_after_s(c->api->service));
        http_add_header(c->request, "Retry-After", seconds);
    }
    reply_detail(c, status, "%s", err && *err->message ? err->message : "The task was not accepted.");
}

static void accepted(struct call *c)
{
    struct task_status status;
    struct err err = ERR_INIT;
    int rc = service_status(c->api->service, c->task_id, c->tenant, &status, &err);
    if (rc != 0) {
        reply_detail(c, err_traits(rc)->http_status, "%s", err.message);
        return;
    }
    if (c->async) {
        reply_status(c, &status);
        return;
    }
    c->drop_result = true;
    if (task_state_final(status.state)) {
        reply_result(c, 0);
        return;
    }
    c->cancel_on_leave = true;
    wait_begin(c, c->api->settings->max_sync_wait_s, on_sync_change, on_sync_timeout);
}

static void on_submitted(void *ctx, int rc, const char *task_id, const struct err *err)
{
    struct call *c = ctx;
    c->submitting = false;
    if (rc == 0)
        (void)snprintf(c->task_id, sizeof(c->task_id), "%s", task_id);
    if (!c->request) { /* the client has left */
        if (rc == 0 && !c->async)
            (void)service_cancel(c->api->service, c->task_id, c->tenant, NULL);
        call_release(c);
        return;
    }
    if (rc == 0)
        accepted(c);
    else
        submit_failed(c, rc, err);
}

static void submit(struct call *c)
{
    struct intake *in = &c->intake;
    json_t *options = convert_options_to_json(&in->options);
    char *options_json = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    struct task_source *sources = xnew_array(struct task_source, in->count);
    size_t count = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (in->sources[i].spool)
            sources[count++] = (struct task_source){.file = take_ptr(&in->sources[i].spool),
                                                    .filename = in->sources[i].filename};
    }
    struct task_request request = {
        .tenant = c->tenant,
        .options_json = options_json,
        .sources = sources,
        .source_count = count,
        .document_timeout_s = in->options.document_timeout_s,
        .priority = 1,
        .ephemeral = !c->async,
    };
    struct err err = ERR_INIT;
    c->submitting = true;
    int rc = service_submit(c->api->service, &request, on_submitted, c, &err);
    free(sources);
    free(options_json);
    if (rc != 0) {
        c->submitting = false;
        submit_failed(c, rc, &err);
    }
}

void convert_end(struct call *c)
{
    struct intake *in = &c->intake;
    if (c->form)
        form_end(c->form);
    if (c->source)
        source_body_end(c->source);
    if (intake_ok(in))
        intake_finish(in);
    if (in->refusal_status)
        reply_detail(c, in->refusal_status, "%s", in->refusal);
    else if (json_array_size(in->problems) > 0)
        reply_json(c, 422, json_pack("{s:O}", "detail", in->problems));
    else if (!service_ready(c->api->service))
        reply_detail(c, 503, "The service does not accept new work at the moment.");
    else
        submit(c);
}
