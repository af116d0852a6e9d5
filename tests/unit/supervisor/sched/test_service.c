/* The service in process, with a made-up worker: what the API relies on, and that ending it frees everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/sched/service_new.h"

struct fixture {
    uv_loop_t loop;
    struct settings settings;
    struct service *service;
    char dir[64];
    bool drained;
};

static void on_fatal(void *ctx, const char *message)
{
    (void)ctx;
    fail_msg("%s", message);
}

static void open_service(struct fixture *f)
{
    const char *worker = getenv("PLATEN_TEST_WORKER");
    if (!worker)
        fail_msg("PLATEN_TEST_WORKER is not set");
    const struct service_config c = {.settings = &f->settings,
                                     .worker_program = worker,
                                     .engine_program = worker,
                                     .fatal = on_fatal,
                                     .ctx = f};
    struct err err = ERR_INIT;
    if (service_new(&f->loop, &c, &f->service, &err) < 0)
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup("test", LOG_LEVEL_ERROR, false);
    struct fixture *f = xnew(struct fixture);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/platen-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    settings_init(&f->settings);
    free(f->settings.data_dir);
    f->settings.data_dir = xstrdup(f->dir);
    f->settings.num_workers = 1;
    f->settings.kill_grace_s = 0.2;
    f->settings.free_space_floor_bytes = 0;
    assert_int_equal(uv_loop_init(&f->loop), 0);
    open_service(f);
    *state = f;
    return 0;
}

static void on_drained(void *ctx)
{
    ((struct fixture *)ctx)->drained = true;
}

static void close_service(struct fixture *f, double grace_s)
{
    f->drained = false;
    service_drain(f->service, grace_s, on_drained, f);
    while (!f->drained)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    service_free(f->service);
    f->service = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_service(f, 0);
    while (uv_run(&f->loop, UV_RUN_NOWAIT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&f->loop), 0); /* no handle was forgotten */
    settings_done(&f->settings);
    char *command = xasprintf("rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(command);
    free(f);
    return 0;
}

struct submitted {
    bool come;
    int rc;
    char id[TASK_ID_BYTES];
};

static void on_submitted(void *ctx, int rc, const char *task_id, const struct err *err)
{
    (void)err;
    struct submitted *s = ctx;
    s->come = true;
    s->rc = rc;
    if (rc == 0)
        memcpy(s->id, task_id, sizeof(s->id));
}

static int try_submit(struct fixture *f, const char *text, bool ephemeral, struct submitted *ret)
{
    struct spool_file *file;
    assert_int_equal(service_spool_open(f->service, &file, NULL), 0);
    assert_int_equal(service_spool_write(file, text, strlen(text), NULL), 0);
    const struct task_source source = {file, "a.pdf"};
    const struct task_request r = {.tenant = "me",
                                   .options_json = "{}",
                                   .sources = &source,
                                   .source_count = 1,
                                   .priority = 1,
                                   .ephemeral = ephemeral};
    *ret = (struct submitted){0};
    return service_submit(f->service, &r, on_submitted, ret, NULL);
}

static struct submitted submit(struct fixture *f, const char *text, bool ephemeral)
{
    struct submitted s;
    assert_int_equal(try_submit(f, text, ephemeral, &s), 0);
    assert_false(s.come); /* never from inside the call */
    while (!s.come)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(s.rc, 0);
    return s;
}

static struct task_status status_of(struct fixture *f, const char *id)
{
    struct task_status st = {0};
    assert_int_equal(service_status(f->service, id, "me", &st, NULL), 0);
    return st;
}

