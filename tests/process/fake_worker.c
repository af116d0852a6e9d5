/*
 * Stands in for platen-worker (and, under the name given with --models, for platen-engine) in the
 * supervisor's tests: speaks the protocol, and misbehaves as the first source tells it. The source's first
 * line is "MODE [NUMBER]".
 *
 *   ok MS       work for MS milliseconds with progress, answer {"echo": SOURCE, "attempt": K}
 *   engine MS   ask the engine once before and once after MS milliseconds, then as ok; the engine's end is
 * ERR_CRASH crash, abort, kill   die by SIGSEGV, SIGABRT, SIGKILL exit N      leave with status N and no word
 *   fail N      report failure of kind -N
 *   hang        report nothing; ignore-term: the same, and SIGTERM is ignored; busy: progress that never
 * changes garbage, badtype, twice, short, fd   break the protocol linger      report DONE and stay flood N N
 * lines on stderr, then ok
 *
 * For tests/chaos:
 *
 *   fork N      N children and a grandchild each, all in the worker's group, that sleep; then ok
 *   escape N    N grandchildren that leave the group (setsid) and sleep; then ok
 *   leakfds N   N descriptors that nobody closes, then ok
 *   partial     half an output, then SIGSEGV
 *   overflow    recursion until the stack ends
 *   stall       progress, then nothing; spin: the same, but busy
 *   oversize    a frame longer than its header says
 *   enginekill  make the engine die
 */
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "ipc/messages.h"
#include "process/harden.h"
#include "process/probe.h"

#define FD_INPUT 3
#define FD_OUTPUT 4
#define FD_CONTROL 5
#define FD_ENGINE 6
#define ENGINE_FDS 64

static uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
static struct ipc_frame frame;

static void die(const char *what)
{
    (void)fprintf(stderr, "ERROR: fake worker: %s\n", what);
    _exit(70);
}

