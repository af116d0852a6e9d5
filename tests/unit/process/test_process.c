/* process: what a child inherits, its limits, and that it can always be ended and reaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "process/spawn.h"

static const char *probe;

static int start(const char *what, const char *parent, struct child *ret_child, int *ret_out)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const char *argv[] = {probe, parent, what, NULL};
    const char *env[] = {"LANG=C.UTF-8", NULL};
    struct spawn_request q = {
        .program = probe, .argv = argv, .env = env, .fds = &fds[1], .fd_count = 1, .err_fd = STDERR_FILENO};
    int rc = spawn_child(&q, ret_child, NULL);
    close(fds[1]);
    *ret_out = fds[0];
    return rc;
}

static char *own_pid(void)
{
    return xasprintf("%d", (int)getpid());
}

static struct child_exit wait_exit(struct child *c)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
    struct child_exit e = {0};
    assert_int_equal(child_reap(c, &e, NULL), 1);
    assert_int_equal(c->pid, 0);
    return e;
}

static void child_gets_only_what_is_listed(void **state)
{
    (void)state;
    struct child c;
    int out;
    char *parent = own_pid();
    int loose = open("/dev/null", O_RDONLY); /* without CLOEXEC: must not leak */
    assert_int_equal(start("state", parent, &c, &out), 0);
    struct buf b = BUF_INIT(1000);
    assert_int_equal(fd_read_all(out, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "fds=1 env=1 leader=1");
    buf_done(&b);
    close(out);
    close(loose);
    free(parent);
    struct child_exit e = wait_exit(&c);
    assert_false(e.signalled);
    assert_int_equal(e.code, 7);
}

static void wrong_parent_ends_the_child(void **state)
{
    (void)state;
    struct child c;
    int out;
    assert_int_equal(start("state", "1", &c, &out), 0);
    close(out);
    assert_int_equal(wait_exit(&c).code, 99);
}

#ifndef __SANITIZE_ADDRESS__
static void memory_above_the_limit_is_refused(void **state)
{
    (void)state;
    struct child c;
    int out;
    char *parent = own_pid();
    assert_int_equal(start("memory", parent, &c, &out), 0);
    struct buf b = BUF_INIT(1000);
    assert_int_equal(fd_read_all(out, &b, NULL), 0);
    assert_string_equal(buf_str(&b), "refused=1");
    buf_done(&b);
    close(out);
    free(parent);
    assert_int_equal(wait_exit(&c).code, 0);
}
#endif

static void kill_ends_what_ignores_term(void **state)
{
    (void)state;
    struct child c;
    struct child_exit e;
    int out;
    char ready[5];
    size_t n;
    char *parent = own_pid();
    assert_int_equal(start("hang", parent, &c, &out), 0);
    assert_int_equal(fd_read_full(out, ready, sizeof(ready), &n, NULL), 0);
    assert_int_equal(n, 5);
    child_signal(&c, SIGTERM);
    struct pollfd p = {.fd = c.pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 50), 0);
    assert_int_equal(child_reap(&c, &e, NULL), 0);
    child_signal(&c, SIGKILL);
    e = wait_exit(&c);
    assert_true(e.signalled);
    assert_int_equal(e.code, SIGKILL);
    child_signal(&c, SIGKILL); /* gone: no effect, above all not on pid 0 */
    close(out);
    free(parent);
}

static void missing_program_is_an_error(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct child c;
    const char *argv[] = {"/nonexistent/program", NULL};
    const char *env[] = {NULL};
    struct spawn_request q = {.program = argv[0], .argv = argv, .env = env, .err_fd = -1};
    assert_int_equal(spawn_child(&q, &c, &e), ERR_IO);
    assert_non_null(strstr(e.message, "/nonexistent/program"));
    char *path = NULL;
    assert_int_equal(spawn_find_program("no-such-program", &path, &e), ERR_NOTFOUND);
    assert_null(path);
    assert_int_equal(spawn_find_program("test_process", &path, &e), 0);
    free(path);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    probe = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_gets_only_what_is_listed),    cmocka_unit_test(wrong_parent_ends_the_child),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(memory_above_the_limit_is_refused),
#endif
        cmocka_unit_test(kill_ends_what_ignores_term),       cmocka_unit_test(missing_program_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
