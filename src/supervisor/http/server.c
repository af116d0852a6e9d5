/*
 * libmicrohttpd in external epoll mode on the libuv loop. MHD owns sockets and parsing; we own time and
 * order: MHD_run is entered only from the loop (never from inside a callback of MHD), after each event, each
 * resume and each timeout that MHD asks for.
 *
 * Slow clients: MHD's own timeout counts from the last byte, so one byte a minute would hold a connection for
 * ever. The sweep ends such connections by shutting their socket down, which MHD then sees as an end.
 */
#include <netdb.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/http/internal.h"

#define CONNECTION_MEMORY_BYTES (2 * LIMIT_HEADER_BYTES)
#define SWEEP_MS 1000
#define LISTEN_BACKLOG 512

struct http_limits http_limits_default(uint64_t max_body_bytes)
{
    return (struct http_limits){.max_body_bytes = max_body_bytes,
                                .connections = LIMIT_CONNECTIONS,
                                .connections_per_peer = LIMIT_CONNECTIONS_PER_PEER,
                                .idle_s = 60,
                                .header_s = 10,
                                .body_grace_s = 10,
                                .body_rate = 1024,
                                .body_total_s = 600};
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer);

static void run_daemon(struct http_server *s)
{
    if (s->stopping || s->running)
        return;
    s->running = true;
    (void)MHD_run(s->daemon);
    s->running = false;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
        (void)uv_timer_start(&s->timer, on_timer, wait_ms, 0);
    else
        (void)uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void on_epoll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(poll->data);
}

void http_server_kick(struct http_server *s)
{
    if (!s->stopping)
        (void)uv_timer_start(&s->timer, on_timer, 0, 0);
}

/* ---- connections and their clocks ---- */

static bool too_slow(const struct http_server *s, const struct connection *c, int64_t now_ms)
{
    const struct http_request *r = c->request;
    const struct http_limits *l = &s->limits;
    if (!r)
        return now_ms - c->since_ms > 1000 * (int64_t)(c->served ? l->idle_s + l->header_s : l->header_s);
    if (r->ended)
        return false; /* being answered: the service's time, then MHD's write timeout */
    int64_t age_ms = now_ms - r->started_ms;
    if (age_ms > 1000 * (int64_t)l->body_total_s)
        return true;
    return age_ms > 1000 * (int64_t)l->body_grace_s && (int64_t)r->body_bytes < age_ms / 1000 * l->body_rate;
}

/*
 * When a client's last bytes and its end arrive together, MHD (edge-triggered) reads the bytes, stops at the
 * short read, and never hears of the end. So it is looked for here.
 */
static bool ended_unheard(const struct connection *c)
{
    char byte;
    if (c->request && c->request->ended)
        return false;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    int64_t now_ms = clock_mono_ms();
    for (struct connection *c = s->connections; c; c = c->next) {
        if (too_slow(s, c, now_ms) || ended_unheard(c))
            (void)shutdown(c->fd, SHUT_RDWR);
    }
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *c = xnew(struct connection);
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
                                                                       MHD_CONNECTION_INFO_CONNECTION_FD);
        c->fd = info ? info->connect_fd : -1;
        c->since_ms = clock_mono_ms();
        c->next = s->connections;
        c->prev = &s->connections;
        if (c->next)
            c->next->prev = &c->next;
        s->connections = c;
        s->connection_count++;
        *socket_context = c;
        if (!uv_is_active((uv_handle_t *)&s->sweep))
            (void)uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
        return;
    }
    struct connection *c = *socket_context;
    *socket_context = NULL;
    if (!c)
        return;
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->connection_count--;
    free(c);
    if (!s->connections && !s->stopping)
        (void)uv_timer_stop(&s->sweep);
}

/* ---- requests ---- */

struct framing {
    unsigned lengths, encodings;
    bool bad_encoding;
};

