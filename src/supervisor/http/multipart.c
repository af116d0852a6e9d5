/*
 * See multipart.h. Why not MHD_PostProcessor: it needs a live connection (so it cannot be fuzzed alone),
 * splits no limits per header, and follows nested multipart. The parser keeps a window of bytes; each step
 * either consumes from its front or asks for more, and the window is larger than a part's header may be, so a
 * step that can neither is a broken or over-long part.
 */
#include "supervisor/http/multipart.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"

#define HEADER_MAX_BYTES 8192
#define WINDOW_BYTES (2 * HEADER_MAX_BYTES)
#define BOUNDARY_MAX_BYTES 70
#define NAME_MAX_BYTES 255

enum state { STATE_PREAMBLE, STATE_AFTER_DELIMITER, STATE_HEADER, STATE_BODY, STATE_EPILOGUE, STATE_BROKEN };

struct multipart {
    struct multipart_handler handler;
    enum state state;
    unsigned parts;
    char delimiter[BOUNDARY_MAX_BYTES + 8]; /* CR LF - - boundary */
    size_t delimiter_len;
    size_t used;
    size_t searched; /* of an unfinished header: bytes without its end, so that each is looked at once */
    char window[WINDOW_BYTES];
};

/* The value of parameter `name` in a header value such as `form-data; name="x"`; malloced, or NULL. Quotes
 * and \" are undone. */
