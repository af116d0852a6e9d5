/* The store in a folder of its own: the way of a task, fencing, recovery, and a crash at every numbered
 * point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "supervisor/store/failpoint.h"
#include "supervisor/store/store.h"

struct fixture {
    uv_loop_t loop;
    char dir[64];
    struct store *store;
};

/* What the last callback said. */
struct answer {
    bool come;
    int rc;
    struct life life;
    struct store_work work;
    char message[ERR_MESSAGE_BYTES];
};

static struct store_config config_of(const struct fixture *f)
{
    return (struct store_config){
        .data_dir = f->dir, .scratch_dir = "", .max_num_pages = 100, .page_batch_size = 10};
}

static void open_store(struct fixture *f)
{
    struct err err = ERR_INIT;
    struct store_config c = config_of(f);
    if (store_open(&f->loop, &c, &f->store, &err) < 0)
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    struct fixture *f = xnew(struct fixture);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/platen-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    open_store(f);
    *state = f;
    return 0;
}

static void empty_dir(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) < 0) {
            empty_dir(fd, e->d_name);
            assert_int_equal(unlinkat(fd, e->d_name, AT_REMOVEDIR), 0);
        }
    }
    (void)closedir(d);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    while (uv_run(&f->loop, UV_RUN_NOWAIT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&f->loop), 0);
    empty_dir(AT_FDCWD, f->dir);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* ---- one step at a time ---- */

static void wait_for(struct fixture *f, const struct answer *a)
{
    while (!a->come)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
}

static void on_submit(void *ctx, int rc, const struct err *err)
{
    struct answer *a = ctx;
    a->come = true;
    a->rc = rc;
    (void)snprintf(a->message, sizeof(a->message), "%s", err->message);
}

static void on_claim(void *ctx, int rc, struct store_work *work, const struct err *err)
{
    on_submit(ctx, rc, err);
    struct answer *a = ctx;
    a->life = work->life;
    a->work = *work;
    *work = (struct store_work){.input_fd = -1, .output_fd = -1};
}

static void on_step(void *ctx, int rc, const struct life *life, const struct err *err)
{
    on_submit(ctx, rc, err);
    ((struct answer *)ctx)->life = *life;
}

static void begin_submit(struct fixture *f, const char *text, struct task_row *row, struct answer *a)
{
    struct spool_file *file;
    assert_int_equal(store_spool_open(f->store, &file, NULL), 0);
    assert_int_equal(store_spool_write(file, text, strlen(text), NULL), 0);
    *row = (struct task_row){.tenant = "t", .priority = 1, .created_ms = 1, .timeout_s = 5};
    uuid_new(row->id);
    const struct store_source source = {file, "a \"b\".pdf"};
    *a = (struct answer){0};
    store_submit(f->store, row, "{\"to_formats\":[\"md\"]}", &source, 1, on_submit, a);
}

static void submit(struct fixture *f, const char *text, struct task_row *row)
{
    struct answer a;
    begin_submit(f, text, row, &a);
    wait_for(f, &a);
    assert_int_equal(a.rc, 0);
}

static struct answer claim(struct fixture *f, const char *id, int attempt)
{
    struct answer a = {0};
    store_claim(f->store, id, attempt, on_claim, &a);
    wait_for(f, &a);
    return a;
}

static struct answer step(struct fixture *f, const char *id, int attempt, enum life_event event)
{
    struct answer a = {0};
    store_step(f->store, id, attempt, event, ERR_CRASH, "because", on_step, &a);
    wait_for(f, &a);
    return a;
}

/* Writes the output and finishes with the claim's answer. */
static struct answer finish(struct fixture *f, const char *id, struct answer *claimed, const char *output)
{
    struct row_result r = {
        .bytes = strlen(output), .content_type = "text/plain", .documents = 1, .succeeded = 1, .pages = 3};
    assert_int_equal(fd_write_all(claimed->work.output_fd, output, strlen(output), NULL), 0);
    int fd = claimed->work.output_fd;
    claimed->work.output_fd = -1;
    struct answer a = {0};
    store_finish(f->store, id, claimed->life.attempt, fd, &r, on_step, &a);
    wait_for(f, &a);
    store_work_done(&claimed->work);
    return a;
}

