/*
 * One request: its names, its answer, and its sleep. Invariant: a request is suspended only after its body
 * has ended and only while it has no answer, and while it is suspended (MHD looks away then) our own watch
 * sees the client leave.
 */
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/mem.h"
#include "supervisor/http/internal.h"

static bool id_acceptable(const char *id)
{
    size_t len = id ? strlen(id) : 0;
    if (len == 0 || len >= REQUEST_ID_BYTES)
        return false;
    return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static void make_id(struct http_request *r)
{
    const char *theirs = http_request_header(r, "X-Request-Id");
    if (id_acceptable(theirs)) {
        (void)snprintf(r->id, sizeof(r->id), "%s", theirs);
        return;
    }
    uint64_t random[2] = {0};
    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random[0] = (uint64_t)clock_mono_us(); /* early boot: unique enough for a log line */
    (void)snprintf(r->id, sizeof(r->id), "%016llx%016llx", (unsigned long long)random[0],
                   (unsigned long long)random[1]);
}

struct http_request *http_request_new(struct http_server *s, struct MHD_Connection *mhd, const char *method,
                                      const char *path)
{
    struct http_request *r = xnew(struct http_request);
    r->server = s;
    r->mhd = mhd;
    r->method = xstrdup(method);
    r->path = xstrdup(path);
    r->started_ms = clock_mono_ms();
    make_id(r);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->connection = info ? info->socket_context : NULL;
    if (r->connection) {
        r->connection->request = r;
        r->connection->served = true;
    }
    return r;
}

void http_request_free(struct http_request *r)
{
    http_request_stop_watch(r);
    if (r->connection) {
        r->connection->request = NULL;
        r->connection->since_ms = clock_mono_ms();
    }
    if (r->response)
        MHD_destroy_response(r->response);
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    free(r->method);
    free(r->path);
    free(r);
}

const char *http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_request_path(const struct http_request *r)
{
    return r->path;
}

const char *http_request_query(struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_request_header(struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

const char *http_request_id(const struct http_request *r)
{
    return r->id;
}

int64_t http_request_age_ms(const struct http_request *r)
{
    return clock_mono_ms() - r->started_ms;
}

void http_request_set_user(struct http_request *r, void *user)
{
    r->user = user;
}

void *http_request_user(const struct http_request *r)
{
    return r->user;
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_disconnect(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error means the same: nobody is there */
    (void)events;
    struct gone_watch *w = poll->data;
    struct http_request *r = w->request;
    if (!r)
        return;
    r->dead = true;
    http_request_resume(r); /* MHD asks the access handler again, which ends the connection */
}

void http_request_stop_watch(struct http_request *r)
{
    struct gone_watch *w = take_ptr(&r->watch);
    if (!w)
        return;
    w->request = NULL;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

void http_request_suspend(struct http_request *r)
{
    r->suspended = true;
    MHD_suspend_connection(r->mhd);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct gone_watch *w = xnew(struct gone_watch);
    if (!info || uv_poll_init(r->server->loop, &w->poll, info->connect_fd) != 0) {
        free(w); /* without the watch, a client that leaves is seen when we answer */
        return;
    }
    w->poll.data = w;
    w->request = r;
    r->watch = w;
    (void)uv_poll_start(&w->poll, UV_DISCONNECT, on_disconnect);
}

void http_request_resume(struct http_request *r)
{
    if (!r->suspended)
        return;
    http_request_stop_watch(r);
    r->suspended = false;
    MHD_resume_connection(r->mhd);
    http_server_kick(r->server);
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    if (r->header_count == REQUEST_HEADERS_MAX || r->answered)
        return;
    r->headers[r->header_count].name = xstrdup(name);
    r->headers[r->header_count].value = xstrdup(value);
    r->header_count++;
}

static void set_response(struct http_request *r, int status, const char *content_type,
                         struct MHD_Response *response)
{
    if (!response)
        abort(); /* only when memory is gone, as xmalloc does */
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    (void)MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                  "X-Request-Id, Retry-After, Content-Disposition");
    (void)MHD_add_response_header(response, "X-Request-Id", r->id);
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    for (size_t i = 0; i < r->header_count; i++)
        (void)MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    r->answered = true;
    r->response = response;
    r->status = (unsigned)status;
    http_request_resume(r);
}

void http_respond_bytes(struct http_request *r, int status, const char *content_type, const void *bytes,
                        size_t len)
{
    if (r->answered)
        return;
    char *copy = xmalloc(len + 1);
    if (len > 0)
        memcpy(copy, bytes, len);
    set_response(r, status, content_type, MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE));
}

void http_respond_fd(struct http_request *r, int status, const char *content_type, int fd, uint64_t len)
{
    if (r->answered) {
        (void)close(fd);
        return;
    }
    set_response(r, status, content_type, MHD_create_response_from_fd64(len, fd));
}

bool http_responded(const struct http_request *r)
{
    return r->answered;
}

void http_respond_error(struct http_request *r, int status, const char *detail)
{
    struct buf b = BUF_INIT(4096);
    buf_puts(&b, "{\"detail\":");
    buf_put_json(&b, detail, strlen(detail));
    buf_putc(&b, '}');
    http_respond_bytes(r, status, "application/json", buf_str(&b), b.len);
    buf_done(&b);
}

enum MHD_Result http_request_queue(struct http_request *r)
{
    enum MHD_Result rc = MHD_queue_response(r->mhd, r->status, r->response);
    MHD_destroy_response(r->response); /* MHD holds its own reference now */
    r->response = NULL;
    return rc;
}
