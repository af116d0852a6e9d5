#include "fake_service.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define TASKS_MAX 64
#define WATCHES_MAX 64

struct spool_file {
    struct service *service;
    struct buf bytes;
};

struct fake_task {
    struct task_status status;
    char tenant[64];
    char *output;
};

struct service {
    struct fake_task tasks[TASKS_MAX];
    size_t task_count;
    struct {
        uint64_t id;
        char task[TASK_ID_BYTES];
        service_watch_cb *cb;
        void *ctx;
    } watches[WATCHES_MAX];
    struct {
        service_submit_cb *cb;
        void *ctx;
        size_t task;
    } submits[TASKS_MAX];
    size_t submit_count;
    uint64_t next_watch;
    int spools, spool_error, submit_error, cancelled, sent;
    bool ready;
    char *options;
};

struct service *fake_service_new(void)
{
    struct service *s = xnew(struct service);
    s->ready = true;
    return s;
}

void fake_service_free(struct service *s)
{
    for (size_t i = 0; i < s->task_count; i++)
        free(s->tasks[i].output);
    free(s->options);
    free(s);
}

int fake_service_open_spools(const struct service *s)
{
    return s->spools;
}

void fake_service_fail_spool(struct service *s, int kind)
{
    s->spool_error = kind;
}

void fake_service_fail_submit(struct service *s, int kind)
{
    s->submit_error = kind;
}

void fake_service_set_ready(struct service *s, bool ready)
{
    s->ready = ready;
}

const char *fake_spool_text(const struct spool_file *f)
{
    return buf_str(&f->bytes);
}

int service_spool_open(struct service *s, struct spool_file **ret, struct err *err)
{
    if (s->spool_error)
        return err_fail(err, s->spool_error, "the disk is full");
    struct spool_file *f = xnew(struct spool_file);
    f->service = s;
    f->bytes = BUF_INIT(1 << 26);
    s->spools++;
    *ret = f;
    return 0;
}

int service_spool_write(struct spool_file *f, const void *bytes, size_t len, struct err *err)
{
    (void)err;
    buf_append(&f->bytes, bytes, len);
    return 0;
}

uint64_t service_spool_bytes(const struct spool_file *f)
{
    return f->bytes.len;
}

void service_spool_discard(struct spool_file *f)
{
    if (!f)
        return;
    f->service->spools--;
    buf_done(&f->bytes);
    free(f);
}

int service_submit(struct service *s, const struct task_request *r, service_submit_cb *done, void *ctx,
                   struct err *err)
{
    for (size_t i = 0; i < r->source_count; i++)
        service_spool_discard(r->sources[i].file);
    if (s->submit_error == ERR_ARG)
        return err_fail(err, ERR_IO, "refused at once");
    if (s->task_count == TASKS_MAX)
        return err_fail(err, ERR_BUSY, "the fake is full");
    struct fake_task *t = &s->tasks[s->task_count];
    (void)snprintf(t->status.id, sizeof(t->status.id), "00000000-0000-4000-8000-%012zx", s->task_count + 1);
    (void)snprintf(t->tenant, sizeof(t->tenant), "%s", r->tenant);
    t->status.position = 1;
    t->status.num_docs = (uint32_t)r->source_count;
    free(s->options);
    s->options = xstrdup(r->options_json);
    s->submits[s->submit_count].cb = done;
    s->submits[s->submit_count].ctx = ctx;
    s->submits[s->submit_count++].task = s->task_count++;
    return 0;
}

void fake_service_run_submits(struct service *s)
{
    size_t n = s->submit_count;
    s->submit_count = 0;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < n; i++) {
        if (s->submit_error)
            (void)err_fail(&err, s->submit_error, "not accepted");
        s->submits[i].cb(s->submits[i].ctx, s->submit_error,
                         s->submit_error ? NULL : s->tasks[s->submits[i].task].status.id, &err);
    }
}

const char *fake_service_last_id(const struct service *s)
{
    return s->task_count ? s->tasks[s->task_count - 1].status.id : "";
}

