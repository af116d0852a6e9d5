/* server/: the engine's whole behaviour towards workers and supervisor, with the fake backend, in this
 * process. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "engine/server/client.h"
#include "engine/server/server.h"
#include "fixture.h"
#include "ipc/frame.h"
#include "ipc/messages.h"
#include "ipc/sealed.h"

#define WIDTH 640
#define HEIGHT 480
#define LANES 2
#define PATIENCE_MS 20000

struct engine {
    char *folder;
    struct backend *backend;
    struct models *models;
    struct server *server;
    pthread_t thread;
    int control, theirs;
    int result;
    uint32_t clients;
    struct ipc_frame frame;
};

static struct engine engine;

static void *serve(void *arg)
{
    struct engine *e = arg;
    e->result = server_run(e->server, NULL);
    return NULL;
}

/* The next frame within our patience: 1, or 0 at the end. */
static int next_frame(int sock, struct ipc_frame *f)
{
    struct err err = ERR_INIT;
    if (ipc_wait(sock, PATIENCE_MS, &err) != 1)
        fail_msg("nothing came within %d ms", PATIENCE_MS);
    int r = ipc_recv(sock, f, &err);
    if (r < 0 && r != ERR_CRASH)
        fail_msg("%s", err.message);
    return r == 1;
}

static void start_engine(bool warm)
{
    struct engine *e = &engine;
    struct err err = ERR_INIT;
    *e = (struct engine){.folder = fixture_models()};
    int fds[2];
    assert_int_equal(ipc_pair(fds, &err), 0);
    e->control = fds[0];
    e->theirs = fds[1];
    struct backend_options bo = {.lanes = LANES};
    assert_int_equal(backend_new("fake", &bo, &e->backend, &err), 0);
    assert_int_equal(models_open(e->folder, e->backend, LANES, &e->models, &err), 0);
    struct server_options so = {
        .control_fd = e->theirs, .lanes = LANES, .warm = warm, .backend = e->backend, .models = e->models};
    assert_int_equal(server_new(&so, &e->server, &err), 0);
    assert_int_equal(pthread_create(&e->thread, NULL, serve, e), 0);
    assert_int_equal(next_frame(e->control, &e->frame), 1);
    assert_int_equal(e->frame.type, IPC_ENGINE_READY);
}

static int setup(void **state)
{
    (void)state;
    start_engine(false);
    return 0;
}

static int setup_slow(void **state)
{
    (void)state;
    setenv("PLATEN_FAKE_SLEEP_MS", "30", 1);
    start_engine(false);
    return 0;
}

/* The end of the control socket ends the server, whatever it was doing. */
static int teardown(void **state)
{
    (void)state;
    struct engine *e = &engine;
    close(e->control);
    pthread_join(e->thread, NULL);
    assert_int_equal(e->result, 0);
    server_free(e->server);
    models_free(e->models);
    backend_free(e->backend);
    fixture_remove(e->folder);
    close(e->theirs);
    unsetenv("PLATEN_FAKE_SLEEP_MS");
    return 0;
}

static int attach(void)
{
    int fds[2];
    assert_int_equal(ipc_pair(fds, NULL), 0);
    engine.clients++;
    assert_int_equal(ipc_send(engine.control, IPC_ENGINE_ATTACH, 0, engine.clients, NULL, 0, fds[1], NULL),
                     0);
    close(fds[1]);
    return fds[0];
}

/* A white page with three dark bars, 20 px high, from 100 to 500. */
static uint8_t *new_page(void)
{
    uint8_t *px = xmalloc(WIDTH * HEIGHT);
    memset(px, 255, WIDTH * HEIGHT);
    for (int bar = 0; bar < 3; bar++)
        for (int y = 0; y < 20; y++)
            memset(px + (100 + bar * 100 + y) * WIDTH + 100, 0, 400);
    return px;
}

static void send_page_as(int sock, uint32_t id, const struct ipc_page *page, int fd)
{
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    size_t len = ipc_encode_page(page, payload);
    assert_int_equal(ipc_send(sock, IPC_PAGE, 0, id, payload, len, fd, NULL), 0);
    free(payload);
}

static const struct ipc_page plain_page = {
    .width_px = WIDTH, .height_px = HEIGHT, .stride_bytes = WIDTH, .format = 1, .dpi = 150};

static void send_page(int sock, uint32_t id, uint32_t page_id)
{
    int fd;
    uint8_t *px = new_page();
    assert_int_equal(sealed_new(px, WIDTH * HEIGHT, &fd, NULL), 0);
    struct ipc_page page = plain_page;
    page.page_id = page_id;
    send_page_as(sock, id, &page, fd);
    close(fd);
    free(px);
}

