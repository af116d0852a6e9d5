/* Private to http: what server.c and request.c share. */
#ifndef PLATEN_SUPERVISOR_HTTP_INTERNAL_H
#define PLATEN_SUPERVISOR_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "supervisor/http/http.h"

#define REQUEST_ID_BYTES 65
#define REQUEST_HEADERS_MAX 8

/* One accepted connection, for the sweep that ends slow clients. */
struct connection {
    struct connection *next, **prev;
    struct http_request *request; /* the one under way, or NULL */
    int fd;
    int64_t since_ms; /* accepted, or last request finished */
    bool served;      /* has had a request */
};

struct http_server {
    uv_loop_t *loop;
    struct http_handler handler;
    struct http_limits limits;
    struct MHD_Daemon *daemon;
    int port;
    int listen_fd;
    struct connection *connections;
    unsigned connection_count;
    bool stopping;
    bool running; /* inside MHD_run: never enter it again */
    unsigned open_handles;
    uv_poll_t poll;   /* MHD's epoll descriptor */
    uv_timer_t timer; /* MHD's own timeouts, and kicks after a resume */
    uv_timer_t sweep; /* once a second while there are connections */
};

/* Watches the socket of a suspended request, which MHD does not. */
struct gone_watch {
    uv_poll_t poll;
    struct http_request *request; /* NULL once stopped */
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct connection *connection;
    char *method, *path;
    char id[REQUEST_ID_BYTES];
    int64_t started_ms;
    uint64_t body_bytes;
    bool begun; /* the handler knows it */
    bool ended; /* the body is complete */
    bool suspended;
    bool dead;       /* the client left while suspended */
    bool swallowing; /* an answer waits for the rest of the body */
    struct gone_watch *watch;
    bool answered;                 /* http_respond_* has been called */
    struct MHD_Response *response; /* until MHD has it */
    unsigned status;
    void *user;
    struct {
        char *name, *value;
    } headers[REQUEST_HEADERS_MAX];
    size_t header_count;
};

/* Makes MHD run soon, from the loop. */
void http_server_kick(struct http_server *s);

struct http_request *http_request_new(struct http_server *s, struct MHD_Connection *mhd, const char *method,
                                      const char *path);
void http_request_free(struct http_request *r);
void http_request_suspend(struct http_request *r);
void http_request_resume(struct http_request *r);
void http_request_stop_watch(struct http_request *r);
enum MHD_Result http_request_queue(struct http_request *r);
void http_respond_error(struct http_request *r, int status, const char *detail);

#endif
