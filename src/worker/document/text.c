/*
 * Cleaning of strings on their way into a document. It happens once, here, so that no exporter has to think
 * of broken UTF-8 or of characters that XML forbids.
 */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/document/document.h"

static bool is_plain(uint32_t c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || (c >= 0xa0 && c < 0xfdd0) ||
           (c >= 0xfdf0 && (c & 0xfffe) != 0xfffe);
}

/* What stands for c in a document, or 0: nothing does. */
static uint32_t replacement(uint32_t c)
{
    if (is_plain(c))
        return c;
    if (c == '\r' || c == 0x85)
        return '\n';
    return c == '\v' || c == '\f' ? ' ' : 0;
}

char *doc_clean_text(const char *s, size_t len)
{
    if (len > (SIZE_MAX - 1) / 3)
        len = (SIZE_MAX - 1) / 3;
    /* One bad byte becomes three, so the size is counted first: a document of good text pays no tripled
     * buffer. */
    size_t bad = 0;
    uint32_t c;
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_decode(s + i, len - i, &c);
        if (n == 0) {
            n = 1;
            bad++;
        }
    }
    char *out = xmalloc(len + 2 * bad + 1);
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_decode(s + i, len - i, &c);
        if (n == 0) {
            at += utf8_encode(UTF8_REPLACEMENT, out + at);
            i++;
            continue;
        }
        if (c == '\r' && i + 1 < len && s[i + 1] == '\n') {
            i++;
            continue;
        }
        uint32_t r = replacement(c); /* of a NUL: 0, nothing */
        if (r && r == c) {
            memcpy(out + at, s + i, n);
            at += n;
        } else if (r) {
            out[at++] = (char)r;
        }
        i += n;
    }
    out[at] = '\0';
    return out;
}
