/* Page images as sealed memfds: the sender can no longer change or shrink what the receiver has mapped. */
#ifndef PLATEN_IPC_SEALED_H
#define PLATEN_IPC_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A new sealed memfd (CLOEXEC) with a copy of the bytes; the descriptor is the caller's. */
int sealed_new(const void *bytes, size_t len, int *ret_fd, struct err *err);

/*
 * Maps a received memfd read-only after checking that it is sealed against shrink and write and holds exactly
 * len bytes. Unmap with sealed_unmap. Does not take the descriptor.
 */
int sealed_map(int fd, size_t len, const uint8_t **ret, struct err *err);
void sealed_unmap(const uint8_t *bytes, size_t len);

#endif