static void send_read(int sock, uint32_t id, uint32_t page_id, struct ipc_box *regions, uint32_t count)
{
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    struct ipc_read ask = {
        .page_id = page_id, .mode = IPC_READ_TINY, .regions = regions, .region_count = count};
    size_t len = ipc_encode_read(&ask, payload);
    assert_int_equal(ipc_send(sock, IPC_READ, 0, id, payload, len, -1, NULL), 0);
    free(payload);
}

static void send_ref(int sock, uint16_t type, uint32_t id, uint32_t page_id)
{
    uint8_t payload[4] = {(uint8_t)page_id, (uint8_t)(page_id >> 8), 0, 0};
    assert_int_equal(ipc_send(sock, type, 0, id, payload, sizeof(payload), -1, NULL), 0);
}

static void expect_empty(int sock, uint32_t id)
{
    assert_int_equal(next_frame(sock, &engine.frame), 1);
    if (engine.frame.type == IPC_REFUSED) {
        struct ipc_failure f;
        ipc_decode_failure(&engine.frame, &f, NULL);
        fail_msg("refused: %s", f.message);
    }
    assert_int_equal(engine.frame.type, IPC_REPLY);
    assert_int_equal(engine.frame.id, id);
    assert_int_equal(engine.frame.len, 0);
}

static void expect_refusal(int sock, uint32_t id, int kind)
{
    struct ipc_failure f;
    assert_int_equal(next_frame(sock, &engine.frame), 1);
    assert_int_equal(engine.frame.type, IPC_REFUSED);
    assert_int_equal(engine.frame.id, id);
    assert_int_equal(ipc_decode_failure(&engine.frame, &f, NULL), 0);
    assert_int_equal(f.kind, kind);
    assert_true(f.message[0] != '\0');
}

static struct ipc_lines take_lines(int sock, uint32_t *ret_id)
{
    struct ipc_lines lines = {0};
    do {
        assert_int_equal(next_frame(sock, &engine.frame), 1);
        assert_int_equal(engine.frame.type, IPC_REPLY);
        *ret_id = engine.frame.id;
        assert_int_equal(ipc_collect_lines(&engine.frame, &lines, NULL), 0);
    } while (engine.frame.flags & IPC_FLAG_MORE);
    return lines;
}

/* The page's three lines, at their places. */
static void expect_lines(int sock, uint32_t id, size_t count)
{
    uint32_t got;
    struct ipc_lines lines = take_lines(sock, &got);
    assert_int_equal(got, id);
    assert_int_equal(lines.count, count);
    for (size_t i = 0; i < lines.count; i++) {
        assert_memory_equal(lines.items[i].text, "line", 4);
        assert_true(lines.items[i].quad[0] > 50 && lines.items[i].quad[2] < 550);
        assert_true(lines.items[i].score > 0.5f);
    }
    ipc_lines_done(&lines);
}

static void expect_detached(uint32_t client)
{
    for (;;) {
        assert_int_equal(next_frame(engine.control, &engine.frame), 1);
        if (engine.frame.type == IPC_ENGINE_DETACHED && engine.frame.id == client)
            return;
    }
}

/* Reads reports until one says this. */
static void expect_stats(uint32_t clients, uint32_t pages, uint32_t busy)
{
    struct ipc_engine_stats s;
    do {
        assert_int_equal(next_frame(engine.control, &engine.frame), 1);
        s.clients = UINT32_MAX;
        if (engine.frame.type == IPC_ENGINE_STATS)
            assert_int_equal(ipc_decode_engine_stats(&engine.frame, &s, NULL), 0);
    } while (s.clients != clients || s.pages != pages || s.busy != busy);
    assert_true(s.rss_bytes > 0);
}

static void reads_a_page(void **state)
{
    (void)state;
    int c = attach();
    send_page(c, 1, 7);
    send_read(c, 2, 7, NULL, 0);
    expect_empty(c, 1);
    expect_lines(c, 2, 3);
    send_ref(c, IPC_DROP, 3, 7);
    send_read(c, 4, 7, NULL, 0);
    expect_refusal(c, 4, ERR_NOTFOUND);
    expect_stats(1, 0, 0);
    close(c);
    expect_detached(1);
    expect_stats(0, 0, 0);
}

