/*
 * See dispatch.h. A frame that does not decode, carries a descriptor where none belongs, or comes while too
 * many are unanswered breaks the protocol. A request that is well-formed but cannot be served (no such page,
 * too large an image) gets a refusal, and the client lives on.
 */
#include "engine/server/dispatch.h"

#include "base/mem.h"
#include "engine/server/read.h"

static void serve_page(struct client *c, const struct ipc_page *info, const struct ipc_frame *f,
                       atomic_int *pages)
{
    struct err err = ERR_INIT;
    struct page *p = NULL;
    int r = page_new(info, f->fd, pages, &p, &err);
    if (r == 0)
        r = client_add_page(c, p, &err);
    if (r < 0) {
        page_unref(p);
        client_refuse(c, f->id, &err);
        return;
    }
    struct answer a = {.id = f->id, .kind = ANSWER_EMPTY};
    client_answer(c, &a);
}

/* The job with its references, or NULL when the page is not open: the client has been told. */
static struct job *job_on_page(struct client *c, uint32_t page_id, uint32_t id, enum job_kind kind)
{
    struct page *p = client_peek_page(c, page_id);
    if (p == NULL) {
        struct err err = ERR_INIT;
        err_fail(&err, ERR_NOTFOUND, "page %u is not open", page_id);
        client_refuse(c, id, &err);
        return NULL;
    }
    struct job *job = xnew(struct job);
    job->kind = kind;
    job->client = client_ref(c);
    job->page = page_ref(p);
    job->id = id;
    return job;
}

static int serve_read(struct client *c, const struct ipc_frame *f, struct queue *q, struct err *err)
{
    struct ipc_read ask = {0};
    int r = ipc_decode_read(f, &ask, err);
    if (r < 0)
        return r;
    struct job *job = job_on_page(c, ask.page_id, f->id, JOB_DETECT);
    if (job != NULL) {
        job->reading = reading_new(&ask);
        queue_push(q, job);
    }
    ipc_read_done(&ask);
    return 0;
}

static int serve_table(struct client *c, const struct ipc_frame *f, struct queue *q, struct err *err)
{
    struct ipc_table_ask ask;
    int r = ipc_decode_table_ask(f, &ask, err);
    if (r < 0)
        return r;
    struct job *job = job_on_page(c, ask.page_id, f->id, JOB_TABLE);
    if (job != NULL) {
        job->table_box = ask.box;
        queue_push(q, job);
    }
    return 0;
}

static int serve_page_ref(struct client *c, const struct ipc_frame *f, struct queue *q, struct err *err)
{
    struct ipc_page_ref ask;
    int r = ipc_decode_page_ref(f, &ask, err);
    if (r < 0)
        return r;
    if (f->type == IPC_DROP) {
        client_drop_page(c, ask.page_id); /* a page that was refused may be dropped too */
        return 0;
    }
    struct job *job = job_on_page(c, ask.page_id, f->id, f->type == IPC_ORIENT ? JOB_ORIENT : JOB_LAYOUT);
    if (job != NULL)
        queue_push(q, job);
    return 0;
}

int dispatch_request(struct client *c, const struct ipc_frame *f, struct queue *q, atomic_int *pages,
                     struct err *err)
{
    if ((f->fd >= 0) != (f->type == IPC_PAGE))
        return err_fail(err, ERR_FORMAT, "a message of type %u %s a descriptor", f->type,
                        f->fd >= 0 ? "with" : "without");
    if (f->type != IPC_DROP && atomic_fetch_add(&c->unanswered, 1) >= CLIENT_MAX_REQUESTS)
        return err_fail(err, ERR_LIMIT, "more than %d requests are unanswered", CLIENT_MAX_REQUESTS);
    switch (f->type) {
    case IPC_PAGE: {
        struct ipc_page info;
        int r = ipc_decode_page(f, &info, err);
        if (r == 0)
            serve_page(c, &info, f, pages);
        return r;
    }
    case IPC_READ: return serve_read(c, f, q, err);
    case IPC_TABLE: return serve_table(c, f, q, err);
    case IPC_ORIENT:
    case IPC_LAYOUT:
    case IPC_DROP: return serve_page_ref(c, f, q, err);
    default: return err_fail(err, ERR_FORMAT, "an engine takes no message of type %u", f->type);
    }
}