static unsigned count_files(const struct fixture *f, const char *folder)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    unsigned n = 0;
    const struct dirent *e;
    while ((e = readdir(d)))
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    open_store(f);
}

static char *result_text(const struct fixture *f, const char *id, int attempt)
{
    int fd;
    if (store_result_open(f->store, id, attempt, &fd, NULL) < 0)
        return NULL;
    struct buf b = BUF_INIT(1 << 20);
    assert_int_equal(fd_read_all(fd, &b, NULL), 0);
    (void)close(fd);
    return buf_take(&b);
}

struct rows {
    struct task_row items[8];
    size_t count;
};

static int collect(void *ctx, const struct task_row *row, struct err *err)
{
    (void)err;
    struct rows *rows = ctx;
    assert_true(rows->count < 8);
    rows->items[rows->count] = *row;
    rows->items[rows->count].tenant = rows->items[rows->count].error_message = NULL;
    rows->count++;
    return 0;
}

static const struct task_row *find_row(const struct rows *rows, const char *id)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->items[i].id, id) == 0)
            return &rows->items[i];
    }
    return NULL;
}

static struct task_row row_of(const struct rows *rows, const char *id)
{
    const struct task_row *r = find_row(rows, id);
    if (!r) {
        fail_msg("task %s is lost", id);
        abort(); /* not reached; for the compiler */
    }
    return *r;
}

/* ---- the tests ---- */

static void the_way_of_a_task(void **state)
{
    struct fixture *f = *state;
    struct task_row row;
    submit(f, "hello", &row);
    assert_int_equal(count_files(f, "spool"), 1);

    struct answer c = claim(f, row.id, 0);
    assert_int_equal(c.rc, 0);
    assert_int_equal(c.life.attempt, 1);
    assert_int_equal(c.work.source_count, 1);
    struct buf b = BUF_INIT(4096);
    assert_int_equal(fd_read_all(c.work.input_fd, &b, NULL), 0);
    assert_non_null(
        strstr(buf_str(&b), "\"sources\":[{\"filename\":\"a \\\"b\\\".pdf\",\"bytes\":5,\"fd\":7}]"));
    assert_non_null(strstr(buf_str(&b), "\"options\":{\"to_formats\":[\"md\"]}"));
    assert_non_null(strstr(buf_str(&b), "\"max_num_pages\":100,\"page_batch_size\":10"));
    buf_reset(&b);
    assert_int_equal(fd_read_all(c.work.source_fds[0], &b, NULL), 0);
    assert_string_equal(buf_str(&b), "hello");
    buf_done(&b);
    assert_true(write(c.work.input_fd, "x", 1) < 0); /* read-only for the worker */
    assert_int_equal(count_files(f, "scratch"), 2);

    struct answer a = finish(f, row.id, &c, "the result");
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.life.state, LIFE_SUCCESS);
    assert_int_equal(step(f, row.id, 1, LIFE_FETCH).rc, 0);
    assert_int_equal(count_files(f, "scratch"), 0);
    assert_int_equal(count_files(f, "spool"), 0);
    assert_int_equal(count_files(f, "results"), 1);

    reopen(f);
    struct rows rows = {0};
    assert_int_equal(store_load(f->store, collect, &rows, NULL), 0);
    const struct task_row found = row_of(&rows, row.id);
    assert_int_equal(found.life.state, LIFE_SUCCESS);
    assert_int_equal(found.result.pages, 3);
    assert_string_equal(found.result.content_type, "text/plain");
    assert_true(found.fetched_ms > 0 && found.done_ms >= found.started_ms && found.started_ms > 0);
    char *text = result_text(f, row.id, 1);
    assert_string_equal(text, "the result");
    free(text);

    assert_int_equal(step(f, row.id, 1, LIFE_REMOVE).rc, 0);
    assert_int_equal(count_files(f, "results"), 0);
    assert_int_equal(step(f, row.id, 1, LIFE_REMOVE).rc, ERR_NOTFOUND);
}

