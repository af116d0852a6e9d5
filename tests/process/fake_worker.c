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

#define FD_INPUT 3
#define FD_OUTPUT 4
#define FD_CONTROL 5
#define FD_ENGINE 6

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

static int engine_main(void)
{
    struct pollfd fds[64] = {{.fd = 3, .events = POLLIN}};
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
                fds[i] = (struct pollfd){.fd = -1};
            else if (i == 0 && frame.type == IPC_ENGINE_ATTACH && count < 64)
                fds[count++] = (struct pollfd){.fd = frame.fd, .events = POLLIN};
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
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--parent") == 0)
            parent = (pid_t)atoi(argv[i + 1]);
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
    } else {
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