static void pause_ms(long ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* ---- the engine ---- */

/* In the place of one that has gone, so that an engine may serve any number. */
static void add_client(struct pollfd *fds, nfds_t *count, int fd)
{
    nfds_t i = 1;
    while (i < *count && fds[i].fd >= 0)
        i++;
    if (i == ENGINE_FDS)
        die("too many clients");
    fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    if (i == *count)
        (*count)++;
}

static int engine_main(void)
{
    struct pollfd fds[ENGINE_FDS] = {{.fd = 3, .events = POLLIN}};
    nfds_t count = 1;
    if (ipc_send(3, IPC_ENGINE_READY, 0, 0, NULL, 0, -1, NULL) < 0)
        return 1;
    for (;;) {
        if (poll(fds, count, -1) < 0)
            continue;
        for (nfds_t i = 0; i < count; i++) {
            if (fds[i].revents == 0)
                continue;
            int rc = ipc_recv(fds[i].fd, &frame, NULL);
            if (rc != 1 && i == 0)
                return 0; /* the lifeline */
            if (rc != 1)
                fd_closep(&fds[i].fd);
            else if (i == 0 && frame.type == IPC_ENGINE_ATTACH)
                add_client(fds, &count, frame.fd);
            else if (i > 0 && frame.type == IPC_TABLE)
                (void)raise(SIGSEGV);
            else if (i > 0)
                (void)ipc_send(fds[i].fd, IPC_REPLY, 0, frame.id, NULL, 0, -1, NULL);
        }
    }
}

/* ---- the worker ---- */

static void send_fail(int kind, const char *message)
{
    struct ipc_failure f = {.kind = kind};
    (void)snprintf(f.message, sizeof(f.message), "%s", message);
    size_t n = ipc_encode_failure(&f, payload);
    if (ipc_send(FD_CONTROL, IPC_WORKER_FAIL, 0, 0, payload, n, -1, NULL) < 0)
        die("no supervisor");
}

static void send_progress(uint32_t done, uint32_t total)
{
    struct ipc_progress p = {.pages_done = done, .pages_total = total, .stage = "fake"};
    size_t n = ipc_encode_progress(&p, payload);
    (void)ipc_send(FD_CONTROL, IPC_WORKER_PROGRESS, 0, 0, payload, n, -1, NULL);
}

static void ask_engine(void)
{
    static uint32_t id;
    struct ipc_page_ref ref = {.page_id = 1};
    size_t n = ipc_encode_page_ref(&ref, payload);
    int rc = ipc_send(FD_ENGINE, IPC_ORIENT, 0, ++id, payload, n, -1, NULL);
    if (rc == 0)
        rc = ipc_recv(FD_ENGINE, &frame, NULL) == 1 ? 0 : ERR_CRASH;
    if (rc < 0) {
        send_fail(ERR_CRASH, "the engine is gone");
        _exit(0);
    }
}

static uint64_t write_output(json_t *input, const char *source)
{
    json_t *root = json_pack("{s:s, s:O}", "echo", source, "attempt", json_object_get(input, "attempt"));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (!text || fd_write_all(FD_OUTPUT, text, strlen(text), NULL) < 0 || fsync(FD_OUTPUT) < 0)
        die("output");
    uint64_t len = strlen(text);
    free(text);
    json_decref(root);
    return len;
}

static void send_done(uint64_t len)
{
    struct ipc_done d = {.status = IPC_TASK_SUCCESS,
                         .output_bytes = len,
                         .documents = 1,
                         .succeeded = 1,
                         .pages = 1,
                         .content_type = "application/json"};
    size_t n = ipc_encode_done(&d, payload);
    if (ipc_send(FD_CONTROL, IPC_WORKER_DONE, 0, 0, payload, n, -1, NULL) < 0)
        die("no supervisor");
}

static void work(long ms)
{
    for (uint32_t i = 0; i < 10; i++) {
        send_progress(i, 10);
        pause_ms(ms / 10);
    }
}

/* ---- for tests/chaos ---- */

static void sleep_for_ever(void)
{
    for (;;)
        (void)pause();
}

/* The worker leaves them behind: the supervisor has to end them. */
static void breed(long count, bool escape)
{
    for (long i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid > 0)
            continue;
        if (escape)
            (void)setsid();
        pid_t second = fork();
        if (escape && second > 0)
            _exit(0);
        sleep_for_ever();
    }
}

static void leak_fds(long count)
{
    for (long i = 0; i < count; i++) {
        if (dup(FD_INPUT) < 0)
            return; /* as many as there may be */
    }
}

/* Neither a tail call nor, to the compiler, without an end. */
static int overflow(volatile char *above) /* NOLINT(misc-no-recursion) */
{
    volatile char here[4096];
    here[0] = above[0];
    return here[0] == 1 ? 0 : overflow(here) + here[0];
}

static void ask_the_impossible(void)
{
    if (ipc_send(FD_ENGINE, IPC_TABLE, 0, 1, NULL, 0, -1, NULL) == 0 &&
        ipc_recv(FD_ENGINE, &frame, NULL) == 1)
        die("the engine lives");
    send_fail(ERR_CRASH, "the engine is gone");
    _exit(0);
}

/* Modes that end well are done with here; false: not one of them. */
static bool leave_behind(const char *mode, long number)
{
    if (strcmp(mode, "fork") == 0)
        breed(number, false);
    else if (strcmp(mode, "escape") == 0)
        breed(number, true);
    else if (strcmp(mode, "leakfds") == 0)
        leak_fds(number);
    else
        return false;
    work(20);
    return true;
}

static void misbehave_more(const char *mode, const char *source)
{
    if (strcmp(mode, "partial") == 0) {
        (void)fd_write_all(FD_OUTPUT, source, strlen(source) / 2, NULL);
        (void)raise(SIGSEGV);
    } else if (strcmp(mode, "overflow") == 0) {
        char first[1] = {0};
        (void)overflow(first);
    } else if (strcmp(mode, "stall") == 0) {
        send_progress(1, 10);
        send_progress(2, 10);
    } else if (strcmp(mode, "spin") == 0) {
        send_progress(1, 10);
        for (volatile unsigned i = 0;; i++)
            continue;
    } else if (strcmp(mode, "oversize") == 0) {
        memset(payload, 0x41, sizeof(payload));
        (void)send(FD_CONTROL, payload, sizeof(payload), 0);
    } else if (strcmp(mode, "enginekill") == 0) {
        ask_the_impossible();
    }
}

