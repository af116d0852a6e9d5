/*
 * Framed messages over SOCK_SEQPACKET socket pairs, with at most one file descriptor each. The wire format is
 * in PROTOCOL.md. Every receiver treats the other side as hostile: a frame that breaks a rule is an error,
 * and the receiver kills the sender.
 */
#ifndef PLATEN_IPC_FRAME_H
#define PLATEN_IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IPC_VERSION 1
#define IPC_PAYLOAD_MAX_BYTES (64 * 1024)
#define IPC_HEADER_BYTES 16

struct ipc_frame {
    uint16_t type;  /* enum ipc_type of messages.h; the receiver checks */
    uint16_t flags; /* IPC_FLAG_* */
    uint32_t id;    /* request id, echoed in the replies */
    uint32_t len;   /* bytes used in payload */
    int fd;         /* received descriptor (CLOEXEC, owned by the frame's user), or -1 */
    uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
};

#define IPC_FLAG_MORE 1u /* further frames of this reply follow */

/* A connected pair; both ends CLOEXEC. */
int ipc_pair(int ret_fds[2], struct err *err);

/* Sends one frame. fd < 0: none. ERR_BUSY when the socket is non-blocking and full; ERR_CRASH when the peer
 * is gone. */
int ipc_send(int sock, uint16_t type, uint16_t flags, uint32_t id, const void *payload, size_t len, int fd,
             struct err *err);

/*
 * Receives one frame. Returns 1, 0 at the peer's orderly end, ERR_BUSY when non-blocking and empty, ERR_CRASH
 * when the connection broke, ERR_FORMAT for a frame that breaks the rules (its descriptors are closed).
 */
int ipc_recv(int sock, struct ipc_frame *ret, struct err *err);

/* Waits until sock is readable: 1, 0 after timeout_ms (-1: for ever), or an error. */
int ipc_wait(int sock, int timeout_ms, struct err *err);

#endif
