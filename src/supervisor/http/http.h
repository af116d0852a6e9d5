/*
 * The HTTP server: libmicrohttpd on the libuv loop, behind a small request abstraction. It knows nothing of
 * documents. All functions and callbacks run on the loop thread.
 *
 * Life of a request: begin (headers are in) → body … body → end → (any time later) http_respond_* → finished.
 * finished is called exactly once for each request that begin has seen, also when the client leaves or the
 * server stops; the request is invalid afterwards. A handler may respond as early as begin; body and end are
 * not called after that.
 */
#ifndef PLATEN_SUPERVISOR_HTTP_HTTP_H
#define PLATEN_SUPERVISOR_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"

struct http_server;
struct http_request;

struct http_handler {
    void *ctx;
    void (*begin)(void *ctx, struct http_request *r);
    void (*body)(void *ctx, struct http_request *r, const void *bytes, size_t len);
    void (*end)(void *ctx, struct http_request *r);
    /* sent: the whole answer went out. False: the client left, was too slow, or the server stops. */
    void (*finished)(void *ctx, struct http_request *r, bool sent);
};

struct http_limits {
    uint64_t max_body_bytes; /* more is answered with 413 */
    unsigned connections, connections_per_peer;
    unsigned idle_s;       /* keep-alive and write stalls */
    unsigned header_s;     /* from accept to the end of the first header block */
    unsigned body_grace_s; /* afterwards a body must come at body_rate */
    unsigned body_rate;    /* bytes per second */
    unsigned body_total_s; /* and be complete within this */
};
/* The ceilings of the limits table; max_body_bytes is the caller's. */
struct http_limits http_limits_default(uint64_t max_body_bytes);

/* Listens; port 0 takes a free one. ERR_ARG for a host that is no address, ERR_IO when the port is taken. */
int http_server_new(uv_loop_t *loop, const char *host, int port, const struct http_handler *handler,
                    const struct http_limits *limits, struct http_server **ret, struct err *err);
int http_server_port(const struct http_server *s);
unsigned http_server_connections(const struct http_server *s);
/* No new connections; requests under way go on. */
void http_server_quiesce(struct http_server *s);
/* Ends all connections (finished is called for open requests). The loop must run once more for its handles to
 * close. NULL is accepted. */
void http_server_free(struct http_server *s);

/* All strings are borrowed until finished. */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(const struct http_request *r);
const char *http_request_query(struct http_request *r, const char *name);  /* NULL when absent */
const char *http_request_header(struct http_request *r, const char *name); /* NULL when absent */
const char *http_request_id(const struct http_request *r); /* X-Request-Id: the client's, or made here */
int64_t http_request_age_ms(const struct http_request *r);
void http_request_set_user(struct http_request *r, void *user);
void *http_request_user(const struct http_request *r);

/* A header of the coming answer. */
void http_add_header(struct http_request *r, const char *name, const char *value);
/* Answers, once; later calls are ignored (and close their fd). The bytes are copied. */
void http_respond_bytes(struct http_request *r, int status, const char *content_type, const void *bytes,
                        size_t len);
/* Streams len bytes of fd from offset 0; fd is taken. */
void http_respond_fd(struct http_request *r, int status, const char *content_type, int fd, uint64_t len);
bool http_responded(const struct http_request *r);

#endif
