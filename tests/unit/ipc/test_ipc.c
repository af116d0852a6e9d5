/* ipc: frames, descriptors, payloads that lie, lists over several frames, sealed images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "ipc/messages.h"
#include "ipc/sealed.h"
#include "ipc/wire.h"

static int pair[2];
static struct ipc_frame frame;

static int open_pair(void **state)
{
    (void)state;
    memset(&frame, 0, sizeof(frame));
    return ipc_pair(pair, NULL);
}

static int close_pair(void **state)
{
    (void)state;
    fd_closep(&pair[0]);
    fd_closep(&pair[1]);
    return 0;
}

static void frame_round_trip_with_descriptor(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(ipc_send(pair[0], IPC_PAGE, IPC_FLAG_MORE, 77, "abc", 3, null_fd, &e), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), 1);
    assert_int_equal(frame.type, IPC_PAGE);
    assert_int_equal(frame.flags, IPC_FLAG_MORE);
    assert_int_equal(frame.id, 77);
    assert_int_equal(frame.len, 3);
    assert_memory_equal(frame.payload, "abc", 3);
    assert_true(frame.fd >= 0);
    assert_true(fcntl(frame.fd, F_GETFD) & FD_CLOEXEC);
    close(frame.fd);
    close(null_fd);
}

static void end_and_crash_are_told_apart_from_silence(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(fd_set_nonblocking(pair[1], &e), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), ERR_BUSY);
    assert_int_equal(ipc_wait(pair[1], 0, &e), 0);
    fd_closep(&pair[0]);
    assert_int_equal(ipc_wait(pair[1], 1000, &e), 1);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), 0);
    assert_int_equal(ipc_send(pair[1], IPC_DROP, 0, 1, NULL, 0, -1, &e), ERR_CRASH);
}

static void full_socket_is_busy(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    static uint8_t big[IPC_PAYLOAD_MAX_BYTES];
    assert_int_equal(fd_set_nonblocking(pair[0], &e), 0);
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = ipc_send(pair[0], IPC_REPLY, 0, 1, big, sizeof(big), -1, &e);
    assert_int_equal(rc, ERR_BUSY);
    assert_int_equal(ipc_send(pair[0], IPC_REPLY, 0, 1, big, sizeof(big) + 1, -1, &e), ERR_LIMIT);
}

static size_t count_open_fds(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void garbage_and_surplus_descriptors_are_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    static const uint8_t junk[40] = "this is no frame at all, not even nearly";
    assert_int_equal(send(pair[0], junk, sizeof(junk), 0), sizeof(junk));
    assert_int_equal(ipc_recv(pair[1], &frame, &e), ERR_FORMAT);
    assert_int_equal(send(pair[0], junk, 3, 0), 3);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), ERR_FORMAT);

    /* A true header, but two descriptors. */
    size_t before = count_open_fds();
    uint32_t header[4] = {0x31544c50u, IPC_PAGE, 1, 0};
    struct iovec iov = {header, sizeof(header)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    int fds[2] = {pair[0], pair[1]};
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    assert_int_equal(sendmsg(pair[0], &msg, 0), sizeof(header));
    assert_int_equal(ipc_recv(pair[1], &frame, &e), ERR_FORMAT);
    assert_int_equal(count_open_fds(), before);
}

/* Puts an encoded payload into the frame as if it had been received. */
static void deliver(uint16_t type, const uint8_t *payload, size_t len)
{
    assert_true(len > 0);
    assert_int_equal(ipc_send(pair[0], type, 0, 5, payload, len, -1, NULL), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, NULL), 1);
}

static uint8_t scratch[IPC_PAYLOAD_MAX_BYTES];

