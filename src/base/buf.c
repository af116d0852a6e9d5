/* See buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void buf_done(struct buf *b)
{
    size_t max = b->max;
    free(b->data);
    *b = (struct buf){.max = max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflown = false;
    if (b->data)
        b->data[0] = '\0';
}

static bool reserve(struct buf *b, size_t more)
{
    if (b->overflown)
        return false;
    size_t need;
    if (__builtin_add_overflow(b->len, more, &need) || need > b->max) {
        b->overflown = true;
        return false;
    }
    if (need + 1 <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need + 1)
        cap = cap > SIZE_MAX / 2 ? need + 1 : cap * 2;
    char *p = realloc(b->data, cap);
    if (!p) {
        b->overflown = true;
        return false;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_puts(struct buf *b, const char *s)
{
    if (s)
        buf_append(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0 && reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_put_utf8(struct buf *b, uint32_t codepoint)
{
    char bytes[4];
    buf_append(b, bytes, utf8_encode(codepoint, bytes));
}

void buf_put_json(struct buf *b, const char *s, size_t len)
{
    buf_putc(b, '"');
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = utf8_decode(s + i, len - i, &c);
        bool valid = n > 0;
        if (valid && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && c != 0x2028 && c != 0x2029) {
            i += n;
            continue;
        }
        buf_append(b, s + plain, i - plain);
        if (!valid)
            buf_put_utf8(b, UTF8_REPLACEMENT);
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", (int)c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\t')
            buf_puts(b, "\\t");
        else if (c == '\r')
            buf_puts(b, "\\r");
        else
            buf_printf(b, "\\u%04x", (unsigned)c);
        i += valid ? n : 1;
        plain = i;
    }
    buf_append(b, s + plain, len - plain);
    buf_putc(b, '"');
}

void buf_trim(struct buf *b, size_t len)
{
    b->len -= MIN(len, b->len);
    if (b->data)
        b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
    char *s = b->data ? take_ptr(&b->data) : xstrdup("");
    size_t max = b->max;
    *b = (struct buf){.max = max};
    return s;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