static enum MHD_Result count_framing(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct framing *f = cls;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->lengths++;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->encodings++;
        f->bad_encoding = f->bad_encoding || !value || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* What smuggling needs (two lengths, or a length and an encoding) is refused; so are over-long headers. */
static bool headers_acceptable(struct http_request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->mhd,
                                                                   MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info && info->header_size > LIMIT_HEADER_BYTES) {
        http_respond_error(r, 431, "The request's header is larger than 16 KiB.");
        return false;
    }
    struct framing f = {0};
    (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, count_framing, &f);
    if (f.lengths > 1 || (f.lengths > 0 && f.encodings > 0) || f.encodings > 1) {
        http_respond_error(r, 400,
                           "The request's Content-Length and Transfer-Encoding contradict each other.");
        return false;
    }
    if (f.bad_encoding) {
        http_respond_error(r, 501, "Transfer-Encoding must be chunked.");
        return false;
    }
    return true;
}

static void too_large(struct http_request *r)
{
    char detail[128];
    (void)snprintf(detail, sizeof(detail), "The request is larger than %llu bytes (PLATEN_MAX_BODY_SIZE).",
                   (unsigned long long)r->server->limits.max_body_bytes);
    http_respond_error(r, 413, detail);
}

static void preflight(struct http_request *r)
{
    const char *headers = http_request_header(r, "Access-Control-Request-Headers");
    http_add_header(r, "Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, POST");
    http_add_header(r, "Access-Control-Allow-Headers", headers ? headers : "*");
    http_add_header(r, "Access-Control-Max-Age", "600");
    http_add_header(r, "Vary", "Access-Control-Request-Headers");
    http_respond_bytes(r, 200, "text/plain; charset=utf-8", "OK", 2);
}

static enum MHD_Result begin_request(struct http_server *s, struct MHD_Connection *mhd, const char *path,
                                     const char *method, void **request)
{
    struct http_request *r = http_request_new(s, mhd, method, path);
    *request = r;
    const char *length_text = http_request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t length = length_text ? strtoull(length_text, NULL, 10) : 0;
    bool chunked = http_request_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    const char *expect = http_request_header(r, MHD_HTTP_HEADER_EXPECT);
    bool framed = headers_acceptable(r);
    if (!framed) {
        /* answered */
    } else if (length > s->limits.max_body_bytes) {
        too_large(r);
    } else if (strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0 && http_request_header(r, "Origin") &&
               http_request_header(r, "Access-Control-Request-Method")) {
        preflight(r);
    } else {
        r->begun = true;
        s->handler.begin(s->handler.ctx, r);
    }
    if (!r->answered)
        return MHD_YES;
    /*
     * Closing on a client that still sends makes it lose our answer (RST). So a body of reasonable size is
     * read to its end first, unless the client waits for our word (Expect), or the framing cannot be trusted.
     */
    if (framed && (length > 0 || chunked) && !expect && length <= 2 * s->limits.max_body_bytes) {
        r->swallowing = true;
        return MHD_YES;
    }
    r->ended = true;
    return http_request_queue(r);
}

