/* The whole way over a real socket on loopback: MHD, the loop, the API, and a fake service that moves when
 * the test says so. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fake_service.h"
#include "supervisor/api/api.h"

#define DEADLINE_MS 10000

static uv_loop_t loop;
static struct settings settings;
static struct service *service;
static struct api *api;
static struct http_server *server;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    settings_init(&settings);
    settings.max_body_bytes = 1 << 20;
    service = fake_service_new();
    api = api_new(&loop, service, &settings);
    struct http_handler handler = api_handler(api);
    struct http_limits limits = http_limits_default((uint64_t)settings.max_body_bytes);
    struct err err = ERR_INIT;
    if (http_server_new(&loop, "127.0.0.1", 0, &handler, &limits, &server, &err) != 0)
        fail_msg("%s", err.message);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_server_free(server);
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* ends by itself only when nothing is left open */
    fake_service_run_submits(service);
    int left = fake_service_open_spools(service) + fake_service_watches(service);
    api_free(api);
    fake_service_free(service);
    settings_done(&settings);
    return left + (uv_loop_close(&loop) != 0);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)connect(fd, (struct sockaddr *)&a, sizeof(a));
    return fd;
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    struct timespec t = {0, 200000};
    (void)nanosleep(&t, NULL);
}

static void send_all(int fd, const char *bytes, size_t len)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else {
            turn();
            if (clock_mono_ms() > deadline)
                fail_msg("the server does not read");
        }
    }
}

/* Reads one answer with a Content-Length into b; false when the server closed first. */
static bool receive(int fd, struct buf *b)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    buf_reset(b);
    while (clock_mono_ms() < deadline) {
        char chunk[4096];
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n > 0)
            buf_append(b, chunk, (size_t)n);
        const char *body = strstr(buf_str(b), "\r\n\r\n"),
                   *length = strcasestr(buf_str(b), "\r\nContent-Length:");
        if (body && length && b->len >= (size_t)(body + 4 - b->data) + strtoul(length + 17, NULL, 10))
            return true;
        if (n == 0)
            return b->len > 0;
        fake_service_run_submits(service);
        turn();
    }
    fail_msg("no answer: %s", buf_str(b));
    return false;
}

static struct buf answer;

static void ask(const char *request)
{
    int fd = dial();
    send_all(fd, request, strlen(request));
    (void)receive(fd, &answer);
    (void)close(fd);
}

static void expect(const char *request, const char *status, const char *part)
{
    ask(request);
    if (strncmp(buf_str(&answer) + 9, status, 3) != 0 || !strstr(buf_str(&answer), part))
        fail_msg("%.80s\nanswered %s", request, buf_str(&answer));
}

static char *form_request(const char *path, const char *more)
{
    static const char body[] = "--B\r\nContent-Disposition: form-data; name=\"files\"; "
                               "filename=\"a.pdf\"\r\n\r\n%PDF-1.4\r\n--B--\r\n";
    return xasprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Type: multipart/form-data; "
                     "boundary=B\r\nContent-Length: %zu\r\n\r\n%s",
                     path, more, sizeof(body) - 1, body);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_JSON(path, length, body)                                                                        \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " length         \
    "\r\n\r\n" body

static void test_small(void **state)
{
    (void)state;
    expect(GET("/health"), "200", "{\"status\":\"ok\"}");
    expect(GET("/health"), "200", "Access-Control-Allow-Origin: *");
    expect(GET("/ready"), "200", "ok");
    expect(GET("/version"), "200", "\"platen\":\"");
    expect(GET("/nothing"), "404", "{\"detail\":\"Not Found\"}");
    expect("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405",
           "{\"detail\":\"Method Not Allowed\"}");
    expect("GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n", "200", "X-Request-Id: abc-1");
    expect("GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n\r\n", "200", "X-Request-Id: ");
    assert_null(strstr(buf_str(&answer), "a b"));
    expect("OPTIONS /v1/convert/file HTTP/1.1\r\nHost: x\r\nOrigin: "
           "http://y\r\nAccess-Control-Request-Method: POST\r\n\r\n",
           "200", "Access-Control-Allow-Methods: DELETE");
    expect(GET("/v1/status/poll/nonsense"), "404", "Task not found.");
    expect(GET("/v1/status/poll/00000000-0000-4000-8000-000000000009"), "404",
           "{\"detail\":\"Task not found.\"}");
    expect(GET("/v1/result/00000000-0000-4000-8000-000000000009"), "404", "Task not found.");
    expect(GET("/v1/clear/results?older_then=x"), "422", "float_parsing");
    fake_service_set_ready(service, false);
    expect(GET("/ready"), "503", "detail");
    settings.show_version_info = false;
    expect(GET("/version"), "403", "detail");
}

