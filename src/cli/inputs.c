/* See inputs.h. */
#include "cli/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"

#define MAX_FILES 100000
#define MAX_DEPTH 64

static int add_file(struct inputs *in, const char *path, const char *relative, struct err *err)
{
    if (in->count >= MAX_FILES)
        return err_fail(err, ERR_LIMIT, "more than %d files", MAX_FILES);
    struct input *i = VEC_PUSH(in->items, in->count, in->cap);
    const char *slash = strrchr(path, '/');
    i->path = xstrdup(path);
    i->relative = xstrdup(relative);
    i->filename = xstrdup(slash ? slash + 1 : path);
    return 0;
}

static int is_wanted(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static int add_folder(struct inputs *in, const char *path, const char *relative, int depth, struct err *err)
{
    if (depth > MAX_DEPTH)
        return err_fail(err, ERR_LIMIT, "%s: folders nested deeper than %d", path, MAX_DEPTH);
    struct dirent **names = NULL;
    int count = scandir(path, &names, is_wanted, alphasort);
    if (count < 0)
        return err_errno(err, "%s", path);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char *child = xasprintf("%s/%s", path, names[i]->d_name);
        char *below = *relative ? xasprintf("%s/%s", relative, names[i]->d_name) : xstrdup(names[i]->d_name);
        struct stat st;
        if (rc == 0 && lstat(child, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                rc = add_folder(in, child, below, depth + 1, err);
            else if (S_ISREG(st.st_mode))
                rc = add_file(in, child, below, err);
        }
        free(child);
        free(below);
        free(names[i]);
    }
    free(names);
    return rc;
}

int inputs_collect(char *const *paths, size_t path_count, struct inputs *ret, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < path_count && rc == 0; i++) {
        struct stat st;
        const char *slash = strrchr(paths[i], '/');
        if (strcmp(paths[i], "-") == 0)
            rc = add_file(ret, "-", "stdin", err);
        else if (stat(paths[i], &st) < 0)
            rc = err_fail(err, ERR_NOTFOUND, "%s: %s", paths[i], strerror(errno));
        else if (S_ISDIR(st.st_mode))
            rc = add_folder(ret, paths[i], "", 0, err);
        else
            rc = add_file(ret, paths[i], slash ? slash + 1 : paths[i], err);
    }
    return rc;
}

void inputs_done(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        free(in->items[i].path);
        free(in->items[i].relative);
        free(in->items[i].filename);
    }
    free(in->items);
    *in = (struct inputs){0};
}

static int copy_stdin(int *ret_fd, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    CLEANUP(fd_closep) int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "a temporary file for standard input");
    static char chunk[1 << 16];
    size_t n;
    do {
        int rc = fd_read_full(STDIN_FILENO, chunk, sizeof(chunk), &n, err);
        rc = rc < 0 ? rc : fd_write_all(fd, chunk, n, err);
        if (rc < 0)
            return rc;
    } while (n == sizeof(chunk));
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(err, "standard input");
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int input_open(const struct input *in, int *ret_fd, struct err *err)
{
    if (strcmp(in->path, "-") == 0)
        return copy_stdin(ret_fd, err);
    int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "%s", in->path);
    *ret_fd = fd;
    return 0;
}