static void stale_news_are_fenced_out(void **state)
{
    struct fixture *f = *state;
    struct task_row row;
    submit(f, "x", &row);
    struct answer first = claim(f, row.id, 0);
    assert_int_equal(step(f, row.id, 1, LIFE_INTERRUPT).rc, 0);
    struct answer second = claim(f, row.id, 1);
    assert_int_equal(second.life.attempt, 2);
    assert_int_equal(finish(f, row.id, &first, "late").rc, ERR_BUSY);
    assert_int_equal(step(f, row.id, 1, LIFE_FAIL).rc, ERR_BUSY);
    assert_int_equal(claim(f, row.id, 2).rc, ERR_BUSY); /* it runs */
    assert_int_equal(finish(f, row.id, &second, "right").rc, 0);
    assert_int_equal(step(f, row.id, 2, LIFE_CANCEL).rc, ERR_BUSY); /* too late */
    char *text = result_text(f, row.id, 2);
    assert_string_equal(text, "right");
    free(text);
    assert_null(result_text(f, row.id, 1));
}

/* The cleaning of a requeued attempt must not take the files of the next one. */
static void requeue_and_claim_at_once(void **state)
{
    struct fixture *f = *state;
    struct task_row row;
    submit(f, "x", &row);
    struct answer c = claim(f, row.id, 0);
    store_work_done(&c.work);
    struct answer s = {0};
    struct answer again = {0};
    store_step(f->store, row.id, 1, LIFE_BLAME, ERR_CRASH, "m", on_step, &s);
    wait_for(f, &s);
    store_claim(f->store, row.id, 1, on_claim, &again); /* at once, as the scheduler does */
    wait_for(f, &again);
    assert_int_equal(again.rc, 0);
    assert_int_equal(count_files(f, "scratch"), 2);
    assert_int_equal(finish(f, row.id, &again, "ok").rc, 0);
}

static void another_platend_is_kept_out(void **state)
{
    struct fixture *f = *state;
    struct store *second;
    struct err err = ERR_INIT;
    struct store_config c = config_of(f);
    assert_int_equal(store_open(&f->loop, &c, &second, &err), ERR_BUSY);
    assert_non_null(strstr(err.message, "another platend uses the folder"));
}

static void a_missing_source_fails_the_claim(void **state)
{
    struct fixture *f = *state;
    struct task_row row;
    submit(f, "x", &row);
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/spool/%s.0", f->dir, row.id);
    assert_int_equal(unlink(path), 0);
    struct answer c = claim(f, row.id, 0);
    assert_int_equal(c.rc, ERR_IO);
    assert_int_equal(c.life.state, LIFE_RUNNING); /* the claim itself holds, so it can be failed */
    store_work_done(&c.work);
    assert_int_equal(step(f, row.id, 1, LIFE_FAIL).rc, 0);
    assert_false(store_broken(f->store));
}

static void many_submits_share_commits(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 50 };
    struct task_row rows[COUNT];
    struct answer answers[COUNT];
    for (int i = 0; i < COUNT; i++)
        begin_submit(f, "x", &rows[i], &answers[i]);
    for (int i = 0; i < COUNT; i++) {
        wait_for(f, &answers[i]);
        assert_int_equal(answers[i].rc, 0);
    }
    assert_int_equal(count_files(f, "spool"), COUNT);
}

