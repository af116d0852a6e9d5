/*
 * Growable byte buffer with a ceiling. Invariant: data is NULL or NUL-terminated at len. Once an append
 * crosses the ceiling (or memory runs out) the buffer is `overflown`: later appends do nothing, and the user
 * checks once at the end.
 */
#ifndef PLATEN_BASE_BUF_H
#define PLATEN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool overflown;
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_done(struct buf *b); /* frees the contents; the ceiling stays */
void buf_reset(struct buf *b);
void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_put_utf8(struct buf *b, uint32_t codepoint);
/* The bytes as a JSON string with quotes; invalid UTF-8 becomes U+FFFD, control characters are escaped. */
void buf_put_json(struct buf *b, const char *s, size_t len);
/* Removes len bytes from the end (all, if there are fewer). */
void buf_trim(struct buf *b, size_t len);
/* The contents as a malloced string (never NULL); the buffer is empty afterwards. */
char *buf_take(struct buf *b);
const char *buf_str(const struct buf *b); /* never NULL */

#endif
