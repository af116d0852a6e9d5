/* See err.h. The traits table is the only place where an error kind meets HTTP or the shell. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_traits traits_table[ERR_KIND_COUNT] = {
    [0] = {"ok", "unknown", 200, 0, false},
    [1] = {"arg", "policy", 422, 2, false},
    [2] = {"format", "backend_failure", 422, 3, false},
    [3] = {"limit", "policy", 413, 7, false},
    [4] = {"unsupported", "policy", 415, 3, false},
    [5] = {"notfound", "unknown", 404, 3, false},
    [6] = {"busy", "capacity", 503, 9, true},
    [7] = {"cancelled", "policy", 499, 130, true},
    [8] = {"timeout", "timeout", 504, 7, true},
    [9] = {"io", "internal", 500, 5, true},
    [10] = {"memory", "capacity", 507, 7, true},
    [11] = {"crash", "internal", 500, 70, true},
    [12] = {"bug", "internal", 500, 70, false},
    [13] = {"auth", "policy", 422, 4, false},
};

static void vset(struct err *err, int kind, const char *file, int line, const char *fmt, va_list ap)
{
    if (!err)
        return;
    char message[ERR_MESSAGE_BYTES];
    (void)vsnprintf(message, sizeof(message), fmt, ap); /* args may point into err->message */
    err->kind = kind;
    err->file = file;
    err->line = line;
    memcpy(err->message, message, sizeof(message));
}

int err_set(struct err *err, int kind, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vset(err, kind, file, line, fmt, ap);
    va_end(ap);
    return kind;
}

int err_set_errno(struct err *err, const char *file, int line, const char *fmt, ...)
{
    int saved = errno;
    int kind = saved == ENOMEM ? ERR_MEMORY : saved == EFBIG ? ERR_LIMIT : ERR_IO;
    va_list ap;
    va_start(ap, fmt);
    vset(err, kind, file, line, fmt, ap);
    va_end(ap);
    if (err) {
        size_t n = strlen(err->message);
        (void)snprintf(err->message + n, sizeof(err->message) - n, ": %s", strerror(saved));
    }
    return kind;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return ERR_BUG;
    char prefix[ERR_MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(prefix, sizeof(prefix), fmt, ap);
    va_end(ap);
    char old[ERR_MESSAGE_BYTES];
    memcpy(old, err->message, sizeof(old));
    size_t n = strlen(prefix);
    memcpy(err->message, prefix, n);
    (void)snprintf(err->message + n, sizeof(err->message) - n, ": %s", old);
    return err->kind;
}

const struct err_traits *err_traits(int kind)
{
    int i = -kind;
    return i >= 0 && i < ERR_KIND_COUNT ? &traits_table[i] : &traits_table[-ERR_BUG];
}

const char *err_name(int kind)
{
    return err_traits(kind)->name;
}

int err_kind_of_name(const char *name)
{
    for (int i = 0; name && i < ERR_KIND_COUNT; i++) {
        if (strcmp(traits_table[i].name, name) == 0)
            return -i;
    }
    return ERR_BUG;
}
