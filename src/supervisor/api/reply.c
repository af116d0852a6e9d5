/* Answers in docling-serve's shapes. All JSON of the API but the result documents (which workers write) is
 * made here. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "supervisor/api/call.h"

#define JSON_TYPE "application/json"

bool task_state_final(enum task_state state)
{
    return state == TASK_SUCCESS || state == TASK_FAILURE || state == TASK_CANCELLED;
}

void reply_json(struct call *c, int status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) { /* only text that is not UTF-8 gets here, and that is ours to keep out */
        log_error("request %s: the answer cannot be written as JSON", http_request_id(c->request));
        reply_detail(c, 500, "Internal Server Error");
        return;
    }
    http_respond_bytes(c->request, status, JSON_TYPE, text, strlen(text));
    free(text);
}

void reply_detail(struct call *c, int status, const char *fmt, ...)
{
    char detail[640];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    struct buf b = BUF_INIT(8192);
    buf_puts(&b, "{\"detail\":");
    buf_put_json(&b, detail, strlen(detail)); /* replaces what is not UTF-8 */
    buf_putc(&b, '}');
    http_respond_bytes(c->request, status, JSON_TYPE, buf_str(&b), b.len);
    buf_done(&b);
}

void reply_problem(struct call *c, const char *type, const char *const *loc, size_t loc_count,
                   const char *msg)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < loc_count; i++)
        (void)json_array_append_new(parts, json_string(loc[i]));
    reply_json(c, 422, json_pack("{s:[{s:s, s:o, s:s}]}", "detail", "type", type, "loc", parts, "msg", msg));
}

/* Worker text is hostile: what is not UTF-8 is replaced. */
static json_t *text_json(const char *text)
{
    struct buf b = BUF_INIT(8 * ERR_MESSAGE_BYTES);
    buf_put_json(&b, text, strlen(text));
    json_t *value = json_loadb(buf_str(&b), b.len, JSON_DECODE_ANY, NULL);
    buf_done(&b);
    return value ? value : json_string("");
}

static int kind_of(const struct task_status *s)
{
    return s->error_kind != 0 ? s->error_kind : s->state == TASK_CANCELLED ? ERR_CANCELLED : ERR_BUG;
}

static json_t *failure_json(const struct task_status *s)
{
    const struct err_traits *traits = err_traits(kind_of(s));
    const char *message = *s->error_message            ? s->error_message
                          : s->state == TASK_CANCELLED ? "The task was cancelled."
                                                       : "The task failed.";
    json_t *details = json_pack("{s:s, s:s, s:o}", "task_id", s->id, "error", traits->name, "stage",
                                text_json(s->stage));
    return json_pack("{s:s, s:o, s:b, s:s, s:o}", "category", traits->category, "message", text_json(message),
                     "retryable", traits->retryable, "phase", "execution", "details", details);
}

static json_t *status_json(const struct task_status *s)
{
    static const char *const names[TASK_STATE_COUNT] = {"pending", "started", "success", "failure",
                                                        "failure"};
    bool failed = s->state == TASK_FAILURE || s->state == TASK_CANCELLED;
    json_t *meta = json_null();
    if (s->num_docs > 0)
        meta = json_pack("{s:i, s:i, s:i, s:i, s:i}", "num_docs", (int)s->num_docs, "num_processed",
                         (int)s->num_processed, "num_succeeded", (int)s->num_succeeded,
                         "num_partially_succeeded", (int)s->num_partial, "num_failed", (int)s->num_failed);
    json_t *position = s->state == TASK_PENDING && s->position > 0 ? json_integer(s->position) : json_null();
    json_t *message = json_null();
    if (failed)
        message = text_json(*s->error_message            ? s->error_message
                            : s->state == TASK_CANCELLED ? "The task was cancelled."
                                                         : "The task failed.");
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "task_id", s->id, "task_type", "convert",
                     "task_status", names[s->state], "task_position", position, "task_meta", meta,
                     "error_message", message, "failure", failed ? failure_json(s) : json_null());
}

void reply_status(struct call *c, const struct task_status *status)
{
    /* Pages have no place in docling-serve's body; a header does not disturb its clients. */
    if (status->pages_total > 0 && c->request) {
        char pages[32];
        (void)snprintf(pages, sizeof(pages), "%u/%u", status->pages_done, status->pages_total);
        http_add_header(c->request, "X-Platen-Pages", pages);
    }
    reply_json(c, 200, status_json(status));
}

void reply_task_failure(struct call *c, int http_status, const struct task_status *status)
{
    if (http_status == 0)
        http_status = err_traits(kind_of(status))->http_status;
    reply_json(c, http_status,
               json_pack("{s:s, s:o}", "kind", "TaskFailureResult", "failure", failure_json(status)));
}

static void add_disposition(struct call *c, const char *filename)
{
    char value[128];
    if (!*filename || strpbrk(filename, "\"\\\r\n"))
        return;
    (void)snprintf(value, sizeof(value), "attachment; filename=\"%s\"", filename);
    http_add_header(c->request, "Content-Disposition", value);
}

void reply_result(struct call *c, int failure_status)
{
    struct task_result result = {.fd = -1};
    struct err err = ERR_INIT;
    int rc = service_result(c->api->service, c->task_id, c->tenant, &result, &err);
    if (rc != 0) {
        if (rc == ERR_NOTFOUND || rc == ERR_BUSY)
            reply_detail(c, 404, "Task result not found. Please wait for a completion status.");
        else
            reply_detail(c, err_traits(rc)->http_status, "%s", err.message);
        return;
    }
    if (result.fd < 0) {
        if (task_state_final(result.status.state))
            reply_task_failure(c, failure_status, &result.status);
        else
            reply_detail(c, 404, "Task result not found. Please wait for a completion status.");
        return;
    }
    c->sending_result = true;
    add_disposition(c, result.filename);
    http_respond_fd(c->request, 200, *result.content_type ? result.content_type : JSON_TYPE, result.fd,
                    result.bytes);
}