static void misbehave(const char *mode, long number, json_t *input, const char *source)
{
    if (strcmp(mode, "crash") == 0)
        (void)raise(SIGSEGV);
    else if (strcmp(mode, "abort") == 0)
        abort();
    else if (strcmp(mode, "kill") == 0)
        (void)raise(SIGKILL);
    else if (strcmp(mode, "exit") == 0)
        _exit((int)number);
    else if (strcmp(mode, "fail") == 0)
        send_fail(-(int)number, "told to fail");
    else if (strcmp(mode, "garbage") == 0)
        (void)send(FD_CONTROL, "this is no frame", 16, 0);
    else if (strcmp(mode, "badtype") == 0)
        (void)ipc_send(FD_CONTROL, 77, 0, 0, NULL, 0, -1, NULL);
    else if (strcmp(mode, "fd") == 0)
        (void)ipc_send(FD_CONTROL, IPC_WORKER_PROGRESS, 0, 0, NULL, 0, FD_INPUT, NULL);
    else if (strcmp(mode, "short") == 0)
        send_done(write_output(input, source) + 1);
    else if (strcmp(mode, "linger") == 0)
        send_done(write_output(input, source));
    misbehave_more(mode, source);
    if (strcmp(mode, "fail") == 0 || strcmp(mode, "short") == 0)
        _exit(0);
    if (strcmp(mode, "ignore-term") == 0)
        (void)signal(SIGTERM, SIG_IGN);
    for (;;) {
        if (strcmp(mode, "busy") == 0)
            send_progress(3, 10);
        pause_ms(50);
    }
}

static json_t *read_input(char **ret_source)
{
    struct buf b = BUF_INIT(1 << 20);
    if (fd_read_all(FD_INPUT, &b, NULL) < 0)
        die("input");
    json_t *input = json_loads(buf_str(&b), 0, NULL);
    json_t *first = json_array_get(json_object_get(input, "sources"), 0);
    int fd = (int)json_integer_value(json_object_get(first, "fd"));
    buf_reset(&b);
    if (fd < 7 || fd_read_all(fd, &b, NULL) < 0)
        die("source");
    *ret_source = buf_take(&b);
    return input;
}

int main(int argc, char **argv)
{
    pid_t parent = 0;
    bool engine = false;
    if (argc == 2 && strcmp(argv[1], "--probe-sandbox") == 0)
        return sandbox_probe_run(PROBE_FD);
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--parent") == 0)
            parent = (pid_t)strtol(argv[i + 1], NULL, 10);
        engine = engine || strcmp(argv[i], "--models") == 0;
    }
    const struct harden_limits limits = {0};
    if (harden_child(parent, &limits, NULL) < 0)
        die("harden");
    if (engine)
        return engine_main();
    char *source;
    json_t *input = read_input(&source);
    char mode[32] = "ok";
    long number = 0;
    (void)sscanf(source, "%31s %ld", mode, &number);
    if (strcmp(mode, "flood") == 0) {
        for (long i = 0; i < number; i++)
            (void)fprintf(stderr, "line %ld of a flood\n", i);
        work(0);
    } else if (strcmp(mode, "engine") == 0) {
        ask_engine();
        work(number);
        ask_engine();
    } else if (strcmp(mode, "ok") == 0 || strcmp(mode, "twice") == 0) {
        work(number);
    } else if (!leave_behind(mode, number)) {
        misbehave(mode, number, input, source);
    }
    uint64_t len = write_output(input, source);
    send_done(len);
    if (strcmp(mode, "twice") == 0)
        send_done(len);
    json_decref(input);
    free(source);
    return 0;
}
