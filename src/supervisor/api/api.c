/*
 * Routes, the key, the tenant, and the small endpoints. Each request becomes a struct call at its headers;
 * what is wrong with path, method or key is answered there, before a byte of the body is looked at.
 */
#include "supervisor/api/api.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/api/call.h"
#include "supervisor/api/sha256.h"

/* The version of the API that is spoken here: docling-serve's, since clients know its names. */
#define DOCLING_SERVE_API_VERSION "1.38.2"
#define DOCUMENT_VERSION_MIN_MINOR 5

static void end_health(struct call *c)
{
    reply_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

static void end_ready(struct call *c)
{
    if (service_ready(c->api->service))
        end_health(c);
    else
        reply_detail(
            c, 503,
            "The service is not ready: it is starting or stopping, or its store does not accept work.");
}

static void end_version(struct call *c)
{
    if (!c->api->settings->show_version_info) {
        reply_detail(c, 403, "Forbidden. The server is configured for not showing version details.");
        return;
    }
    struct utsname un;
    char platform[160] = "Linux";
    if (uname(&un) == 0)
        (void)snprintf(platform, sizeof(platform), "%.40s-%.60s-%.40s", un.sysname, un.release, un.machine);
    reply_json(c, 200,
               json_pack("{s:s, s:s, s:s}", "platen", PLATEN_VERSION, "docling-serve",
                         DOCLING_SERVE_API_VERSION, "plaform", platform));
}

static const struct route routes[] = {
    {"GET", "/health", false, NULL, end_health},
    {"GET", "/livez", false, NULL, end_health},
    {"GET", "/api", false, NULL, end_health},
    {"GET", "/ready", false, NULL, end_ready},
    {"GET", "/readyz", false, NULL, end_ready},
    {"GET", "/version", false, NULL, end_version},
    {"POST", "/v1/convert/file", true, convert_form_begin, convert_end},
    {"POST", "/v1/convert/file/async", true, convert_form_begin, convert_end},
    {"POST", "/v1/convert/source", true, convert_source_begin, convert_end},
    {"POST", "/v1/convert/source/async", true, convert_source_begin, convert_end},
    {"GET", "/v1/status/poll/", true, NULL, tasks_poll},
    {"GET", "/v1/result/", true, NULL, tasks_result},
    {"GET", "/v1/clear/results", true, NULL, tasks_clear_results},
    {"DELETE", "/v1/tasks/", true, NULL, tasks_cancel},
};

static bool path_matches(const struct route *route, const char *path, const char **ret_rest)
{
    size_t len = strlen(route->path);
    if (route->path[len - 1] != '/')
        return strcmp(path, route->path) == 0;
    if (strncmp(path, route->path, len) != 0 || !path[len] || strchr(path + len, '/'))
        return false;
    *ret_rest = path + len;
    return true;
}

/* The route, or NULL after 404 or 405 has been answered. */
static const struct route *find_route(struct call *c, const char *method, const char *path,
                                      const char **ret_rest)
{
    const struct route *other = NULL;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!path_matches(&routes[i], path, ret_rest))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
        other = &routes[i];
    }
    if (other) {
        http_add_header(c->request, "Allow", other->method);
        reply_detail(c, 405, "Method Not Allowed");
    } else {
        reply_detail(c, 404, "Not Found");
    }
    return NULL;
}

static bool key_accepted(struct call *c)
{
    const char *key = c->api->settings->api_key;
    if (!*key || !c->route->key)
        return true;
    const char *theirs = http_request_header(c->request, "X-Api-Key");
    if (theirs && sha256_same_text(theirs, key))
        return true;
    reply_detail(c, 401, theirs ? "The provided API Key is invalid." : "Api key is required.");
    return false;
}

/* Strict text of a uuid: anything else is no task, and never reaches the store. */
static bool task_id_acceptable(const char *id)
{
    return strlen(id) == TASK_ID_BYTES - 1 && strspn(id, "0123456789abcdef-") == TASK_ID_BYTES - 1;
}

/* Accept-Docling-Document-Version: 1.N.M; older than 1.5.0 or not parseable is refused, as docling-serve
 * does. */