static void page_is_range_checked(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct ipc_page in = {9, 100, 50, 300, IPC_BGR24, 150.0f}, out;
    deliver(IPC_PAGE, scratch, ipc_encode_page(&in, scratch));
    assert_int_equal(ipc_decode_page(&frame, &out, &e), 0);
    assert_int_equal(out.stride_bytes, 300);
    const struct ipc_page bad[] = {
        {9, 0, 50, 300, IPC_BGR24, 150},   {9, 100, 70000, 300, IPC_BGR24, 150},
        {9, 100, 50, 299, IPC_BGR24, 150}, {9, 100, 50, 300, 2, 150},
        {9, 100, 50, 300, IPC_BGR24, NAN}, {9, 100, 50, 300, IPC_BGR24, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        deliver(IPC_PAGE, scratch, ipc_encode_page(&bad[i], scratch));
        assert_int_equal(ipc_decode_page(&frame, &out, &e), ERR_FORMAT);
    }
    deliver(IPC_PAGE, scratch, ipc_encode_page(&in, scratch));
    frame.len--;
    assert_int_equal(ipc_decode_page(&frame, &out, &e), ERR_FORMAT);
}

static void read_request_round_trip(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct ipc_box boxes[2] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    struct ipc_read in = {3, IPC_READ_SMALL, true, "en,de", 2, boxes}, out = {0};
    deliver(IPC_READ, scratch, ipc_encode_read(&in, scratch));
    assert_int_equal(ipc_decode_read(&frame, &out, &e), 0);
    assert_string_equal(out.lang, "en,de");
    assert_int_equal(out.region_count, 2);
    assert_true(out.regions[1].bottom > 7.9f);
    ipc_read_done(&out);
    boxes[0].right = 0; /* right < left */
    deliver(IPC_READ, scratch, ipc_encode_read(&in, scratch));
    assert_int_equal(ipc_decode_read(&frame, &out, &e), ERR_FORMAT);
    frame.payload[4] = IPC_READ_MODE_COUNT;
    assert_int_equal(ipc_decode_read(&frame, &out, &e), ERR_FORMAT);
}

static void small_messages_round_trip(void **state)
{
    (void)state;
    struct ipc_progress progress = {3, 10, "read"}, progress2;
    deliver(IPC_WORKER_PROGRESS, scratch, ipc_encode_progress(&progress, scratch));
    assert_int_equal(ipc_decode_progress(&frame, &progress2, NULL), 0);
    assert_string_equal(progress2.stage, "read");
    struct ipc_done done = {IPC_TASK_PARTIAL, 1ull << 33, 2, 1, 1, 0, 17, "application/json", ERR_AUTH},
                    done2;
    deliver(IPC_WORKER_DONE, scratch, ipc_encode_done(&done, scratch));
    assert_int_equal(ipc_decode_done(&frame, &done2, NULL), 0);
    assert_true(done2.output_bytes == 1ull << 33);
    assert_string_equal(done2.content_type, "application/json");
    assert_int_equal(done2.error_kind, ERR_AUTH);
    struct ipc_failure failure = {ERR_LIMIT, "too big"}, failure2;
    deliver(IPC_WORKER_FAIL, scratch, ipc_encode_failure(&failure, scratch));
    assert_int_equal(ipc_decode_failure(&frame, &failure2, NULL), 0);
    assert_int_equal(failure2.kind, ERR_LIMIT);
    struct ipc_orientation turn = {90, 0.5f}, turn2;
    deliver(IPC_REPLY, scratch, ipc_encode_orientation(&turn, scratch));
    assert_int_equal(ipc_decode_orientation(&frame, &turn2, NULL), 0);
    turn.degrees = 45;
    deliver(IPC_REPLY, scratch, ipc_encode_orientation(&turn, scratch));
    assert_int_equal(ipc_decode_orientation(&frame, &turn2, NULL), ERR_FORMAT);
}

static void job_round_trip(void **state)
{
    (void)state;
    char name[] = "a b.pdf", options[] = "{\"do_ocr\":true}";
    struct ipc_job in = {name, options, 2.5}, out = {0};
    deliver(IPC_JOB_SUBMIT, scratch, ipc_encode_job(&in, scratch));
    assert_int_equal(ipc_decode_job(&frame, &out, NULL), 0);
    assert_string_equal(out.filename, name);
    assert_string_equal(out.options_json, options);
    ipc_job_done(&out);
    frame.payload[4] = 0xff; /* no longer UTF-8 */
    assert_int_equal(ipc_decode_job(&frame, &out, NULL), ERR_FORMAT);
    assert_null(out.filename);
}

static void refusal_carries_the_error(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct ipc_failure f;
    (void)err_fail(&e, ERR_MEMORY, "no room");
    assert_int_equal(ipc_send_refusal(pair[0], 12, &e, NULL), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, NULL), 1);
    assert_int_equal(frame.type, IPC_REFUSED);
    assert_int_equal(frame.id, 12);
    assert_int_equal(ipc_decode_failure(&frame, &f, NULL), 0);
    assert_int_equal(f.kind, ERR_MEMORY);
    assert_string_equal(f.message, "no room");
}