static void test_key(void **state)
{
    (void)state;
    free(settings.api_key);
    settings.api_key = xstrdup("secret");
    expect(GET("/health"), "200", "ok");
    expect(GET("/v1/result/00000000-0000-4000-8000-000000000009"), "401", "Api key is required.");
    expect("GET /v1/result/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: wrong\r\n\r\n", "401", "invalid");
    expect("GET /v1/result/x HTTP/1.1\r\nHost: x\r\nX-Api-Key: secret\r\n\r\n", "404", "Task not found.");
    char *request = form_request("/v1/convert/file", "");
    expect(request, "401", "required"); /* with a body: it is read, then answered */
    free(request);
}

static void test_async(void **state)
{
    (void)state;
    char *request = form_request("/v1/convert/file/async", "X-Tenant-Id: t1\r\n");
    expect(request, "200", "\"task_status\":\"pending\",\"task_position\":1");
    free(request);
    expect(GET("/v1/status/poll/00000000-0000-4000-8000-000000000001"), "404",
           "Task not found."); /* another tenant */
#define MINE(path) "GET " path " HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: t1\r\n\r\n"
    expect(MINE("/v1/result/00000000-0000-4000-8000-000000000001"), "404",
           "Task result not found. Please wait for a completion status.");
    /* The long poll waits, and answers at the change. */
    int fd = dial();
    const char *poll = MINE("/v1/status/poll/00000000-0000-4000-8000-000000000001?wait=20");
    send_all(fd, poll, strlen(poll));
    for (int i = 0; i < 1000 && fake_service_watches(service) == 0; i++)
        turn();
    assert_int_equal(fake_service_watches(service), 1);
    char byte;
    assert_true(recv(fd, &byte, 1, MSG_PEEK) < 0);
    fake_service_move(service, TASK_STARTED, 0, NULL);
    assert_true(receive(fd, &answer));
    assert_non_null(strstr(buf_str(&answer), "\"task_status\":\"started\",\"task_position\":null"));
    assert_int_equal(fake_service_watches(service), 0);
    /* The same connection again; the wait ends by its own time. */
    const char *shorter = MINE("/v1/status/poll/00000000-0000-4000-8000-000000000001?wait=0.05");
    send_all(fd, shorter, strlen(shorter));
    assert_true(receive(fd, &answer));
    assert_non_null(strstr(buf_str(&answer), "started"));
    (void)close(fd);
    fake_service_move(service, TASK_SUCCESS, 0, "{\"document\":{}}");
    expect(MINE("/v1/result/00000000-0000-4000-8000-000000000001"), "200", "{\"document\":{}}");
    assert_non_null(
        strstr(buf_str(&answer), "Content-Disposition: attachment; filename=\"converted_docs.zip\""));
    turn();
    assert_int_equal(fake_service_sent(service), 1);
    fake_service_move(service, TASK_FAILURE, ERR_LIMIT, NULL);
    expect(MINE("/v1/result/00000000-0000-4000-8000-000000000001"), "200", "\"kind\":\"TaskFailureResult\"");
    expect(MINE("/v1/status/poll/00000000-0000-4000-8000-000000000001"), "200",
           "\"task_status\":\"failure\"");
    assert_non_null(strstr(buf_str(&answer), "\"failure\":{\"category\":\"policy\",\"message\":\"page 3: "));
}

static void test_sync(void **state)
{
    (void)state;
    char *request = form_request("/v1/convert/file", "");
    int fd = dial();
    send_all(fd, request, strlen(request));
    for (int i = 0; i < 1000 && fake_service_watches(service) == 0; i++) {
        fake_service_run_submits(service);
        turn();
    }
    fake_service_move(service, TASK_STARTED, 0, NULL);
    fake_service_move(service, TASK_SUCCESS, 0, "{\"status\":\"success\"}");
    assert_true(receive(fd, &answer));
    assert_non_null(strstr(buf_str(&answer), "{\"status\":\"success\"}"));
    turn();
    assert_int_equal(fake_service_sent(service), 1);
    assert_int_equal(fake_service_cancelled(service), 0);
    /* On the same connection: one that fails. */
    send_all(fd, request, strlen(request));
    for (int i = 0; i < 1000 && fake_service_watches(service) == 0; i++) {
        fake_service_run_submits(service);
        turn();
    }
    fake_service_move(service, TASK_FAILURE, ERR_TIMEOUT, NULL);
    assert_true(receive(fd, &answer));
    assert_non_null(strstr(buf_str(&answer), "504"));
    assert_non_null(strstr(buf_str(&answer), "\"category\":\"timeout\""));
    /* The client leaves: its task is cancelled. */
    send_all(fd, request, strlen(request));
    for (int i = 0; i < 1000 && fake_service_watches(service) == 0; i++) {
        fake_service_run_submits(service);
        turn();
    }
    (void)close(fd);
    for (int i = 0; i < 5000 && fake_service_cancelled(service) == 0; i++)
        turn();
    assert_int_equal(fake_service_cancelled(service), 1);
    assert_int_equal(fake_service_watches(service), 0);
    /* It leaves while the submit is under way. */
    fd = dial();
    send_all(fd, request, strlen(request));
    size_t before = strlen(fake_service_last_id(service));
    for (int i = 0; i < 50; i++)
        turn();
    (void)close(fd);
    for (int i = 0; i < 200 && http_server_connections(server) > 0; i++)
        turn();
    assert_true(before > 0);
    assert_int_equal(http_server_connections(server), 0);
    fake_service_run_submits(service);
    assert_int_equal(fake_service_cancelled(service), 2);
    /* The wait has an end. */
    settings.max_sync_wait_s = 0.05;
    expect(request, "504", "DOCLING_SERVE_MAX_SYNC_WAIT=0.05");
    assert_int_equal(fake_service_cancelled(service), 3);
    free(request);
}