const char *fake_service_last_options(const struct service *s)
{
    return s->options ? s->options : "";
}

int service_retry_after_s(const struct service *s)
{
    (void)s;
    return 7;
}

static struct fake_task *find(const struct service *s, const char *id, const char *tenant)
{
    for (size_t i = 0; i < s->task_count; i++) {
        if (strcmp(s->tasks[i].status.id, id) == 0 && (!tenant || strcmp(s->tasks[i].tenant, tenant) == 0))
            return (struct fake_task *)(uintptr_t)&s->tasks[i];
    }
    return NULL;
}

int service_status(const struct service *s, const char *task_id, const char *tenant, struct task_status *ret,
                   struct err *err)
{
    const struct fake_task *t = find(s, task_id, tenant);
    if (!t)
        return err_fail(err, ERR_NOTFOUND, "no such task");
    *ret = t->status;
    return 0;
}

uint64_t service_watch(struct service *s, const char *task_id, service_watch_cb *cb, void *ctx)
{
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (s->watches[i].id == 0) {
            s->watches[i].id = ++s->next_watch;
            (void)snprintf(s->watches[i].task, TASK_ID_BYTES, "%s", task_id);
            s->watches[i].cb = cb;
            s->watches[i].ctx = ctx;
            return s->watches[i].id;
        }
    }
    return 0;
}

void service_unwatch(struct service *s, uint64_t watch_id)
{
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (s->watches[i].id == watch_id)
            s->watches[i].id = 0;
    }
}

int fake_service_watches(const struct service *s)
{
    int n = 0;
    for (size_t i = 0; i < WATCHES_MAX; i++)
        n += s->watches[i].id != 0;
    return n;
}

void fake_service_move(struct service *s, enum task_state state, int error_kind, const char *output)
{
    struct fake_task *t = &s->tasks[s->task_count - 1];
    t->status.state = state;
    t->status.error_kind = error_kind;
    t->status.position = 0;
    if (error_kind)
        (void)snprintf(t->status.error_message, sizeof(t->status.error_message), "page 3: \xff too large");
    free(t->output);
    t->output = xstrdup(output);
    struct task_status copy = t->status;
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (s->watches[i].id && strcmp(s->watches[i].task, copy.id) == 0)
            s->watches[i].cb(s->watches[i].ctx, &copy);
    }
}

int service_result(struct service *s, const char *task_id, const char *tenant, struct task_result *ret,
                   struct err *err)
{
    const struct fake_task *t = find(s, task_id, tenant);
    if (!t)
        return err_fail(err, ERR_NOTFOUND, "no such task");
    memset(ret, 0, sizeof(*ret));
    ret->status = t->status;
    ret->fd = -1;
    if (!t->output)
        return 0;
    ret->fd = memfd_create("result", MFD_CLOEXEC);
    ret->bytes = strlen(t->output);
    if (ret->fd < 0 || write(ret->fd, t->output, ret->bytes) != (ssize_t)ret->bytes)
        return err_errno(err, "memfd");
    (void)snprintf(ret->content_type, sizeof(ret->content_type), "application/json");
    (void)snprintf(ret->filename, sizeof(ret->filename), "converted_docs.zip");
    return 0;
}

void service_result_sent(struct service *s, const char *task_id)
{
    (void)task_id;
    s->sent++;
}

int fake_service_sent(const struct service *s)
{
    return s->sent;
}

int service_cancel(struct service *s, const char *task_id, const char *tenant, struct err *err)
{
    struct fake_task *t = find(s, task_id, tenant);
    if (!t)
        return err_fail(err, ERR_NOTFOUND, "no such task");
    t->status.state = TASK_CANCELLED;
    s->cancelled++;
    return 0;
}

int fake_service_cancelled(const struct service *s)
{
    return s->cancelled;
}

void service_clear_results(struct service *s, double older_than_s)
{
    (void)s;
    (void)older_than_s;
}

bool service_ready(const struct service *s)
{
    return s->ready;
}