static void run_until(struct fixture *f, const char *id, enum task_state wanted)
{
    while (status_of(f, id).state != wanted) {
        if (status_of(f, id).state > TASK_STARTED)
            fail_msg("state %d: %s", (int)status_of(f, id).state, status_of(f, id).error_message);
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
}

/* ---- the tests ---- */

struct seen {
    unsigned calls;
    bool states[TASK_STATE_COUNT];
    uint32_t pages;
};

static void on_change(void *ctx, const struct task_status *status)
{
    struct seen *s = ctx;
    s->calls++;
    s->states[status->state] = true;
    s->pages = MAX(s->pages, status->pages_done);
}

static void a_task_and_its_watch(void **state)
{
    struct fixture *f = *state;
    struct submitted s = submit(f, "ok 500", false);
    struct seen seen = {0};
    uint64_t watch = service_watch(f->service, s.id, on_change, &seen);
    assert_true(watch != 0);
    assert_true(service_watch(f->service, "nobody", on_change, &seen) == 0);
    struct task_result r;
    assert_int_equal(service_result(f->service, s.id, "me", &r, NULL), ERR_NOTFOUND); /* not yet */
    run_until(f, s.id, TASK_SUCCESS);
    assert_true(seen.states[TASK_STARTED] && seen.states[TASK_SUCCESS]);
    assert_true(seen.pages >= 2); /* progress came on the way */
    service_unwatch(f->service, watch);
    struct task_status st;
    assert_int_equal(service_status(f->service, s.id, "you", &st, NULL), ERR_NOTFOUND); /* somebody else's */
    assert_int_equal(service_result(f->service, s.id, "me", &r, NULL), 0);
    struct buf b = BUF_INIT(4096);
    assert_int_equal(fd_read_all(r.fd, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "{\"echo\":\"ok 500\",\"attempt\":1}");
    assert_int_equal(b.len, r.bytes);
    assert_string_equal(r.content_type, "application/json");
    assert_int_equal(r.status.num_succeeded, 1);
    (void)close(r.fd);
    buf_done(&b);
}

struct chain {
    struct fixture *f;
    uint64_t own, other;
    unsigned calls, other_calls;
};

static void on_other(void *ctx, const struct task_status *status)
{
    (void)status;
    ((struct chain *)ctx)->other_calls++;
}

static void on_unwatch_all(void *ctx, const struct task_status *status)
{
    struct chain *c = ctx;
    c->calls++;
    service_unwatch(c->f->service, c->own);
    service_unwatch(c->f->service, c->other);
    for (int i = 0; i < 20; i++) /* moves the array under the caller */
        (void)service_watch(c->f->service, status->id, on_other, c);
    c->other_calls = 0;
}

static void watches_may_go_and_come_in_a_callback(void **state)
{
    struct fixture *f = *state;
    struct submitted s = submit(f, "ok 0", false);
    struct chain c = {.f = f};
    c.own = service_watch(f->service, s.id, on_unwatch_all, &c);
    c.other = service_watch(f->service, s.id, on_other, &c);
    run_until(f, s.id, TASK_SUCCESS);
    assert_int_equal(c.calls, 1);
    assert_true(c.other_calls >= 20 &&
                c.other_calls % 20 == 0); /* the new ones, for the later changes only */
}

static void cancel_queued_and_running(void **state)
{
    struct fixture *f = *state;
    struct submitted running = submit(f, "ignore-term", false);
    struct submitted queued = submit(f, "ok 0", false);
    run_until(f, running.id, TASK_STARTED);
    assert_int_equal(status_of(f, queued.id).position, 1);
    assert_int_equal(service_cancel(f->service, queued.id, "you", NULL), ERR_NOTFOUND);
    assert_int_equal(service_cancel(f->service, queued.id, "me", NULL), 0);
    run_until(f, queued.id, TASK_CANCELLED);
    assert_int_equal(service_cancel(f->service, running.id, "me", NULL), 0);
    run_until(f, running.id, TASK_CANCELLED);
    assert_int_equal(status_of(f, running.id).error_kind, ERR_CANCELLED);
    struct submitted next = submit(f, "ok 0", false);
    run_until(f, next.id, TASK_SUCCESS);
}

/* In the moment between the queue and the worker. */
static void cancel_while_claiming(void **state)
{
    struct fixture *f = *state;
    struct submitted s;
    assert_int_equal(try_submit(f, "hang", false, &s), 0);
    while (!s.come)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(service_counts(f->service).active, 1); /* on_submitted has dispatched it */
    assert_int_equal(service_cancel(f->service, s.id, "me", NULL), 0);
    run_until(f, s.id, TASK_CANCELLED);
}

static void ephemeral_results_go_when_sent(void **state)
{
    struct fixture *f = *state;
    struct submitted s = submit(f, "ok 0", true);
    run_until(f, s.id, TASK_SUCCESS);
    service_result_sent(f->service, s.id);
    struct task_status st;
    assert_int_equal(service_status(f->service, s.id, "me", &st, NULL), ERR_NOTFOUND);
    struct submitted kept = submit(f, "ok 0", false);
    run_until(f, kept.id, TASK_SUCCESS);
    service_result_sent(f->service, kept.id);
    assert_int_equal(status_of(f, kept.id).state, TASK_SUCCESS); /* until the delay is over */
    service_clear_results(f->service, 0);
    assert_int_equal(service_status(f->service, kept.id, "me", &st, NULL), ERR_NOTFOUND);
}

static void queue_limits(void **state)
{
    struct fixture *f = *state;
    f->settings.queue_max_size = 2;
    f->settings.queue_max_bytes = 10;
    struct submitted hang = submit(f, "hang", false);
    run_until(f, hang.id, TASK_STARTED);
    struct submitted a;
    struct submitted b;
    struct submitted c;
    assert_int_equal(try_submit(f, "more than ten bytes", false, &a), ERR_BUSY);
    assert_int_equal(try_submit(f, "ok 0", false, &a), 0);
    assert_int_equal(try_submit(f, "ok 0", false, &b), 0);
    assert_int_equal(try_submit(f, "ok 0", false, &c), ERR_BUSY); /* those on their way to the disk count */
    int wait = service_retry_after_s(f->service);
    assert_true(wait >= 1 && wait <= 300);
    while (!a.come || !b.come)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    f->settings.free_space_floor_bytes = INT64_MAX;
    struct spool_file *file;
    assert_int_equal(service_spool_open(f->service, &file, NULL), ERR_LIMIT);
}

static void drain_queues_again(void **state)
{
    struct fixture *f = *state;
    struct submitted s = submit(f, "ok 700", false);
    struct submitted waiting = submit(f, "ok 0", false);
    run_until(f, s.id, TASK_STARTED);
    close_service(f, 0.01);
    open_service(f);
    assert_int_equal(status_of(f, s.id).attempt, 1);
    run_until(f, s.id, TASK_SUCCESS);
    assert_int_equal(status_of(f, s.id).attempt, 2);
    run_until(f, waiting.id, TASK_SUCCESS);
    assert_int_equal(status_of(f, waiting.id).attempt, 1);
}

static void a_worker_that_cannot_start(void **state)
{
    struct fixture *f = *state;
    close_service(f, 0);
    const struct service_config c = {.settings = &f->settings,
                                     .worker_program = "/nonexistent/worker",
                                     .engine_program = "/nonexistent/engine",
                                     .fatal = on_fatal};
    assert_int_equal(service_new(&f->loop, &c, &f->service, NULL), 0);
    struct submitted s = submit(f, "ok 0", false);
    run_until(f, s.id, TASK_FAILURE);
    assert_int_equal(status_of(f, s.id).attempt, 3);
    assert_non_null(strstr(status_of(f, s.id).error_message, "/nonexistent/worker"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_and_its_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(watches_may_go_and_come_in_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel_queued_and_running, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel_while_claiming, setup, teardown),
        cmocka_unit_test_setup_teardown(ephemeral_results_go_when_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(queue_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(drain_queues_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_cannot_start, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