static void reads_only_inside_the_regions(void **state)
{
    (void)state;
    struct ipc_box boxes[3] = {{50, 180, 560, 240}, {-500, 290, 5000, 330}, {700, 700, 900, 900}};
    int c = attach();
    send_page(c, 1, 7);
    expect_empty(c, 1);
    send_read(c, 2, 7, boxes, 3);
    uint32_t id;
    struct ipc_lines lines = take_lines(c, &id);
    assert_int_equal(lines.count, 2);
    for (int i = 0; i < 2; i++) {
        float middle = (lines.items[i].quad[1] + lines.items[i].quad[7]) / 2;
        assert_true(middle > (float)(200 + i * 100) && middle < (float)(220 + i * 100));
    }
    ipc_lines_done(&lines);
    send_read(c, 3, 7, &boxes[2], 1); /* beside the page */
    lines = take_lines(c, &id);
    assert_int_equal(lines.count, 0);
    ipc_lines_done(&lines);
    close(c);
}

static void answers_each_kind(void **state)
{
    (void)state;
    int c = attach();
    send_page(c, 1, 7);
    expect_empty(c, 1);
    struct ipc_orientation o;
    send_ref(c, IPC_ORIENT, 2, 7);
    assert_int_equal(next_frame(c, &engine.frame), 1);
    assert_int_equal(engine.frame.type, IPC_REPLY);
    assert_int_equal(ipc_decode_orientation(&engine.frame, &o, NULL), 0);
    assert_int_equal(o.degrees, 0);
    struct ipc_regions regions = {0};
    send_ref(c, IPC_LAYOUT, 3, 7);
    assert_int_equal(next_frame(c, &engine.frame), 1);
    assert_int_equal(ipc_collect_regions(&engine.frame, &regions, NULL), 0);
    assert_int_equal(regions.count, 0);
    ipc_regions_done(&regions);
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    struct ipc_table_ask ask = {.page_id = 7, .box = {100, 100, 500, 320}};
    size_t len = ipc_encode_table_ask(&ask, payload);
    assert_int_equal(ipc_send(c, IPC_TABLE, 0, 4, payload, len, -1, NULL), 0);
    free(payload);
    struct ipc_grid grid = {0};
    assert_int_equal(next_frame(c, &engine.frame), 1);
    assert_int_equal(engine.frame.type, IPC_REPLY);
    assert_int_equal(ipc_collect_grid(&engine.frame, &grid, NULL), 0);
    assert_int_equal(grid.rows, 2);
    assert_int_equal(grid.cols, 2);
    assert_int_equal(grid.count, 4);
    ipc_grid_done(&grid);
    close(c);
}

static void pages_that_are_refused(void **state)
{
    (void)state;
    int c = attach(), fd;
    struct ipc_page page = plain_page;
    /* not sealed: the worker could change it under our hands */
    fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, WIDTH * HEIGHT), 0);
    send_page_as(c, 1, &page, fd);
    expect_refusal(c, 1, ERR_FORMAT);
    close(fd);
    /* smaller than announced */
    assert_int_equal(sealed_new("abc", 3, &fd, NULL), 0);
    send_page_as(c, 2, &page, fd);
    expect_refusal(c, 2, ERR_FORMAT);
    page.width_px = page.stride_bytes = 20000;
    page.height_px = LIMIT_IMAGE_PIXELS / 20000 + 1;
    send_page_as(c, 3, &page, fd);
    expect_refusal(c, 3, ERR_LIMIT);
    close(fd);
    for (uint32_t i = 0; i < IPC_MAX_PAGES; i++) {
        send_page(c, 10 + i, i);
        expect_empty(c, 10 + i);
    }
    send_page(c, 4, 5);
    expect_refusal(c, 4, ERR_ARG);
    send_page(c, 5, 1000);
    expect_refusal(c, 5, ERR_LIMIT);
    send_ref(c, IPC_DROP, 0, 3);
    send_page(c, 6, 1000);
    expect_empty(c, 6);
    close(c);
    expect_stats(0, 0, 0);
}

static void cut_off(int c, uint32_t id)
{
    assert_int_equal(next_frame(c, &engine.frame), 0);
    close(c);
    expect_detached(id);
}

static void who_breaks_the_protocol_is_cut_off(void **state)
{
    (void)state;
    int good = attach();
    send_page(good, 1, 1);
    expect_empty(good, 1);
    int c = attach();
    assert_int_equal(send(c, "nonsense", 8, MSG_NOSIGNAL), 8);
    cut_off(c, 2);
    c = attach(); /* a message that is not the engine's */
    assert_int_equal(ipc_send(c, IPC_WORKER_DONE, 0, 1, NULL, 0, -1, NULL), 0);
    cut_off(c, 3);
    c = attach(); /* a payload that does not decode */
    assert_int_equal(ipc_send(c, IPC_READ, 0, 1, "xy", 2, -1, NULL), 0);
    cut_off(c, 4);
    c = attach(); /* a page without its memfd */
    send_page_as(c, 1, &plain_page, -1);
    cut_off(c, 5);
    c = attach(); /* a descriptor where none belongs */
    assert_int_equal(ipc_send(c, IPC_ORIENT, 0, 1, "\1\0\0\0", 4, 0, NULL), 0);
    cut_off(c, 6);
    send_read(good, 2, 1, NULL, 0);
    expect_lines(good, 2, 3);
    close(good);
}

