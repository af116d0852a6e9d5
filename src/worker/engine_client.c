/*
 * Requests to the engine and their answers. Several are under way at once; a ticket is the request id, and
 * answers are kept by id until their end call asks for them. No answer within ANSWER_MS is ERR_TIMEOUT, a
 * closed socket ERR_CRASH: both end the task, for the engine is then of no use to any page.
 */
#include "worker/engine_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "ipc/frame.h"
#include "ipc/sealed.h"

#define ANSWER_MS 120000
#define OPEN_REQUESTS_MAX 64

struct request {
    uint32_t id; /* 0: free */
    uint16_t type;
    bool complete, discard; /* discard: nobody will ask for the answer */
    struct err error;       /* kind 0: answered */
    struct ipc_orientation orientation;
    struct ipc_regions regions;
    struct ipc_lines lines;
    struct ipc_grid grid;
};

struct engine_client {
    int sock, control_sock;
    int (*on_control)(void *ctx, struct err *err);
    void *ctx;
    uint32_t last_id;
    struct request requests[OPEN_REQUESTS_MAX];
    struct ipc_frame frame;
    uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
    struct vision vision;
};

static void request_reset(struct request *r)
{
    ipc_regions_done(&r->regions);
    ipc_lines_done(&r->lines);
    ipc_grid_done(&r->grid);
    *r = (struct request){0};
}

static struct request *find_request(struct engine_client *c, uint32_t id)
{
    for (size_t i = 0; i < OPEN_REQUESTS_MAX; i++)
        if (c->requests[i].id == id)
            return &c->requests[i];
    return NULL;
}

static int ask(struct engine_client *c, uint16_t type, size_t len, int fd, bool discard, uint32_t *ret_ticket,
               struct err *err)
{
    struct request *r = find_request(c, 0);
    if (!r)
        return err_fail(err, ERR_BUG, "more than %d requests to the engine are open", OPEN_REQUESTS_MAX);
    if (len == 0)
        return err_fail(err, ERR_BUG, "request %u to the engine does not fit into a frame", (unsigned)type);
    if (++c->last_id == 0)
        c->last_id = 1;
    int rc = ipc_send(c->sock, type, 0, c->last_id, c->payload, len, fd, err);
    if (rc != 0)
        return rc;
    r->id = c->last_id;
    r->type = type;
    r->discard = discard;
    if (ret_ticket)
        *ret_ticket = r->id;
    return 0;
}

static int take_reply(struct request *r, const struct ipc_frame *f, struct err *err)
{
    switch (r->type) {
    case IPC_ORIENT: return ipc_decode_orientation(f, &r->orientation, err);
    case IPC_LAYOUT: return ipc_collect_regions(f, &r->regions, err);
    case IPC_READ: return ipc_collect_lines(f, &r->lines, err);
    case IPC_TABLE: return ipc_collect_grid(f, &r->grid, err);
    default: return 0; /* PAGE: the reply says nothing more */
    }
}

/* One frame from the engine is put where it belongs. */
static int receive(struct engine_client *c, struct err *err)
{
    int rc = ipc_recv(c->sock, &c->frame, err);
    if (rc == 0)
        return err_fail(err, ERR_CRASH, "the engine has closed the connection");
    if (rc < 0)
        return rc == ERR_BUSY ? 0 : rc;
    fd_closep(&c->frame.fd);
    struct request *r = c->frame.id != 0 ? find_request(c, c->frame.id) : NULL;
    if (!r)
        return 0; /* the answer to something given up */
    if (c->frame.type == IPC_REFUSED) {
        struct ipc_failure failure;
        rc = ipc_decode_failure(&c->frame, &failure, err);
        if (rc != 0)
            return rc;
        int kind = failure.kind < 0 && failure.kind > -ERR_KIND_COUNT ? failure.kind : ERR_BUG;
        /* A refusal concerns this request only: it must not read as the engine's end. */
        if (kind == ERR_CRASH || kind == ERR_TIMEOUT || kind == ERR_CANCELLED || kind == ERR_BUG)
            kind = ERR_UNSUPPORTED;
        err_fail(&r->error, kind, "the engine refused: %s", failure.message);
        r->complete = true;
    } else if (c->frame.type == IPC_REPLY) {
        rc = take_reply(r, &c->frame, err);
        if (rc != 0)
            return rc;
        r->complete = !(c->frame.flags & IPC_FLAG_MORE);
    } else {
        return err_fail(err, ERR_FORMAT, "the engine sent a frame of type %u", (unsigned)c->frame.type);
    }
    if (r->complete && r->discard)
        request_reset(r);
    return 0;
}

/* Waits for the engine or a word of the supervisor. */
static int wait_readable(struct engine_client *c, int64_t deadline_ms, struct err *err)
{
    struct pollfd fds[2] = {{.fd = c->sock, .events = POLLIN}, {.fd = c->control_sock, .events = POLLIN}};
    int64_t left = deadline_ms - clock_mono_ms();
    if (left <= 0)
        return err_fail(err, ERR_TIMEOUT, "no answer from the engine within %d s", ANSWER_MS / 1000);
    int n = poll(fds, c->control_sock >= 0 ? 2 : 1, (int)left);
    if (n < 0 && errno != EINTR)
        return err_errno(err, "waiting for the engine");
    if (n > 0 && c->control_sock >= 0 && fds[1].revents) {
        int rc = c->on_control(c->ctx, err);
        if (rc != 0)
            return rc;
    }
    return n > 0 && fds[0].revents ? receive(c, err) : 0;
}

