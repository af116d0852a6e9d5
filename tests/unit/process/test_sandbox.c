/* sandbox and probe: the table, the rules of paths, the line of the probe, and what is enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/probe.h"
#include "process/sandbox_calls.h"
#include "process/sandbox_parts.h"

static const char *spawn_probe;

/* The status of a child that runs fn: the sandbox cannot be taken off again. */
static int in_child(int (*fn)(void *), void *arg)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn(arg));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_exit_0(int status)
{
    if (WIFSIGNALED(status))
        fail_msg("ended by SIG%s", sigabbrev_np(WTERMSIG(status)));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the table ---- */

static void every_call_stands_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sandbox_call_count; i++)
        for (size_t k = i + 1; k < sandbox_call_count; k++)
            if (sandbox_calls[i].number == sandbox_calls[k].number)
                fail_msg("%s stands twice", sandbox_calls[i].name);
}

static enum sandbox_verdict verdict_of(int number, bool engine)
{
    for (size_t i = 0; i < sandbox_call_count; i++)
        if (sandbox_calls[i].number == number)
            return engine ? sandbox_calls[i].engine : sandbox_calls[i].worker;
    return NOSYS;
}

static void nobody_may_leave(void **state)
{
    (void)state;
    static const int numbers[] = {
        SYS_execve,  SYS_execveat, SYS_ptrace,         SYS_process_vm_readv, SYS_socket,
        SYS_connect, SYS_bpf,      SYS_mount,          SYS_keyctl,           SYS_userfaultfd,
        SYS_setns,   SYS_unshare,  SYS_io_uring_setup, SYS_perf_event_open,  SYS_pidfd_getfd};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_equal(verdict_of(numbers[i], false), KILL);
        assert_int_equal(verdict_of(numbers[i], true), KILL);
    }
}

/* ---- Landlock ---- */

struct path_trial {
    int abi;
    char allowed[64], folder[64], denied[64], links[64], target[64];
};

static int writes_only_where_it_may(void *arg)
{
    struct path_trial *t = arg;
    char name[100];
    const struct sandbox_path paths[] = {
        {"/nonexistent/first", false}, {t->allowed, false}, {t->folder, true}, {t->links, false}};
    const struct sandbox_policy policy = {
        .role = SANDBOX_ENGINE, .mode = SANDBOX_REQUIRED, .paths = paths, .path_count = ARRAY_LEN(paths)};
    (void)snprintf(name, sizeof(name), "%s/new", t->folder);
    if (sandbox_landlock_apply(&policy, t->abi, NULL) < 0)
        return 1;
    if (open(t->allowed, O_RDONLY) < 0)
        return 2;
    if (open(t->allowed, O_WRONLY) >= 0 || errno != EACCES)
        return 3;
    if (open(t->denied, O_RDONLY) >= 0 || errno != EACCES)
        return 4;
    int fd = open(name, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 10) < 0 || unlink(name) < 0)
        return 5;
    (void)snprintf(name, sizeof(name), "%s.moved", t->folder);
    if (rename(t->folder, name) == 0)
        return 6;
    (void)snprintf(name, sizeof(name), "%s/link", t->links);
    return open(name, O_RDONLY) >= 0 && open(name, O_WRONLY) < 0 ? 0 : 7;
}

static void close_new(char *template)
{
    int fd = mkstemp(template);
    assert_true(fd >= 0);
    close(fd);
}

/* With the ABI of this kernel and as if it were each older one: no mask may hold a bit too many. */
static void missing_paths_cost_only_themselves(void **state)
{
    (void)state;
    for (int abi = sandbox_landlock_abi(); abi > 0; abi--) {
        struct path_trial t = {.abi = abi,
                               .allowed = "/tmp/platen-allowed-XXXXXX",
                               .folder = "/tmp/platen-folder-XXXXXX",
                               .denied = "/tmp/platen-denied-XXXXXX",
                               .links = "/tmp/platen-links-XXXXXX",
                               .target = "/tmp/platen-target-XXXXXX"};
        char name[100];
        close_new(t.allowed);
        close_new(t.denied);
        close_new(t.target);
        assert_non_null(mkdtemp(t.folder));
        assert_non_null(mkdtemp(t.links));
        (void)snprintf(name, sizeof(name), "%s/link", t.links);
        assert_int_equal(symlink(t.target, name), 0);
        int status = in_child(writes_only_where_it_may, &t);
        (void)unlink(name);
        (void)unlink(t.allowed);
        (void)unlink(t.denied);
        (void)unlink(t.target);
        (void)rmdir(t.folder);
        (void)rmdir(t.links);
        assert_exit_0(status);
    }
}

