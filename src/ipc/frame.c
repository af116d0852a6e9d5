/*
 * See frame.h. SOCK_SEQPACKET keeps message boundaries, so a frame is read whole or not at all and a
 * descriptor always travels with the frame that it belongs to. Receivers accept at most one descriptor and
 * close any surplus.
 */
#include "ipc/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"

#define IPC_MAGIC 0x31544c50u /* "PLT1" */

struct wire_header {
    uint32_t magic;
    uint16_t type;
    uint16_t flags;
    uint32_t id;
    uint32_t len;
};
_Static_assert(sizeof(struct wire_header) == IPC_HEADER_BYTES, "the header has no padding");

int ipc_pair(int ret_fds[2], struct err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return err_errno(err, "socketpair");
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

static int send_failure(struct err *err)
{
    if (errno == EAGAIN)
        return err_fail(err, ERR_BUSY, "the peer reads too slowly");
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return err_fail(err, ERR_CRASH, "the peer is gone");
    return err_errno(err, "sendmsg");
}

int ipc_send(int sock, uint16_t type, uint16_t flags, uint32_t id, const void *payload, size_t len, int fd,
             struct err *err)
{
    if (len > IPC_PAYLOAD_MAX_BYTES)
        return err_fail(err, ERR_LIMIT, "frame of %zu bytes, at most %d", len, IPC_PAYLOAD_MAX_BYTES);
    struct wire_header header = {IPC_MAGIC, type, flags, id, (uint32_t)len};
    void *body = NULL;
    memcpy(&body, &payload, sizeof(body)); /* iovec has no const */
    struct iovec iov[2] = {{&header, sizeof(header)}, {body, len}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    ssize_t n;
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? send_failure(err) : 0;
}

/* Takes the first descriptor and closes all others. Returns how many there were. */
static int take_descriptors(struct msghdr *msg, int *ret_fd)
{
    int seen = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (seen++ == 0)
                *ret_fd = fd;
            else
                (void)close(fd);
        }
    }
    return seen;
}

int ipc_recv(int sock, struct ipc_frame *ret, struct err *err)
{
    struct wire_header header = {0};
    struct iovec iov[2] = {{&header, sizeof(header)}, {ret->payload, sizeof(ret->payload)}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ret->fd = -1;
    ssize_t n;
    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN))
        return err_fail(err, ERR_BUSY, "nothing to read");
    if (n < 0 && (errno == ECONNRESET || errno == ENOTCONN))
        return err_fail(err, ERR_CRASH, "the peer is gone");
    if (n < 0)
        return err_errno(err, "recvmsg");
    if (n == 0)
        return 0;
    int fd = -1;
    int fd_count = take_descriptors(&msg, &fd);
    bool good = (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && fd_count <= 1 &&
                (size_t)n >= sizeof(header) && header.magic == IPC_MAGIC &&
                header.len <= IPC_PAYLOAD_MAX_BYTES && (size_t)n == sizeof(header) + header.len;
    if (!good) {
        if (fd >= 0)
            (void)close(fd);
        return err_fail(err, ERR_FORMAT, "a frame of %zd bytes breaks the protocol", n);
    }
    ret->type = header.type;
    ret->flags = header.flags;
    ret->id = header.id;
    ret->len = header.len;
    ret->fd = fd;
    return 1;
}

int ipc_wait(int sock, int timeout_ms, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left_ms = timeout_ms < 0 ? -1 : deadline_ms - clock_mono_ms();
        if (timeout_ms >= 0 && left_ms < 0)
            left_ms = 0;
        struct pollfd p = {.fd = sock, .events = POLLIN};
        int n = poll(&p, 1, (int)left_ms);
        if (n > 0)
            return 1;
        if (n == 0)
            return 0;
        if (errno != EINTR)
            return err_errno(err, "poll");
    }
}