static char *parameter_dup(const char *header, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    const char *p = header, *end = header + len;
    while (p < end) {
        p = memchr(p, ';', (size_t)(end - p)); /* the first ';' ends the value itself */
        if (!p)
            return NULL;
        p++;
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        const char *key = p;
        while (p < end && *p != '=' && *p != ';')
            p++;
        if (p == end || *p == ';')
            continue;
        bool match = (size_t)(p - key) == name_len && strncasecmp(key, name, name_len) == 0;
        p++;
        struct buf value = BUF_INIT(HEADER_MAX_BYTES + 1);
        if (p < end && *p == '"') {
            for (p++; p < end && *p != '"'; p++) {
                if (*p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\'))
                    p++;
                buf_putc(&value, *p);
            }
            bool closed = p < end;
            p += closed;
            if (match && closed)
                return buf_take(&value);
            match = false;
        } else {
            while (p < end && *p != ';') {
                buf_putc(&value, *p);
                p++;
            }
            while (value.len > 0 && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
                buf_trim(&value, 1);
        }
        if (match)
            return buf_take(&value);
        buf_done(&value);
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* filename*=UTF-8''na%C3%AFve.pdf (RFC 5987); NULL when it is of another kind. */
static char *extended_name_dup(const char *text)
{
    if (strncasecmp(text, "utf-8'", 6) != 0)
        return NULL;
    const char *p = strchr(text + 6, '\'');
    if (!p)
        return NULL;
    struct buf b = BUF_INIT(HEADER_MAX_BYTES);
    for (p++; *p; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        if (low >= 0) {
            buf_putc(&b, (char)(high * 16 + low));
            p += 2;
        } else {
            buf_putc(&b, *p);
        }
    }
    return buf_take(&b);
}

int multipart_new(const char *content_type, const struct multipart_handler *handler, struct multipart **ret,
                  struct err *err)
{
    static const char wanted[] = "multipart/form-data";
    size_t n = sizeof(wanted) - 1;
    if (!content_type || strncasecmp(content_type, wanted, n) != 0 || !strchr("; \t", content_type[n]))
        return err_fail(err, ERR_UNSUPPORTED, "the content type is not multipart/form-data");
    char *boundary = parameter_dup(content_type, strlen(content_type), "boundary");
    size_t len = boundary ? strlen(boundary) : 0;
    if (len == 0 || len > BOUNDARY_MAX_BYTES || strpbrk(boundary, "\r\n")) {
        free(boundary);
        return err_fail(err, ERR_FORMAT, "the boundary of the form is missing or longer than %d bytes",
                        BOUNDARY_MAX_BYTES);
    }
    struct multipart *m = xnew(struct multipart);
    m->handler = *handler;
    m->delimiter_len = (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%s", boundary);
    free(boundary);
    memcpy(m->window, "\r\n", 2); /* so that a boundary at the very start looks like the others */
    m->used = 2;
    *ret = m;
    return 0;
}

void multipart_free(struct multipart *m)
{
    free(m);
}

static void consume(struct multipart *m, size_t n)
{
    m->used -= n;
    memmove(m->window, m->window + n, m->used);
}

static int begin_part(struct multipart *m, const char *disposition, size_t len, struct err *err)
{
    if (++m->parts > LIMIT_FORM_PARTS)
        return err_fail(err, ERR_LIMIT, "the form has more than %d parts", LIMIT_FORM_PARTS);
    char *name = parameter_dup(disposition, len, "name");
    char *filename = parameter_dup(disposition, len, "filename");
    char *extended = parameter_dup(disposition, len, "filename*");
    char *decoded = extended ? extended_name_dup(extended) : NULL;
    if (decoded) {
        free(filename);
        filename = take_ptr(&decoded);
    }
    free(extended);
    int rc;
    if (!name || strlen(name) > NAME_MAX_BYTES || !utf8_valid(name, strlen(name)))
        rc = err_fail(err, ERR_FORMAT, "part %u of the form has no usable name", m->parts);
    else
        rc = m->handler.part_begin(m->handler.ctx, name, filename, err);
    free(name);
    free(filename);
    return rc;
}

/* The header block is window[0..len), lines end with CR LF. */
static int read_header(struct multipart *m, size_t len, struct err *err)
{
    static const char wanted[] = "content-disposition:";
    const char *p = m->window, *end = m->window + len;
    if (memchr(p, '\0', len))
        return err_fail(err, ERR_FORMAT, "part %u of the form has a zero byte in its header", m->parts + 1);
    while (p < end) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
        size_t n = eol ? (size_t)(eol - p) : (size_t)(end - p);
        if (n > sizeof(wanted) - 1 && strncasecmp(p, wanted, sizeof(wanted) - 1) == 0) {
            const char *value = p + sizeof(wanted) - 1;
            size_t value_len = n - (sizeof(wanted) - 1);
            while (value_len > 0 && *value == ' ') {
                value++;
                value_len--;
            }
            if (value_len < 9 || strncasecmp(value, "form-data", 9) != 0)
                break;
            return begin_part(m, value, value_len, err);
        }
        p += n + 2;
    }
    return err_fail(err, ERR_FORMAT, "part %u of the form has no Content-Disposition: form-data",
                    m->parts + 1);
}

static int step_header(struct multipart *m, bool *ret_progress, struct err *err)
{
    /* The CR LF that ended the delimiter line is still in front, so that an empty header block ends the same
     * way as others. */
    size_t from = m->searched > 3 ? m->searched - 3 : 0;
    const char *stop = memmem(m->window + from, m->used - from, "\r\n\r\n", 4);
    m->searched = stop ? 0 : m->used;
    size_t len = stop ? (size_t)(stop - m->window) : m->used;
    if (len > HEADER_MAX_BYTES)
        return err_fail(err, ERR_LIMIT, "part %u of the form has more than %d bytes of header", m->parts + 1,
                        HEADER_MAX_BYTES);
    if (!stop)
        return 0;
    size_t whole = len + 4;
    if (len < 2)
        return err_fail(err, ERR_FORMAT, "part %u of the form has no header", m->parts + 1);
    consume(m, 2);
    int rc = read_header(m, len - 2, err);
    if (rc != 0)
        return rc;
    consume(m, whole - 2);
    m->state = STATE_BODY;
    *ret_progress = true;
    return 0;
}

/* Body and preamble: everything up to the next delimiter. */
static int step_body(struct multipart *m, bool *ret_progress, struct err *err)
{
    bool preamble = m->state == STATE_PREAMBLE;
    const char *stop = memmem(m->window, m->used, m->delimiter, m->delimiter_len);
    size_t len = 0;
    if (stop)
        len = (size_t)(stop - m->window);
    else if (m->used >= m->delimiter_len)
        len = m->used - (m->delimiter_len - 1);
    int rc = 0;
    if (len > 0 && !preamble)
        rc = m->handler.part_data(m->handler.ctx, m->window, len, err);
    if (rc == 0 && stop && !preamble)
        rc = m->handler.part_end(m->handler.ctx, err);
    if (rc != 0)
        return rc;
    consume(m, len + (stop ? m->delimiter_len : 0));
    if (stop)
        m->state = STATE_AFTER_DELIMITER;
    *ret_progress = len > 0 || stop;
    return 0;
}

static int step_after_delimiter(struct multipart *m, bool *ret_progress, struct err *err)
{
    size_t pad = 0;
    while (pad < m->used && (m->window[pad] == ' ' || m->window[pad] == '\t'))
        pad++;
    consume(m, pad);
    if (m->used < 2)
        return 0;
    if (memcmp(m->window, "--", 2) == 0)
        m->state = STATE_EPILOGUE;
    else if (memcmp(m->window, "\r\n", 2) == 0)
        m->state = STATE_HEADER;
    else
        return err_fail(err, ERR_FORMAT, "part %u of the form does not begin on a new line", m->parts + 1);
    *ret_progress = true;
    return 0;
}

static int step(struct multipart *m, bool *ret_progress, struct err *err)
{
    switch (m->state) {
    case STATE_PREAMBLE:
    case STATE_BODY: return step_body(m, ret_progress, err);
    case STATE_AFTER_DELIMITER: return step_after_delimiter(m, ret_progress, err);
    case STATE_HEADER: return step_header(m, ret_progress, err);
    case STATE_EPILOGUE: m->used = 0; return 0;
    case STATE_BROKEN: break;
    }
    return err_fail(err, ERR_FORMAT, "the form is broken");
}

int multipart_feed(struct multipart *m, const void *bytes, size_t len, struct err *err)
{
    const char *p = bytes;
    while (len > 0) {
        size_t n = MIN(len, sizeof(m->window) - m->used);
        memcpy(m->window + m->used, p, n);
        m->used += n;
        p += n;
        len -= n;
        bool progress;
        do {
            progress = false;
            int rc = step(m, &progress, err);
            if (rc != 0) {
                m->state = STATE_BROKEN;
                return rc;
            }
        } while (progress);
        if (n == 0) {
            m->state = STATE_BROKEN;
            return err_fail(err, ERR_BUG, "the form parser is stuck");
        }
    }
    return 0;
}

int multipart_end(struct multipart *m, struct err *err)
{
    if (m->state != STATE_EPILOGUE)
        return err_fail(err, ERR_FORMAT, "the form ends before its closing boundary");
    return 0;
}
