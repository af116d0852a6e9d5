/* See fdio.h. */
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

void fd_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* a failed close of a written file is caught by fsync before */
    *fd = -1;
}

int fd_write_all(int fd, const void *bytes, size_t len, struct err *err)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_read_full(int fd, void *bytes, size_t len, size_t *ret_len, struct err *err)
{
    char *p = bytes;
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, p + got, len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_len = got;
    return 0;
}

int fd_read_all(int fd, struct buf *b, struct err *err)
{
    for (;;) {
        char chunk[16384];
        size_t n;
        int rc = fd_read_full(fd, chunk, sizeof(chunk), &n, err);
        if (rc < 0)
            return rc;
        buf_append(b, chunk, n);
        if (b->overflown)
            return err_fail(err, ERR_LIMIT, "more than %zu bytes", b->max);
        if (n < sizeof(chunk))
            return 0;
    }
}

int file_read_all(const char *path, struct buf *b, struct err *err)
{
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int kind = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
        (void)err_errno(err, "%s", path);
        if (err)
            err->kind = kind;
        return kind;
    }
    int rc = fd_read_all(fd, b, err);
    return rc < 0 ? err_wrap(err, "%s", path), rc : 0;
}

int fd_set_nonblocking(int fd, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_errno(err, "fcntl");
    return 0;
}

int dir_make_path(const char *path, mode_t mode, struct err *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part))
        return err_fail(err, ERR_ARG, "folder name of %zu bytes", len);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return err_errno(err, "folder %s", part);
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_fail(err, ERR_IO, "%s is not a folder", path);
    return 0;
}

char *exe_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return xstrdup(".");
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash && slash != path)
        *slash = '\0';
    return xstrdup(path);
}
