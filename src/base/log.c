/*
 * See log.h. A line is built in one buffer and written with one write(2), so that lines of several processes
 * on one stderr do not mix. The message as a whole is escaped: a client's file name cannot forge a line.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define LOG_LINE_BYTES 4096

static struct {
    const char *program;
    enum log_level level;
    bool json;
} state = {"platen", LOG_LEVEL_INFO, false};

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

void log_setup(const char *program, enum log_level level, bool json)
{
    state.program = program;
    state.level = level;
    state.json = json;
}

bool log_level_of_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level >= state.level;
}

/* Controls, bidi marks and invalid bytes would let a value forge or hide text. */
static bool must_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void put_escaped(struct buf *b, const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = utf8_decode(s + i, len - i, &c);
        if (n == 0)
            buf_put_utf8(b, UTF8_REPLACEMENT);
        else if (must_escape(c))
            buf_printf(b, "\\u%04x", (unsigned)c);
        else
            buf_append(b, s + i, n);
        i += n ? n : 1;
    }
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char message[LOG_LINE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);

    struct buf line = BUF_INIT((size_t)8 * LOG_LINE_BYTES);
    if (state.json) {
        char when[25];
        clock_format_utc(clock_wall_ms(), when);
        buf_printf(&line,
                   "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"message\":", when,
                   level_names[level], state.program, (int)getpid());
        buf_put_json(&line, message, strlen(message));
        buf_puts(&line, "}\n");
    } else {
        buf_printf(&line, "%s: ", level_names[level]);
        put_escaped(&line, message);
        buf_putc(&line, '\n');
    }
    ssize_t n = write(STDERR_FILENO, buf_str(&line), line.len);
    (void)n; /* a log that cannot be written has nowhere to complain */
    buf_done(&line);
}