static void foreign_files_stay(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"spool/notes.txt", "spool/00000000-0000-4000-8000-000000000000.x",
                                        "results/readme", "scratch/task_mine.json"};
    static const char *const ours[] = {"spool/00000000-0000-4000-8000-000000000000.part",
                                       "spool/00000000-0000-4000-8000-000000000000.0",
                                       "results/00000000-0000-4000-8000-000000000000.1",
                                       "scratch/task_00000000-0000-4000-8000-000000000000_output.json"};
    char path[160];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        (void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        (void)snprintf(path, sizeof(path), "%s/%s", f->dir, ours[i]);
        (void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    reopen(f);
    assert_int_equal(store_swept(f->store), 4);
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* ---- a crash at every point ---- */

/* The acknowledged steps, in memory shared with the child. */
struct journal {
    char a[UUID_BYTES], b[UUID_BYTES], old[UUID_BYTES];
    bool submitted, finished, blamed, failed, removed;
};

/* The life of two tasks; `old` was left running by an earlier process. */
static void live(struct fixture *f, struct journal *j)
{
    struct task_row a;
    struct task_row b;
    struct answer sa;
    struct answer sb;
    begin_submit(f, "source a", &a, &sa);
    begin_submit(f, "source b", &b, &sb);
    memcpy(j->a, a.id, UUID_BYTES);
    memcpy(j->b, b.id, UUID_BYTES);
    wait_for(f, &sa);
    wait_for(f, &sb);
    j->submitted = true;
    struct answer c = claim(f, a.id, 0);
    j->finished = finish(f, a.id, &c, "result of a").rc == 0;
    c = claim(f, b.id, 0);
    store_work_done(&c.work);
    j->blamed = step(f, b.id, 1, LIFE_BLAME).rc == 0;
    c = claim(f, b.id, 1);
    store_work_done(&c.work);
    j->failed = step(f, b.id, 2, LIFE_FAIL).rc == 0;
    j->removed = step(f, a.id, 1, LIFE_REMOVE).rc == 0;
}

static int run_child(const char *dir, int point, struct journal *j, bool leave_one_running)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture f = {0};
        (void)snprintf(f.dir, sizeof(f.dir), "%s", dir);
        if (uv_loop_init(&f.loop) != 0)
            _exit(1);
        failpoint_armed = point;
        open_store(&f);
        if (leave_one_running) {
            struct task_row row;
            submit(&f, "old source", &row);
            memcpy(j->old, row.id, UUID_BYTES);
            struct answer c = claim(&f, row.id, 0);
            _exit(c.rc == 0 ? 0 : 2);
        }
        live(&f, j);
        store_close(f.store);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_result(const struct fixture *f, const struct task_row *row)
{
    char *text = result_text(f, row->id, row->life.attempt);
    assert_non_null(text);
    assert_string_equal(text, "result of a");
    free(text);
}

static void check_after_crash(const struct fixture *f, const struct journal *j, int point)
{
    struct rows rows = {0};
    assert_int_equal(store_load(f->store, collect, &rows, NULL), 0);
    const struct task_row *a = find_row(&rows, j->a);
    const struct task_row *b = find_row(&rows, j->b);
    const struct task_row old = row_of(&rows, j->old);
    assert_int_equal(old.life.state, LIFE_QUEUED);
    assert_int_equal(old.life.interrupted, 1);
    unsigned queued = 0;
    unsigned results = 0;
    for (size_t i = 0; i < rows.count; i++) {
        assert_true(rows.items[i].life.state != LIFE_RUNNING);
        queued += rows.items[i].life.state == LIFE_QUEUED;
        results += rows.items[i].life.state == LIFE_SUCCESS;
    }
    assert_int_equal(count_files(f, "spool"), queued); /* nothing lost, nothing left */
    assert_int_equal(count_files(f, "results"), results);
    assert_int_equal(count_files(f, "scratch"), 0);
    if (j->submitted)
        assert_true(b && (a || point == FAILPOINT_REMOVE_COMMITTED || j->removed));
    if (j->finished && a)
        assert_int_equal(a->life.state, LIFE_SUCCESS);
    if (a && a->life.state == LIFE_SUCCESS)
        check_result(f, a);
    else if (a)
        assert_int_equal(a->life.state, LIFE_QUEUED);
    if (j->blamed)
        assert_int_equal(row_of(&rows, j->b).life.blamed, 1);
    if (j->failed)
        assert_int_equal(row_of(&rows, j->b).life.state, LIFE_FAILURE);
}

static void crash_at_every_point(void **state)
{
    struct fixture *f = *state;
    struct journal *j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(j, MAP_FAILED);
    for (int point = 1; point < FAILPOINT_COUNT; point++) {
        print_message("crash point %d\n", point);
        store_close(f->store);
        f->store = NULL;
        empty_dir(AT_FDCWD, f->dir);
        memset(j, 0, sizeof(*j));
        assert_int_equal(run_child(f->dir, FAILPOINT_NONE, j, true), 0);
        assert_int_equal(run_child(f->dir, point, j, false),
                         FAILPOINT_EXIT_CODE); /* every point is on the way */
        open_store(f);
        check_after_crash(f, j, point);
    }
    (void)munmap(j, sizeof(*j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_way_of_a_task, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_news_are_fenced_out, setup, teardown),
        cmocka_unit_test_setup_teardown(requeue_and_claim_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(another_platend_is_kept_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_source_fails_the_claim, setup, teardown),
        cmocka_unit_test_setup_teardown(many_submits_share_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_files_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(crash_at_every_point, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
