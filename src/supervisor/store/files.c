/* See files.h. The database refers to files only by task id and number, so a name can be rebuilt and checked,
 * never injected. */
#include "supervisor/store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"

static int open_dir(int at, const char *path, int *ret, struct err *err)
{
    if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "folder %s", path);
    *ret = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? err_errno(err, "folder %s", path) : 0;
}

static int lock_fd(int fd, const char *path, struct err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_fail(err, ERR_BUSY,
                        "another platend uses the folder %s: stop it, or choose another folder", path);
    return err_errno(err, "lock of %s", path);
}

int files_open(struct files *f, const char *data_dir, const char *scratch_dir, struct err *err)
{
    *f = (struct files){.data_fd = -1, .spool_fd = -1, .results_fd = -1, .scratch_fd = -1, .lock_fd = -1};
    f->data_dir = xstrdup(data_dir);
    f->scratch_dir = scratch_dir && *scratch_dir ? xstrdup(scratch_dir) : xasprintf("%s/scratch", data_dir);
    int rc = dir_make_path(data_dir, 0700, err);
    if (rc == 0)
        rc = open_dir(AT_FDCWD, data_dir, &f->data_fd, err);
    if (rc == 0) {
        f->lock_fd = openat(f->data_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        rc = f->lock_fd < 0 ? err_errno(err, "%s/lock", data_dir) : lock_fd(f->lock_fd, data_dir, err);
    }
    if (rc == 0)
        rc = open_dir(f->data_fd, "spool", &f->spool_fd, err);
    if (rc == 0)
        rc = open_dir(f->data_fd, "results", &f->results_fd, err);
    if (rc == 0)
        rc = dir_make_path(f->scratch_dir, 0700, err);
    if (rc == 0)
        rc = open_dir(AT_FDCWD, f->scratch_dir, &f->scratch_fd, err);
    if (rc == 0) /* it may be shared by mistake, and we sweep it */
        rc = lock_fd(f->scratch_fd, f->scratch_dir, err);
    if (rc < 0)
        files_done(f);
    return rc;
}

void files_done(struct files *f)
{
    int *const fds[] = {&f->scratch_fd, &f->results_fd, &f->spool_fd, &f->lock_fd, &f->data_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fd_closep(fds[i]);
    freep(&f->data_dir);
    freep(&f->scratch_dir);
}

void uuid_new(char out[UUID_BYTES])
{
    unsigned char b[16];
    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
        abort(); /* cannot happen for 16 bytes once the system is up; a guessable id must not be handed out */
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
}

/* The first 36 characters. */
static bool uuid_prefix(const char *s)
{
    for (int i = 0; i < UUID_BYTES - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    }
    return true;
}

bool uuid_valid(const char *s)
{
    return uuid_prefix(s) && s[UUID_BYTES - 1] == '\0';
}

void files_part_name(const char *uuid, char out[FILES_NAME_BYTES])
{
    (void)snprintf(out, FILES_NAME_BYTES, "%s.part", uuid);
}

void files_numbered_name(const char *task, unsigned n, char out[FILES_NAME_BYTES])
{
    (void)snprintf(out, FILES_NAME_BYTES, "%s.%u", task, n);
}

void files_scratch_name(const char *task, enum scratch_file which, char out[FILES_NAME_BYTES])
{
    (void)snprintf(out, FILES_NAME_BYTES, "task_%s_%s.json", task,
                   which == SCRATCH_INPUT ? "input" : "output");
}

bool files_parse_numbered(const char *name, char id[UUID_BYTES], unsigned *ret_n)
{
    if (!uuid_prefix(name) || name[UUID_BYTES - 1] != '.')
        return false;
    const char *digits = name + UUID_BYTES;
    size_t len = strlen(digits);
    if (len == 0 || len > 9 || strspn(digits, "0123456789") != len || (digits[0] == '0' && len > 1))
        return false;
    memcpy(id, name, UUID_BYTES - 1);
    id[UUID_BYTES - 1] = '\0';
    *ret_n = (unsigned)strtoul(digits, NULL, 10);
    return true;
}

bool files_is_part(const char *name)
{
    return uuid_prefix(name) && strcmp(name + UUID_BYTES - 1, ".part") == 0;
}

bool files_is_scratch(const char *name)
{
    if (strncmp(name, "task_", 5) != 0 || !uuid_prefix(name + 5))
        return false;
    const char *rest = name + 5 + UUID_BYTES - 1;
    return strcmp(rest, "_input.json") == 0 || strcmp(rest, "_output.json") == 0;
}

int files_create(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    int rc = files_unlink(dir_fd, name, err);
    if (rc < 0)
        return rc;
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "file %s", name);
    *ret_fd = fd;
    return 0;
}

int files_open_read(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "file %s", name);
    *ret_fd = fd;
    return 0;
}

int files_sync_dir(int dir_fd, struct err *err)
{
    return fsync(dir_fd) < 0 ? err_errno(err, "sync of a folder") : 0;
}

int files_unlink(int dir_fd, const char *name, struct err *err)
{
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
        return err_errno(err, "removal of %s", name);
    return 0;
}

/* Copies, syncs and renames within results. */
static int publish_copy(const struct files *f, const char *from, const char *to, struct err *err)
{
    char part[FILES_NAME_BYTES];
    char uuid[UUID_BYTES];
    uuid_new(uuid);
    files_part_name(uuid, part);
    CLEANUP(fd_closep) int in = -1;
    CLEANUP(fd_closep) int out = -1;
    int rc = files_open_read(f->scratch_fd, from, &in, err);
    if (rc == 0)
        rc = files_create(f->results_fd, part, &out, err);
    while (rc == 0) {
        char chunk[65536];
        size_t n;
        rc = fd_read_full(in, chunk, sizeof(chunk), &n, err);
        if (rc < 0 || n == 0)
            break;
        rc = fd_write_all(out, chunk, n, err);
    }
    if (rc == 0 && fsync(out) < 0)
        rc = err_errno(err, "sync of a result");
    if (rc == 0 && renameat2(f->results_fd, part, f->results_fd, to, RENAME_NOREPLACE) < 0)
        rc = err_errno(err, "result %s", to);
    if (rc < 0)
        (void)files_unlink(f->results_fd, part, NULL); /* else the sweep at the next start takes it */
    return rc < 0 ? rc : files_unlink(f->scratch_fd, from, err);
}

int files_publish(const struct files *f, const char *task, unsigned attempt, struct err *err)
{
    char from[FILES_NAME_BYTES];
    char to[FILES_NAME_BYTES];
    files_scratch_name(task, SCRATCH_OUTPUT, from);
    files_numbered_name(task, attempt, to);
    if (renameat2(f->scratch_fd, from, f->results_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EXDEV)
        return publish_copy(f, from, to, err);
    return err_errno(err, "result %s", to);
}

uint64_t files_free_bytes(const struct files *f)
{
    struct statvfs v;
    if (fstatvfs(f->spool_fd, &v) < 0)
        return 0;
    return (uint64_t)v.f_bavail * v.f_frsize;
}

int files_sweep(int dir_fd, files_keep_fn *keep, void *ctx, unsigned *ret_count, struct err *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = err_errno(err, "folder");
        fd_closep(&fd);
        return rc;
    }
    int rc = 0;
    unsigned count = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || keep(ctx, entry->d_name))
            continue;
        rc = files_unlink(dir_fd, entry->d_name, err);
        count++;
    }
    (void)closedir(dir);
    if (rc == 0)
        *ret_count = count;
    return rc;
}