/* The completed request of a ticket, to be reset by the caller. */
static int await(struct engine_client *c, uint32_t ticket, struct request **ret, struct err *err)
{
    struct request *r = ticket != 0 ? find_request(c, ticket) : NULL;
    if (!r)
        return err_fail(err, ERR_BUG, "ticket %u is not open", (unsigned)ticket);
    int64_t deadline = clock_mono_ms() + ANSWER_MS;
    while (!r->complete) {
        int rc = wait_readable(c, deadline, err);
        if (rc != 0)
            return rc;
    }
    if (r->error.kind != 0) {
        int kind = r->error.kind;
        if (err)
            *err = r->error;
        request_reset(r);
        return kind;
    }
    *ret = r;
    return 0;
}

static int page_open(void *ctx, uint32_t page_id, const struct image *im, struct err *err)
{
    struct engine_client *c = ctx;
    size_t bytes = 0;
    CLEANUP(fd_closep) int fd = -1;
    if (!num_mul(im->stride_bytes, (size_t)im->height_px, &bytes))
        return err_fail(err, ERR_LIMIT, "page image too large");
    int rc = sealed_new(im->pixels, bytes, &fd, err);
    if (rc != 0)
        return rc;
    struct ipc_page m = {page_id,
                         (uint32_t)im->width_px,
                         (uint32_t)im->height_px,
                         (uint32_t)im->stride_bytes,
                         (uint8_t)im->format,
                         im->dpi > 0 ? im->dpi : 0};
    return ask(c, IPC_PAGE, ipc_encode_page(&m, c->payload), fd, true, NULL, err);
}

static void page_close(void *ctx, uint32_t page_id)
{
    struct engine_client *c = ctx;
    struct ipc_page_ref m = {page_id};
    size_t len = ipc_encode_page_ref(&m, c->payload);
    struct err ignored; /* a dead engine is noticed by the next request */
    (void)ipc_send(c->sock, IPC_DROP, 0, ++c->last_id, c->payload, len, -1, &ignored);
}

static int begin_ref(struct engine_client *c, uint16_t type, uint32_t page_id, uint32_t *ret_ticket,
                     struct err *err)
{
    struct ipc_page_ref m = {page_id};
    return ask(c, type, ipc_encode_page_ref(&m, c->payload), -1, false, ret_ticket, err);
}

static int orient_begin(void *ctx, uint32_t page_id, uint32_t *ret_ticket, struct err *err)
{
    return begin_ref(ctx, IPC_ORIENT, page_id, ret_ticket, err);
}

static int orient_end(void *ctx, uint32_t ticket, struct ipc_orientation *ret, struct err *err)
{
    struct request *r;
    int rc = await(ctx, ticket, &r, err);
    if (rc != 0)
        return rc;
    *ret = r->orientation;
    request_reset(r);
    return 0;
}

static int layout_begin(void *ctx, uint32_t page_id, uint32_t *ret_ticket, struct err *err)
{
    return begin_ref(ctx, IPC_LAYOUT, page_id, ret_ticket, err);
}

static int layout_end(void *ctx, uint32_t ticket, struct ipc_regions *ret, struct err *err)
{
    struct request *r;
    int rc = await(ctx, ticket, &r, err);
    if (rc != 0)
        return rc;
    *ret = r->regions;
    r->regions = (struct ipc_regions){0};
    request_reset(r);
    return 0;
}

static int read_begin(void *ctx, const struct ipc_read *m, uint32_t *ret_ticket, struct err *err)
{
    struct engine_client *c = ctx;
    return ask(c, IPC_READ, ipc_encode_read(m, c->payload), -1, false, ret_ticket, err);
}

static int read_end(void *ctx, uint32_t ticket, struct ipc_lines *ret, struct err *err)
{
    struct request *r;
    int rc = await(ctx, ticket, &r, err);
    if (rc != 0)
        return rc;
    *ret = r->lines;
    r->lines = (struct ipc_lines){0};
    request_reset(r);
    return 0;
}

static int table_begin(void *ctx, const struct ipc_table_ask *m, uint32_t *ret_ticket, struct err *err)
{
    struct engine_client *c = ctx;
    return ask(c, IPC_TABLE, ipc_encode_table_ask(m, c->payload), -1, false, ret_ticket, err);
}

static int table_end(void *ctx, uint32_t ticket, struct ipc_grid *ret, struct err *err)
{
    struct request *r;
    int rc = await(ctx, ticket, &r, err);
    if (rc != 0)
        return rc;
    *ret = r->grid;
    r->grid = (struct ipc_grid){0};
    request_reset(r);
    return 0;
}

struct engine_client *engine_client_new(int sock, int control_sock,
                                        int (*on_control)(void *ctx, struct err *err), void *ctx)
{
    struct engine_client *c = xnew(struct engine_client);
    c->sock = sock;
    c->control_sock = control_sock;
    c->on_control = on_control;
    c->ctx = ctx;
    c->vision = (struct vision){c,          page_open,  page_close, orient_begin, orient_end, layout_begin,
                                layout_end, read_begin, read_end,   table_begin,  table_end};
    return c;
}

void engine_client_free(struct engine_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < OPEN_REQUESTS_MAX; i++)
        request_reset(&c->requests[i]);
    free(c);
}

const struct vision *engine_client_vision(const struct engine_client *c)
{
    return &c->vision;
}