static void too_many_unanswered_requests(void **state)
{
    (void)state;
    int c = attach();
    send_page(c, 1, 1);
    expect_empty(c, 1);
    /* Slow answers, so that the requests pile up; the engine hangs up in the middle. */
    for (uint32_t i = 0; i <= CLIENT_MAX_REQUESTS + 1; i++) {
        uint8_t payload[4] = {1, 0, 0, 0};
        if (ipc_send(c, IPC_ORIENT, 0, i, payload, 4, -1, NULL) < 0)
            break;
    }
    while (next_frame(c, &engine.frame) == 1)
        continue;
    close(c);
    expect_detached(1);
    expect_stats(0, 0, 0);
}

static void a_client_that_vanishes_takes_its_jobs_along(void **state)
{
    (void)state;
    int c = attach();
    for (uint32_t i = 0; i < 20; i++) {
        send_page(c, i, i);
        send_read(c, 100 + i, i, NULL, 0);
    }
    for (uint32_t i = 0; i < 20; i++)
        expect_empty(c, i);
    uint64_t before = backend_inferences(engine.backend);
    close(c);
    expect_detached(1);
    expect_stats(0, 0, 0);
    /* All would be 20 pages of 4 inferences; what ran on was under way. */
    assert_true(backend_inferences(engine.backend) - before < 20);
    c = attach();
    send_page(c, 1, 1);
    expect_empty(c, 1);
    send_read(c, 2, 1, NULL, 0);
    expect_lines(c, 2, 3);
    close(c);
}

static void clients_take_turns(void **state)
{
    (void)state;
    enum { PAGES = 12 };
    int greedy = attach(), modest = attach();
    for (uint32_t i = 0; i < PAGES; i++) {
        send_page(greedy, i, i);
        send_read(greedy, 100 + i, i, NULL, 0);
    }
    for (uint32_t i = 0; i < PAGES; i++)
        expect_empty(greedy, i);
    send_page(modest, 1, 1);
    send_read(modest, 2, 1, NULL, 0);
    expect_empty(modest, 1);
    expect_lines(modest, 2, 3);
    /* The greedy one's last page must still be to come. */
    uint32_t done = 0;
    struct pollfd p = {.fd = greedy, .events = POLLIN};
    while (poll(&p, 1, 0) == 1) {
        uint32_t id;
        struct ipc_lines lines = take_lines(greedy, &id);
        ipc_lines_done(&lines);
        done++;
    }
    assert_true(done < PAGES / 2);
    for (; done < PAGES; done++)
        expect_lines(greedy, 100 + done, 3);
    close(greedy);
    close(modest);
}

static void who_does_not_listen_holds_up_nobody(void **state)
{
    (void)state;
    int deaf = attach(), c = attach(), small = 4096;
    assert_int_equal(setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    send_page(deaf, 1, 1);
    /* Far more answers than a socket holds. */
    for (uint32_t i = 0; i < CLIENT_MAX_REQUESTS - 2; i++)
        send_ref(deaf, IPC_LAYOUT, i, 999);
    for (uint32_t i = 0; i < 5; i++) {
        send_page(c, 1, i);
        expect_empty(c, 1);
        send_read(c, 2, i, NULL, 0);
        expect_lines(c, 2, 3);
    }
    close(deaf);
    expect_detached(1);
    close(c);
}

static void warming_gives_way(void **state)
{
    (void)state;
    setenv("PLATEN_FAKE_SLEEP_MS", "20", 1);
    start_engine(true);
    int c = attach();
    send_page(c, 1, 1);
    expect_empty(c, 1);
    send_read(c, 2, 1, NULL, 0);
    expect_lines(c, 2, 3);
    assert_true(backend_inferences(engine.backend) < 20); /* warming alone is more */
    close(c);
    teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_only_inside_the_regions, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_each_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_that_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_breaks_the_protocol_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_unanswered_requests, setup_slow, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_vanishes_takes_its_jobs_along, setup_slow, teardown),
        cmocka_unit_test_setup_teardown(clients_take_turns, setup_slow, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_listen_holds_up_nobody, setup, teardown),
        cmocka_unit_test(warming_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