static bool document_version_accepted(struct call *c)
{
    const char *text = http_request_header(c->request, "Accept-Docling-Document-Version");
    if (!text)
        return true;
    unsigned major, minor, patch;
    char rest;
    if (sscanf(text, "%u.%u.%u%c", &major, &minor, &patch, &rest) != 3) {
        reply_detail(c, 422, "Accept-Docling-Document-Version is not a version like 1.5.0.");
        return false;
    }
    if (major < 1 || (major == 1 && minor < DOCUMENT_VERSION_MIN_MINOR)) {
        reply_detail(c, 422, "Accept-Docling-Document-Version must be 1.%d.0 or newer.",
                     DOCUMENT_VERSION_MIN_MINOR);
        return false;
    }
    return true;
}

static bool tenant_accepted(struct call *c)
{
    const char *tenant = http_request_header(c->request, "X-Tenant-Id");
    if (!tenant)
        return true;
    size_t len = strlen(tenant);
    if (len >= TENANT_BYTES) {
        reply_detail(c, 422, "X-Tenant-Id may have at most %d characters.", TENANT_BYTES - 1);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (tenant[i] <= 0x20 || tenant[i] >= 0x7f) {
            reply_detail(c, 422, "X-Tenant-Id may have printable ASCII characters only.");
            return false;
        }
    }
    memcpy(c->tenant, tenant, len + 1);
    return true;
}

static void on_begin(void *ctx, struct http_request *r)
{
    struct api *api = ctx;
    struct call *c = xnew(struct call);
    c->api = api;
    c->request = r;
    api->calls++;
    http_request_set_user(r, c);
    const char *rest = NULL;
    c->route = find_route(c, http_request_method(r), http_request_path(r), &rest);
    if (!c->route || !key_accepted(c) || !tenant_accepted(c) || !document_version_accepted(c))
        return;
    if (rest && !task_id_acceptable(rest)) {
        reply_detail(c, 404, "Task not found.");
        return;
    }
    if (rest)
        memcpy(c->task_id, rest, TASK_ID_BYTES);
    if (c->route->begin)
        c->route->begin(c);
}

static void on_body(void *ctx, struct http_request *r, const void *bytes, size_t len)
{
    (void)ctx;
    struct call *c = http_request_user(r);
    if (c->form)
        form_feed(c->form, bytes, len);
    else if (c->source)
        source_body_feed(c->source, bytes, len);
}

static void on_end(void *ctx, struct http_request *r)
{
    (void)ctx;
    struct call *c = http_request_user(r);
    c->route->end(c);
    /* The intake has done its work: its buffers and files need not stay while the task runs. */
    form_free(take_ptr(&c->form));
    source_body_free(take_ptr(&c->source));
    if (c->has_intake)
        intake_done(&c->intake);
    c->has_intake = false;
}

void call_release(struct call *c)
{
    if (c->request || c->submitting)
        return;
    wait_end(c);
    form_free(c->form);
    source_body_free(c->source);
    if (c->has_intake)
        intake_done(&c->intake);
    c->api->calls--;
    free(c);
}

static void on_finished(void *ctx, struct http_request *r, bool sent)
{
    struct api *api = ctx;
    struct call *c = http_request_user(r);
    log_debug("request id=%s method=%s path=%.100s ms=%lld sent=%d", http_request_id(r),
              http_request_method(r), http_request_path(r), (long long)http_request_age_ms(r), (int)sent);
    c->request = NULL;
    wait_end(c);
    if (c->cancel_on_leave)
        (void)service_cancel(api->service, c->task_id, c->tenant, NULL);
    else if (c->sending_result && (sent || c->drop_result) && strcmp(http_request_method(r), "HEAD") != 0)
        service_result_sent(api->service, c->task_id);
    call_release(c);
}

struct api *api_new(uv_loop_t *loop, struct service *service, const struct settings *settings)
{
    struct api *api = xnew(struct api);
    api->loop = loop;
    api->service = service;
    api->settings = settings;
    return api;
}

struct http_handler api_handler(struct api *api)
{
    return (struct http_handler){
        .ctx = api, .begin = on_begin, .body = on_body, .end = on_end, .finished = on_finished};
}

void api_free(struct api *api)
{
    if (api && api->calls > 0)
        log_warning("api: %zu calls were still open at the end", api->calls);
    free(api);
}