/* ---- the whole ---- */

static int confined_worker(void *arg)
{
    (void)arg;
    const struct sandbox_policy policy = {.role = SANDBOX_WORKER, .mode = SANDBOX_REQUIRED};
    struct sandbox_state s = {0};
    if (sandbox_apply(&policy, &s, NULL) < 0)
        return 1;
    if (!(s.facilities & SANDBOX_HAS_NO_NEW_PRIVS) ||
        (s.landlock_abi > 0) != !!(s.facilities & SANDBOX_HAS_LANDLOCK))
        return 2;
    if (SANDBOX_SANITIZED)
        return s.facilities & SANDBOX_HAS_SECCOMP ? 3 : 0;
    if (!(s.facilities & SANDBOX_HAS_SECCOMP) || fork() >= 0 || errno != EPERM)
        return 4;
    if (kill(getpid(), 0) < 0) /* itself it may signal: abort() must work */
        return 5;
    void *p = malloc(64u << 20);
    if (!p)
        return 6;
    free(p);
    return 0;
}

static void worker_goes_on_inside(void **state)
{
    (void)state;
    assert_exit_0(in_child(confined_worker, NULL));
}

static int aborts(void *arg)
{
    if (confined_worker(arg) == 0)
        abort();
    return 1;
}

/* The supervisor types a death by its signal. */
static void abort_is_still_an_abort(void **state)
{
    (void)state;
    int status = in_child(aborts, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void *answer(void *arg)
{
    *(int *)arg = 42;
    return arg;
}

static int engine_threads(void *arg)
{
    (void)arg;
    const struct sandbox_policy policy = {.role = SANDBOX_ENGINE, .mode = SANDBOX_REQUIRED};
    struct sandbox_state s;
    pthread_t t;
    int value = 0;
    if (sandbox_apply(&policy, &s, NULL) < 0)
        return 1;
    if (pthread_create(&t, NULL, answer, &value) != 0 || pthread_join(t, NULL) != 0 || value != 42)
        return 2;
    if (!SANDBOX_SANITIZED && (fork() >= 0 || errno != EPERM))
        return 3;
    return 0;
}

static void engine_has_threads_but_no_processes(void **state)
{
    (void)state;
    assert_exit_0(in_child(engine_threads, NULL));
}

static void *wait_for_end(void *arg)
{
    char c;
    (void)!read(*(int *)arg, &c, 1);
    return NULL;
}

static int too_late(void *arg)
{
    (void)arg;
    const struct sandbox_policy policy = {.role = SANDBOX_WORKER, .mode = SANDBOX_REQUIRED};
    struct sandbox_state s;
    pthread_t t;
    int fds[2];
    if (pipe(fds) < 0 || pthread_create(&t, NULL, wait_for_end, &fds[0]) != 0)
        return 1;
    return sandbox_apply(&policy, &s, NULL) == ERR_BUG ? 0 : 2;
}

static void threads_before_it_are_refused(void **state)
{
    (void)state;
    assert_exit_0(in_child(too_late, NULL));
}

static void off_is_off(void **state)
{
    (void)state;
    const struct sandbox_policy policy = {.role = SANDBOX_WORKER, .mode = SANDBOX_OFF};
    struct sandbox_state s = {.facilities = 1};
    assert_int_equal(sandbox_apply(&policy, &s, NULL), 0);
    assert_int_equal(s.facilities, 0);
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    close(fd);
}

/* ---- the probe ---- */

static void the_line_survives_the_way(void **state)
{
    (void)state;
    for (unsigned facilities = 0; facilities < 1u << SANDBOX_FACILITY_COUNT; facilities++) {
        struct sandbox_report a = {
            .mode = SANDBOX_REQUIRED, .facilities = facilities, .sanitized = facilities & 1};
        if (facilities & SANDBOX_HAS_LANDLOCK)
            a.landlock_abi = 7;
        sandbox_report_print(&a);
        struct sandbox_report b;
        struct err e = ERR_INIT;
        if (sandbox_report_parse(a.text, &b, &e) != 0)
            fail_msg("%s", e.message);
        assert_int_equal(a.facilities, b.facilities);
        assert_int_equal(a.landlock_abi, b.landlock_abi);
        assert_int_equal(a.sanitized, b.sanitized);
        assert_string_equal(a.text, b.text);
    }
    struct sandbox_report r = {.mode = SANDBOX_REQUIRED,
                               .facilities = (1u << SANDBOX_FACILITY_COUNT) - 1 - SANDBOX_HAS_CGROUP2,
                               .landlock_abi = 7};
    sandbox_report_print(&r);
    assert_string_equal(r.text, "nnp,rlimit,seccomp,landlock7,net,scope,nodump,oomadj;missing=cgroup2");
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",           "\n,",        "seccomp,,rlimit", "seccomp2",    "landlock", "landlock0",
        "landlock-1", "landlock7x", "landlock99999",   "nnp,,rlimit", "NNP",      "hello world"};
    struct sandbox_report r;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (sandbox_report_parse(lines[i], &r, NULL) != ERR_FORMAT)
            fail_msg("taken: \"%s\"", lines[i]);
}

static void enough_depends_on_the_mode(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct sandbox_report r = {.mode = SANDBOX_REQUIRED, .facilities = SANDBOX_MUST_HAVE};
    assert_int_equal(sandbox_report_check(&r, &e), 0); /* Landlock is best effort */
    r.facilities &= ~(unsigned)SANDBOX_HAS_RLIMIT & ~(unsigned)SANDBOX_HAS_SECCOMP;
    assert_int_equal(sandbox_report_check(&r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.message, "missing: rlimit, seccomp"));
    r.mode = SANDBOX_BEST_EFFORT;
    assert_int_equal(sandbox_report_check(&r, &e), 0);
    r = (struct sandbox_report){.mode = SANDBOX_REQUIRED, .sanitized = true};
    r.facilities = SANDBOX_HAS_NO_NEW_PRIVS | SANDBOX_HAS_RLIMIT;
    assert_int_equal(sandbox_report_check(&r, &e), 0);
    r.facilities = SANDBOX_HAS_RLIMIT;
    assert_int_equal(sandbox_report_check(&r, &e), ERR_UNSUPPORTED);
}

static void modes_have_names(void **state)
{
    (void)state;
    enum sandbox_mode m;
    for (int i = SANDBOX_OFF; i <= SANDBOX_REQUIRED; i++) {
        assert_true(sandbox_mode_of_name(sandbox_mode_name((enum sandbox_mode)i), &m));
        assert_int_equal(m, i);
    }
    assert_false(sandbox_mode_of_name("on", &m));
}

static void the_probe_answers(void **state)
{
    (void)state;
    struct sandbox_report r;
    struct err e = ERR_INIT;
    if (sandbox_probe(spawn_probe, SANDBOX_REQUIRED, &r, &e) != 0)
        fail_msg("%s", e.message);
    assert_true(r.facilities & SANDBOX_HAS_NO_NEW_PRIVS);
    assert_true(r.facilities & SANDBOX_HAS_RLIMIT);
    assert_int_equal(r.sanitized, SANDBOX_SANITIZED);
    assert_int_equal(!!(r.facilities & SANDBOX_HAS_LANDLOCK), sandbox_landlock_abi() > 0);
    assert_int_equal(sandbox_probe("/nonexistent/program", SANDBOX_REQUIRED, &r, &e), ERR_IO);
    assert_int_equal(sandbox_probe("/bin/true", SANDBOX_REQUIRED, &r, &e), ERR_FORMAT);
    assert_int_equal(sandbox_probe("/bin/false", SANDBOX_REQUIRED, &r, &e), ERR_CRASH);
    assert_int_equal(sandbox_probe("/nonexistent/program", SANDBOX_OFF, &r, &e), 0);
    assert_string_equal(r.text, "off");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    spawn_probe = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_stands_once),
        cmocka_unit_test(nobody_may_leave),
        cmocka_unit_test(missing_paths_cost_only_themselves),
        cmocka_unit_test(worker_goes_on_inside),
        cmocka_unit_test(abort_is_still_an_abort),
        cmocka_unit_test(engine_has_threads_but_no_processes),
        cmocka_unit_test(threads_before_it_are_refused),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(the_line_survives_the_way),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(enough_depends_on_the_mode),
        cmocka_unit_test(modes_have_names),
        cmocka_unit_test(the_probe_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
