/*
 * See local.h. Sends block: the only peer is the command line that started us, and if it does not read,
 * nobody else waits. The copy into the spool blocks the loop for the same reason.
 */
#include "supervisor/local/local.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/messages.h"

#define MAX_JOBS 1024

struct job {
    struct local *local;
    uint32_t id; /* the command line's */
    char task_id[TASK_ID_BYTES];
    uint64_t watch;
    struct job *next;
};

struct local {
    struct service *service;
    int sock;
    uv_poll_t *poll;
    struct job *jobs;
    size_t job_count;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct ipc_frame frame;
    uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
};

static void drop_job(struct job *j)
{
    struct job **p = &j->local->jobs;
    while (*p != j)
        p = &(*p)->next;
    *p = j->next;
    j->local->job_count--;
    if (j->watch)
        service_unwatch(j->local->service, j->watch);
    free(j);
}

static void send_failure(struct local *l, uint32_t id, int kind, const char *message)
{
    struct ipc_failure f = {.kind = kind ? kind : ERR_BUG};
    size_t n = strnlen(message, sizeof(f.message) - 1);
    memcpy(f.message, message, n);
    size_t len = ipc_encode_failure(&f, l->payload);
    struct err e = ERR_INIT;
    if (ipc_send(l->sock, IPC_JOB_FAIL, 0, id, l->payload, len, -1, &e) < 0)
        log_warning("the command line does not listen: %s", e.message);
}

static void send_result(struct job *j)
{
    struct local *l = j->local;
    struct err e = ERR_INIT;
    struct task_result result = {.fd = -1};
    if (service_result(l->service, j->task_id, "", &result, &e) < 0) {
        send_failure(l, j->id, e.kind, e.message);
        return;
    }
    if (result.fd < 0) {
        send_failure(l, j->id, result.status.error_kind, result.status.error_message);
        return;
    }
    struct ipc_done done = {
        .status = IPC_TASK_SUCCESS,
        .output_bytes = result.bytes,
        .documents = result.status.num_docs,
        .succeeded = result.status.num_succeeded,
        .partial = result.status.num_partial,
        .failed = result.status.num_failed,
        .pages = result.status.pages_done,
        .error_kind = result.status.document_error,
    };
    memcpy(done.content_type, result.content_type, sizeof(done.content_type));
    size_t len = ipc_encode_done(&done, l->payload);
    if (ipc_send(l->sock, IPC_JOB_DONE, 0, j->id, l->payload, len, result.fd, &e) < 0)
        log_warning("the command line does not listen: %s", e.message);
    fd_closep(&result.fd);
    service_result_sent(l->service, j->task_id);
}

static void on_change(void *ctx, const struct task_status *s)
{
    struct job *j = ctx;
    if (s->state == TASK_PENDING || s->state == TASK_STARTED) {
        struct ipc_progress p = {.pages_done = s->pages_done, .pages_total = s->pages_total};
        memcpy(p.stage, s->stage, sizeof(p.stage));
        size_t len = ipc_encode_progress(&p, j->local->payload);
        (void)ipc_send(j->local->sock, IPC_JOB_PROGRESS, 0, j->id, j->local->payload, len, -1, NULL);
        return;
    }
    send_result(j);
    drop_job(j);
}

static void on_submitted(void *ctx, int rc, const char *task_id, const struct err *err)
{
    struct job *j = ctx;
    if (rc == 0) {
        memcpy(j->task_id, task_id, sizeof(j->task_id));
        j->watch = service_watch(j->local->service, task_id, on_change, j);
        if (j->watch)
            return;
    }
    send_failure(j->local, j->id, rc < 0 ? rc : ERR_BUG, rc < 0 ? err->message : "the task has vanished");
    drop_job(j);
}

static int copy_to_spool(struct spool_file *f, int fd, struct err *err)
{
    static char chunk[1 << 16];
    size_t n;
    do {
        int rc = fd_read_full(fd, chunk, sizeof(chunk), &n, err);
        rc = rc < 0 ? rc : service_spool_write(f, chunk, n, err);
        if (rc < 0)
            return rc;
    } while (n == sizeof(chunk));
    return 0;
}

static int submit(struct local *l, const struct ipc_job *m, int fd, struct err *err)
{
    struct spool_file *file = NULL;
    if (fd < 0)
        return err_fail(err, ERR_FORMAT, "a job without a file");
    if (l->job_count >= MAX_JOBS)
        return err_fail(err, ERR_BUSY, "more than %d jobs at once", MAX_JOBS);
    int rc = service_spool_open(l->service, &file, err);
    rc = rc < 0 ? rc : copy_to_spool(file, fd, err);
    if (rc < 0) {
        service_spool_discard(file);
        return rc;
    }
    struct task_source source = {file, m->filename};
    struct task_request request = {
        .tenant = "",
        .options_json = m->options_json,
        .sources = &source,
        .source_count = 1,
        .document_timeout_s = m->timeout_s,
        .priority = 1,
        .ephemeral = true,
    };
    struct job *j = xnew(struct job);
    *j = (struct job){.local = l, .id = l->frame.id, .next = l->jobs};
    l->jobs = j;
    l->job_count++;
    rc = service_submit(l->service, &request, on_submitted, j, err);
    if (rc < 0)
        drop_job(j);
    return rc;
}

static void take_frame(struct local *l)
{
    struct err e = ERR_INIT;
    struct ipc_job m = {0};
    CLEANUP(fd_closep) int fd = l->frame.fd;
    int rc = l->frame.type == IPC_JOB_SUBMIT
                 ? ipc_decode_job(&l->frame, &m, &e)
                 : err_fail(&e, ERR_FORMAT, "message %u is no job", l->frame.type);
    rc = rc < 0 ? rc : submit(l, &m, fd, &e);
    ipc_job_done(&m);
    if (rc < 0)
        send_failure(l, l->frame.id, rc, e.message);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct local *l = poll->data;
    struct err e = ERR_INIT;
    int rc = status < 0 ? 0 : ipc_recv(l->sock, &l->frame, &e);
    if (rc > 0) {
        take_frame(l);
        return;
    }
    if (rc < 0)
        log_error("command line: %s", e.message);
    (void)uv_poll_stop(poll);
    l->gone(l->gone_ctx);
}

int local_start(struct uv_loop_s *loop, struct service *service, int sock, void (*gone)(void *ctx), void *ctx,
                struct local **ret, struct err *err)
{
    struct local *l = xnew(struct local);
    l->service = service;
    l->sock = sock;
    l->gone = gone;
    l->gone_ctx = ctx;
    l->poll = xnew(uv_poll_t);
    l->poll->data = l;
    int rc = uv_poll_init(loop, l->poll, sock);
    if (rc == 0)
        rc = uv_poll_start(l->poll, UV_READABLE, on_readable);
    /* libuv has made the socket non-blocking; our sends want to wait. Readable then still means one whole
     * frame. */
    if (rc == 0 && fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) & ~O_NONBLOCK) < 0)
        rc = UV_EIO;
    if (rc != 0) {
        free(l->poll);
        free(l);
        return err_fail(err, ERR_IO, "socket %d of the command line: %s", sock, uv_strerror(rc));
    }
    *ret = l;
    return 0;
}

static void free_poll(uv_handle_t *h)
{
    free(h);
}

void local_stop(struct local *l)
{
    if (!l)
        return;
    while (l->jobs)
        drop_job(l->jobs);
    uv_close((uv_handle_t *)l->poll, free_poll);
    fd_closep(&l->sock);
    free(l);
}
