/* The pure parts of the scheduler: what a death means, the queue, the table of tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "supervisor/sched/death.h"
#include "supervisor/sched/queue.h"
#include "supervisor/sched/release.h"

#define GIB (1024ull * 1024 * 1024)

static void deaths(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct death d;
        enum verdict_kind kind;
        int error_kind;
    } rows[] = {
        {"done", {.done = true}, VERDICT_DONE, 0},
        {"done, then killed for lingering",
         {.done = true, .reason = STOP_LINGER, .exit = {true, SIGKILL, {{0}}}},
         VERDICT_DONE,
         0},
        {"done, then a crash at exit", {.done = true, .exit = {true, SIGSEGV, {{0}}}}, VERDICT_DONE, 0},
        {"done beats our leaving", {.done = true, .reason = STOP_SHUTDOWN}, VERDICT_DONE, 0},
        {"cancel beats done", {.done = true, .reason = STOP_CANCEL}, VERDICT_CANCEL, ERR_CANCELLED},
        {"leaving", {.reason = STOP_SHUTDOWN, .exit = {true, SIGTERM, {{0}}}}, VERDICT_INTERRUPT, 0},
        {"leaving beats its failure",
         {.reason = STOP_SHUTDOWN, .failure_kind = ERR_FORMAT, .message = "m"},
         VERDICT_INTERRUPT,
         0},
        {"timeout", {.reason = STOP_TIMEOUT, .exit = {true, SIGKILL, {{0}}}}, VERDICT_FAIL, ERR_TIMEOUT},
        {"timeout beats done", {.reason = STOP_TIMEOUT, .done = true}, VERDICT_FAIL, ERR_TIMEOUT},
        {"stalled", {.reason = STOP_STALLED}, VERDICT_FAIL, ERR_TIMEOUT},
        {"protocol", {.reason = STOP_PROTOCOL, .done = true, .message = "m"}, VERDICT_FAIL, ERR_CRASH},
        {"reported", {.failure_kind = ERR_FORMAT, .message = "m"}, VERDICT_FAIL, ERR_FORMAT},
        {"reported, then killed for lingering",
         {.failure_kind = ERR_LIMIT, .message = "m", .reason = STOP_LINGER, .exit = {true, SIGKILL, {{0}}}},
         VERDICT_FAIL,
         ERR_LIMIT},
        {"lost its engine", {.failure_kind = ERR_CRASH, .message = "m"}, VERDICT_BLAME, ERR_CRASH},
        {"segfault", {.exit = {true, SIGSEGV, {{0}}}}, VERDICT_FAIL, ERR_CRASH},
        {"seccomp", {.exit = {true, SIGSYS, {{0}}}}, VERDICT_FAIL, ERR_CRASH},
        {"abort",
         {.exit = {true, SIGABRT, {{0}}}, .data_peak_bytes = GIB / 2, .data_limit_bytes = 2 * GIB},
         VERDICT_FAIL,
         ERR_CRASH},
        {"abort of a buffer that could not double",
         {.exit = {true, SIGABRT, {{0}}}, .data_peak_bytes = 106 * GIB / 100, .data_limit_bytes = 2 * GIB},
         VERDICT_FAIL,
         ERR_MEMORY},
        {"abort after the last sample",
         {.exit = {true, SIGABRT, {.ru_maxrss = 1100 << 10}}, .data_limit_bytes = 2 * GIB},
         VERDICT_FAIL,
         ERR_MEMORY},
        {"abort near the limit",
         {.exit = {true, SIGABRT, {{0}}}, .data_peak_bytes = 17 * GIB / 10, .data_limit_bytes = 2 * GIB},
         VERDICT_FAIL,
         ERR_MEMORY},
        {"processor time", {.exit = {true, SIGXCPU, {{0}}}}, VERDICT_FAIL, ERR_TIMEOUT},
        {"killed by somebody", {.exit = {true, SIGKILL, {{0}}}}, VERDICT_BLAME, ERR_CRASH},
        {"ended without a word", {.exit = {false, 0, {{0}}}}, VERDICT_FAIL, ERR_CRASH},
        {"exit status", {.exit = {false, 70, {{0}}}}, VERDICT_FAIL, ERR_CRASH},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verdict v;
        death_judge(&rows[i].d, &v);
        if (v.kind != rows[i].kind || v.error_kind != rows[i].error_kind)
            fail_msg("%s: verdict %d, error %s: %s", rows[i].name, (int)v.kind, err_name(v.error_kind),
                     v.message);
        if (v.kind == VERDICT_FAIL || v.kind == VERDICT_BLAME)
            assert_true(v.message[0] != '\0');
    }
}

static struct task *task_of(int n, int priority)
{
    struct task *t = xnew(struct task);
    (void)snprintf(t->id, sizeof(t->id), "%08x-0000-4000-8000-000000000000", (unsigned)n);
    t->priority = priority;
    t->bytes = (uint64_t)n;
    return t;
}

static void queue_order(void **state)
{
    (void)state;
    struct queue q = {0};
    assert_null(queue_peek(&q));
    struct task *low = task_of(1, 2);
    struct task *normal = task_of(2, 1);
    struct task *second = task_of(3, 1);
    struct task *high = task_of(4, 0);
    struct task *wild = task_of(5, 99); /* clamped to the lowest class */
    queue_push(&q, low);
    queue_push(&q, normal);
    queue_push(&q, second);
    queue_push(&q, high);
    queue_push(&q, wild);
    assert_int_equal(queue_count(&q), 5);
    assert_int_equal(q.bytes, 15);
    assert_int_equal(queue_position(&q, high), 1);
    assert_int_equal(queue_position(&q, second), 3);
    assert_int_equal(queue_position(&q, wild), 5);
    queue_remove(&q, normal);
    queue_push_front(&q, normal); /* it was interrupted: before the others of its class */
    struct task *const order[] = {high, normal, second, low, wild};
    for (size_t i = 0; i < 5; i++) {
        struct task *t = queue_peek(&q);
        assert_ptr_equal(t, order[i]);
        queue_pick(&q, t);
        task_free(t);
    }
    assert_int_equal(queue_count(&q), 0);
    assert_int_equal(q.bytes, 0);
}

