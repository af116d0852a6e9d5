/*
 * The one error idiom. A fallible function returns 0 or a negative enum err_kind, and fills the struct err
 * that it was handed (which may be NULL). One table maps each kind to its HTTP status, exit code and whether
 * a retry can help.
 */
#ifndef PLATEN_BASE_ERR_H
#define PLATEN_BASE_ERR_H

#include <stdbool.h>

#include "base/macros.h"

enum err_kind {
    ERR_OK = 0,
    ERR_ARG = -1,         /* the caller asked for something that makes no sense */
    ERR_FORMAT = -2,      /* the bytes are not what they claim to be */
    ERR_LIMIT = -3,       /* over a ceiling of the limits table or a setting */
    ERR_UNSUPPORTED = -4, /* well-formed, but we cannot do it */
    ERR_NOTFOUND = -5,
    ERR_BUSY = -6, /* come back later */
    ERR_CANCELLED = -7,
    ERR_TIMEOUT = -8,
    ERR_IO = -9,
    ERR_MEMORY = -10,
    ERR_CRASH = -11, /* a child process died */
    ERR_BUG = -12,   /* an invariant of ours does not hold */
    ERR_AUTH = -13,  /* a password or key is needed, or wrong */
};
#define ERR_KIND_COUNT 14

#define ERR_MESSAGE_BYTES 512

struct err {
    int kind;
    const char *file;
    int line;
    char message[ERR_MESSAGE_BYTES];
};

struct err_traits {
    const char *name;     /* "limit": stable, used in logs, metrics and JSON */
    const char *category; /* docling-serve's FailureCategory */
    int http_status;
    int exit_code; /* of the command line */
    bool retryable;
};

#define ERR_INIT ((struct err){0})

/* Fills err (if not NULL) and returns kind. The message is one sentence without a trailing full stop. */
#define err_fail(err, kind, ...) err_set((err), (kind), __FILE__, __LINE__, __VA_ARGS__)
int err_set(struct err *err, int kind, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Like err_fail with ERR_IO (ERR_MEMORY for ENOMEM, ERR_LIMIT for EFBIG), and appends ": strerror(errno)". */
#define err_errno(err, ...) err_set_errno((err), __FILE__, __LINE__, __VA_ARGS__)
int err_set_errno(struct err *err, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Puts "context: " in front of the message, keeps the kind, and returns it. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Never NULL; unknown kinds are answered as ERR_BUG. */
const struct err_traits *err_traits(int kind);
const char *err_name(int kind);

/* The kind whose name this is, or ERR_BUG. */
int err_kind_of_name(const char *name);

#endif