static enum MHD_Result take_body(struct http_request *r, const char *bytes, size_t *len)
{
    struct http_server *s = r->server;
    size_t n = *len;
    r->body_bytes += n;
    *len = 0;
    if (r->body_bytes > 2 * s->limits.max_body_bytes)
        return MHD_NO; /* it was told, in a way, and does not stop */
    if (r->body_bytes > s->limits.max_body_bytes && !r->answered)
        too_large(r);
    if (!r->answered)
        s->handler.body(s->handler.ctx, r, bytes, n);
    r->swallowing = r->answered;
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *path, const char *method,
                                 const char *version, const char *bytes, size_t *len, void **request)
{
    (void)version;
    struct http_server *s = cls;
    struct http_request *r = *request;
    if (!r)
        return begin_request(s, mhd, path, method, request);
    if (*len > 0)
        return take_body(r, bytes, len);
    if (r->dead)
        return MHD_NO;
    if (!r->ended) {
        r->ended = true;
        if (!r->answered)
            s->handler.end(s->handler.ctx, r);
    }
    if (r->answered)
        return http_request_queue(r);
    if (s->stopping)
        return MHD_NO;
    http_request_suspend(r);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    struct http_server *s = cls;
    struct http_request *r = *request;
    *request = NULL;
    if (!r)
        return;
    if (r->begun)
        s->handler.finished(s->handler.ctx, r, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_request_free(r);
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    char line[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(line, sizeof(line), fmt, ap);
#pragma GCC diagnostic pop
    line[strcspn(line, "\n")] = '\0';
    log_debug("http: %s", line);
}

/* ---- making and ending ---- */

static int open_listener(const char *host, int port, int *ret_fd, int *ret_port, struct err *err)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0)
        return err_fail(err, ERR_ARG, "host \"%.200s\": %s", host, gai_strerror(rc));
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    rc = 0;
    if (fd < 0)
        rc = err_errno(err, "socket for %.200s", host);
    else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
             bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
        rc = err_errno(err, "cannot listen on %.200s port %d", host, port);
    freeaddrinfo(list);
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    if (rc == 0 && getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        rc = err_errno(err, "getsockname");
    char number[8] = "0";
    if (rc == 0 &&
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, number, sizeof(number), NI_NUMERICSERV) != 0)
        rc = err_fail(err, ERR_IO, "the bound port of %.200s cannot be read", host);
    if (rc != 0) {
        fd_closep(&fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_port = (int)strtol(number, NULL, 10); /* getnameinfo has written it */
    return 0;
}

static struct MHD_Daemon *start_daemon(struct http_server *s)
{
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                            on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
                            MHD_OPTION_LISTEN_SOCKET, (MHD_socket)s->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                            s->limits.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            s->limits.connections_per_peer, MHD_OPTION_CONNECTION_TIMEOUT, s->limits.idle_s,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    if (--s->open_handles == 0)
        free(s);
}

int http_server_new(uv_loop_t *loop, const char *host, int port, const struct http_handler *handler,
                    const struct http_limits *limits, struct http_server **ret, struct err *err)
{
    int fd = -1, bound_port = 0;
    int rc = open_listener(host, port, &fd, &bound_port, err);
    if (rc != 0)
        return rc;
    struct http_server *s = xnew(struct http_server);
    s->loop = loop;
    s->handler = *handler;
    s->limits = *limits;
    s->listen_fd = fd;
    s->port = bound_port;
    s->daemon = start_daemon(s);
    if (!s->daemon) {
        (void)close(fd);
        free(s);
        return err_fail(err, ERR_IO, "the HTTP server does not start");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || uv_poll_init(loop, &s->poll, info->epoll_fd) != 0) {
        MHD_stop_daemon(s->daemon);
        free(s);
        return err_fail(err, ERR_IO, "the HTTP server has no epoll descriptor");
    }
    (void)uv_timer_init(loop, &s->timer);
    (void)uv_timer_init(loop, &s->sweep);
    s->poll.data = s->timer.data = s->sweep.data = s;
    s->open_handles = 3;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_epoll);
    *ret = s;
    return 0;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->connection_count;
}

void http_server_quiesce(struct http_server *s)
{
    if (s->listen_fd < 0)
        return;
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        (void)close(fd);
    s->listen_fd = -1;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    s->stopping = true;
    for (struct connection *c = s->connections; c; c = c->next) {
        if (c->request) {
            c->request->dead = true;
            http_request_resume(c->request); /* MHD refuses to stop with sleepers */
        }
    }
    (void)uv_poll_stop(&s->poll);
    MHD_stop_daemon(s->daemon);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
    uv_close((uv_handle_t *)&s->sweep, on_handle_closed);
}