static void no_class_starves(void **state)
{
    (void)state;
    struct queue q = {0};
    struct task *low = task_of(1, 2);
    queue_push(&q, low);
    bool seen = false;
    for (int i = 0; i < QUEUE_FAIR_EVERY; i++) {
        struct task *high = task_of(2, 0);
        queue_push(&q, high);
        struct task *t = queue_peek(&q);
        seen = seen || t == low;
        queue_pick(&q, t);
        task_free(t);
    }
    assert_true(seen);
    struct task *t;
    while ((t = queue_peek(&q))) {
        queue_pick(&q, t);
        task_free(t);
    }
}

static void table_of_tasks(void **state)
{
    (void)state;
    struct task_table table = {0};
    enum { COUNT = 1000 };
    assert_null(task_table_find(&table, "x"));
    for (int i = 0; i < COUNT; i++)
        task_table_add(&table, task_of(i, 1));
    for (int i = 0; i < COUNT; i += 2) {
        struct task *key = task_of(i, 1);
        struct task *t = task_table_find(&table, key->id);
        assert_non_null(t);
        task_table_remove(&table, t);
        assert_null(task_table_find(&table, key->id));
        task_free(t);
        task_free(key);
    }
    assert_int_equal(table.count, COUNT / 2);
    task_table_done(&table);
}

static void releases_are_counted(void **state)
{
    (void)state;
    struct release_counters c = {0};
    release_count(&c, 0.0005);
    release_count(&c, release_bounds_s[0]); /* a bound belongs to its bucket */
    release_count(&c, 0.3);
    release_count(&c, 1000);
    assert_int_equal(c.buckets[0], 2);
    assert_int_equal(c.buckets[8], 1);
    assert_int_equal(c.buckets[RELEASE_BUCKETS], 1);
    assert_int_equal(c.count, 4);
    assert_true(c.sum_s > 1000.3 && c.sum_s < 1000.4);
}

static void a_corpse_is_still_in_its_group(void **state)
{
    (void)state;
    assert_false(release_group_exists(0)); /* would be our own */
    assert_false(release_group_exists(1)); /* would be everybody */
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)pause();
        _exit(0);
    }
    (void)setpgid(pid, pid);
    assert_true(release_group_exists(pid));
    assert_true(release_rss_bytes(getpid(), 0) > 0); /* that of a small one is counted roughly */
    assert_int_equal(release_rss_bytes(pid, 1), 0);  /* another that had its number */
    assert_int_equal(kill(-pid, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(release_group_exists(pid));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(release_group_exists(pid));
    assert_int_equal(release_rss_bytes(pid, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(releases_are_counted),
                                       cmocka_unit_test(a_corpse_is_still_in_its_group),
                                       cmocka_unit_test(deaths),
                                       cmocka_unit_test(queue_order),
                                       cmocka_unit_test(no_class_starves),
                                       cmocka_unit_test(table_of_tasks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
