/* Whole reads and writes on file descriptors, and their clean-up. EINTR is retried. */
#ifndef PLATEN_BASE_FDIO_H
#define PLATEN_BASE_FDIO_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Closes *fd if it is >= 0 and sets it to -1. For CLEANUP. */
void fd_closep(int *fd);
int fd_write_all(int fd, const void *bytes, size_t len, struct err *err);
/* Appends the rest of the file to b, ERR_LIMIT when it crosses b->max. */
int fd_read_all(int fd, struct buf *b, struct err *err);
/* Reads up to len bytes, fewer only at the end of the file; the count in *ret_len. */
int fd_read_full(int fd, void *bytes, size_t len, size_t *ret_len, struct err *err);
/* Opens, reads and closes. */
int file_read_all(const char *path, struct buf *b, struct err *err);
int fd_set_nonblocking(int fd, struct err *err);
/* mkdir -p with mode for the parts it makes. */
int dir_make_path(const char *path, mode_t mode, struct err *err);
/* The folder of the running program, from /proc/self/exe; malloced. */
char *exe_dir(void);

#endif