static void test_refused(void **state)
{
    (void)state;
    char *request = form_request("/v1/convert/file/async", "");
    fake_service_fail_submit(service, ERR_BUSY);
    expect(request, "503", "Retry-After: 7");
    fake_service_fail_submit(service, ERR_LIMIT);
    expect(request, "507", "not accepted");
    fake_service_fail_submit(service, ERR_ARG);
    expect(request, "500", "refused at once");
    fake_service_fail_submit(service, 0);
    fake_service_fail_spool(service, ERR_LIMIT);
    expect(request, "507", "the disk is full");
    free(request);
    expect(POST_JSON("/v1/convert/source", "1", "{"), "422", "json_invalid");
    expect(POST_JSON("/v1/convert/source", "2", "{}"), "422", "\"loc\":[\"body\",\"sources\"]");
    expect("POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "422",
           "\"loc\":[\"body\",\"files\"]");
    expect("POST /v1/convert/source HTTP/1.1\r\nHost: x\r\nAccept-Docling-Document-Version: "
           "1.0.0\r\nContent-Length: 0\r\n\r\n",
           "422", "1.5.0");
}

static void test_limits(void **state)
{
    (void)state;
    expect("POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", "413",
           "PLATEN_MAX_BODY_SIZE");
    struct buf b = BUF_INIT(1 << 23);
    buf_printf(&b, "GET /health HTTP/1.1\r\nHost: x\r\nX-Big: ");
    for (int i = 0; i < 20000; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\n\r\n");
    expect(b.data, "431", "");
    /* A body a little too large is read to its end, so that the client gets its answer. */
    buf_reset(&b);
    buf_printf(&b,
               "POST /v1/convert/source HTTP/1.1\r\nHost: x\r\nContent-Type: "
               "application/json\r\nContent-Length: %d\r\n\r\n",
               3 << 19);
    for (int i = 0; i < 3 << 19; i++)
        buf_putc(&b, ' ');
    expect(b.data, "413", "PLATEN_MAX_BODY_SIZE");
    expect("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0\r\n\r\n",
           "400", "");
    expect(GET("/health"), "200", "ok");
    buf_done(&b);
}

/* A server that stops with sleepers, uploads half done and submits under way leaves nothing behind (tear_down
 * looks). */
static void test_stop(void **state)
{
    (void)state;
    char *request = form_request("/v1/convert/file", "");
    int waiting = dial(), half = dial(), idle = dial();
    send_all(waiting, request, strlen(request));
    for (int i = 0; i < 1000 && fake_service_watches(service) == 0; i++) {
        fake_service_run_submits(service);
        turn();
    }
    send_all(half, request, strlen(request) - 12);
    for (int i = 0; i < 100; i++)
        turn();
    assert_int_equal(http_server_connections(server), 3);
    assert_int_equal(fake_service_open_spools(service), 1);
    http_server_quiesce(server);
    (void)tear_down(state);
    (void)set_up(state);
    (void)close(waiting);
    (void)close(half);
    (void)close(idle);
    free(request);
}

static int at_end(void **state)
{
    (void)state;
    buf_done(&answer);
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    answer = BUF_INIT(1 << 20);
    const struct CMUnitTest tests[] = {T(test_small),   T(test_key),    T(test_async), T(test_sync),
                                       T(test_refused), T(test_limits), T(test_stop)};
    return cmocka_run_group_tests(tests, NULL, at_end);
}