static void long_lists_travel_in_several_frames(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct ipc_lines in = {0}, out = {0};
    for (int i = 0; i < 2000; i++) {
        struct ipc_line *l = VEC_PUSH(in.items, in.count, in.cap);
        l->quad[0] = (float)i;
        l->score = 0.5f;
        l->text = xasprintf("line %d with a text of some length, so that several frames are needed", i);
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(ipc_send_lines(pair[0], 8, &in, NULL) == 0 ? 0 : 1);
    int frames = 0;
    do {
        assert_int_equal(ipc_recv(pair[1], &frame, &e), 1);
        assert_int_equal(ipc_collect_lines(&frame, &out, &e), 0);
        frames++;
    } while (frame.flags & IPC_FLAG_MORE);
    assert_true(frames > 1);
    assert_int_equal(out.count, 2000);
    assert_string_equal(out.items[1999].text, in.items[1999].text);
    ipc_lines_done(&in);
    ipc_lines_done(&out);

    assert_int_equal(ipc_send_lines(pair[0], 8, &in, &e), 0); /* an empty list is one frame */
    assert_int_equal(ipc_recv(pair[1], &frame, &e), 1);
    assert_int_equal(ipc_collect_lines(&frame, &out, &e), 0);
    assert_int_equal(out.count, 0);
}

static void lying_lists_are_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct ipc_lines lines = {0};
    frame = (struct ipc_frame){.type = IPC_REPLY, .len = 4};
    memcpy(frame.payload, "\xff\xff\xff\xff", 4);
    assert_int_equal(ipc_collect_lines(&frame, &lines, &e), ERR_FORMAT);
    ipc_lines_done(&lines);
    struct ipc_grid grid = {.rows = 2, .cols = 2}, out = {0};
    struct ipc_cell *c = VEC_PUSH(grid.items, grid.count, grid.cap);
    *c = (struct ipc_cell){.row = 1, .col = 1, .row_span = 2, .col_span = 1};
    assert_int_equal(ipc_send_grid(pair[0], 1, &grid, &e), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), 1);
    assert_int_equal(ipc_collect_grid(&frame, &out, &e), ERR_FORMAT); /* the cell leaves the grid */
    ipc_grid_done(&out);
    grid.items[0].row_span = 1;
    assert_int_equal(ipc_send_grid(pair[0], 1, &grid, &e), 0);
    assert_int_equal(ipc_recv(pair[1], &frame, &e), 1);
    assert_int_equal(ipc_collect_grid(&frame, &out, &e), 0);
    assert_int_equal(out.count, 1);
    ipc_grid_done(&out);
    ipc_grid_done(&grid);
}

static void images_must_be_sealed_and_whole(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    const uint8_t *p = NULL;
    int fd = -1;
    assert_int_equal(sealed_new("pixels", 6, &fd, &e), 0);
    assert_int_equal(ftruncate(fd, 1), -1);
    assert_int_equal(sealed_map(fd, 7, &p, &e), ERR_FORMAT);
    assert_int_equal(sealed_map(fd, 6, &p, &e), 0);
    assert_memory_equal(p, "pixels", 6);
    sealed_unmap(p, 6);
    close(fd);
    fd = memfd_create("loose", MFD_CLOEXEC);
    assert_int_equal(fd_write_all(fd, "pixels", 6, &e), 0);
    assert_int_equal(sealed_map(fd, 6, &p, &e), ERR_FORMAT);
    close(fd);
}

static void set_payload(size_t len, int fd)
{
    frame.len = (uint32_t)len;
    frame.fd = fd;
}

static void zygote_messages_round_trip(void **state)
{
    (void)state;
    const struct ipc_zygote_fork ask = {.group = 4711, .lanes = 2};
    struct ipc_zygote_fork ask_back;
    set_payload(ipc_encode_zygote_fork(&ask, frame.payload), 9);
    assert_int_equal(ipc_decode_zygote_fork(&frame, &ask_back, NULL), 0);
    assert_int_equal(ask_back.group, 4711);
    assert_int_equal(ask_back.lanes, 2);
    const struct ipc_zygote_child born = {.pid = 4712, .start_ticks = UINT64_MAX};
    struct ipc_zygote_child born_back;
    set_payload(ipc_encode_zygote_child(&born, frame.payload), 9);
    assert_int_equal(ipc_decode_zygote_child(&frame, &born_back, NULL), 0);
    assert_int_equal(born_back.pid, 4712);
    assert_true(born_back.start_ticks == UINT64_MAX);
    const struct ipc_zygote_gone gone = {.pid = 4712, .signalled = true, .code = 9, .peak_bytes = 1 << 20};
    struct ipc_zygote_gone gone_back;
    set_payload(ipc_encode_zygote_gone(&gone, frame.payload), -1);
    assert_int_equal(ipc_decode_zygote_gone(&frame, &gone_back, NULL), 0);
    assert_true(gone_back.pid == 4712 && gone_back.signalled && gone_back.code == 9);
    assert_int_equal(gone_back.peak_bytes, 1 << 20);
    const struct ipc_first first = {.mono_us = 123456789};
    struct ipc_first first_back;
    set_payload(ipc_encode_first(&first, frame.payload), -1);
    assert_int_equal(ipc_decode_first(&frame, &first_back, NULL), 0);
    assert_int_equal(first_back.mono_us, 123456789);
}

static void zygote_messages_that_lie_are_refused(void **state)
{
    (void)state;
    const struct {
        struct ipc_zygote_fork m;
        int fd;
    } asks[] = {{{.group = 1, .lanes = 1}, 9}, /* init's group is nobody's task */
                {{.group = IPC_MAX_PID + 1, .lanes = 1}, 9},
                {{.group = 5, .lanes = 0}, 9},
                {{.group = 5, .lanes = IPC_MAX_LANES + 1}, 9},
                {{.group = 5, .lanes = 1}, -1}};
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        struct ipc_zygote_fork back;
        set_payload(ipc_encode_zygote_fork(&asks[i].m, frame.payload), asks[i].fd);
        assert_int_equal(ipc_decode_zygote_fork(&frame, &back, NULL), ERR_FORMAT);
    }
    for (uint32_t pid = 0; pid < 2; pid++) { /* would signal everybody */
        struct ipc_zygote_child born = {.pid = pid};
        set_payload(ipc_encode_zygote_child(&born, frame.payload), 9);
        assert_int_equal(ipc_decode_zygote_child(&frame, &born, NULL), ERR_FORMAT);
    }
    struct ipc_zygote_child born = {.pid = 7};
    set_payload(ipc_encode_zygote_child(&born, frame.payload), -1);
    assert_int_equal(ipc_decode_zygote_child(&frame, &born, NULL), ERR_FORMAT);
    set_payload(ipc_encode_zygote_child(&born, frame.payload) - 1, 9);
    assert_int_equal(ipc_decode_zygote_child(&frame, &born, NULL), ERR_FORMAT);
    struct ipc_zygote_gone gone = {.pid = 7};
    set_payload(ipc_encode_zygote_gone(&gone, frame.payload), -1);
    frame.payload[4] = 2; /* signalled */
    assert_int_equal(ipc_decode_zygote_gone(&frame, &gone, NULL), ERR_FORMAT);
}

int main(void)
{
#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        WITH_PAIR(zygote_messages_round_trip),
        WITH_PAIR(zygote_messages_that_lie_are_refused),
        WITH_PAIR(frame_round_trip_with_descriptor),
        WITH_PAIR(end_and_crash_are_told_apart_from_silence),
        WITH_PAIR(full_socket_is_busy),
        WITH_PAIR(garbage_and_surplus_descriptors_are_refused),
        WITH_PAIR(page_is_range_checked),
        WITH_PAIR(read_request_round_trip),
        WITH_PAIR(small_messages_round_trip),
        WITH_PAIR(job_round_trip),
        WITH_PAIR(refusal_carries_the_error),
        WITH_PAIR(long_lists_travel_in_several_frames),
        WITH_PAIR(lying_lists_are_refused),
        WITH_PAIR(images_must_be_sealed_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
