/* See base64.h. Leftover bits before padding must be zero, so that each content has one spelling. */
#include "supervisor/api/base64.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t end_group(struct base64 *b, uint8_t *out)
{
    size_t n = 3 - b->pads;
    uint32_t bits = b->bits << (6 * b->pads);
    if ((b->pads == 1 && (bits & 0xff)) || (b->pads == 2 && (bits & 0xffff)))
        b->bad = true;
    for (size_t i = 0; i < n && !b->bad; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    b->bits = 0;
    b->chars = 0;
    return b->bad ? 0 : n;
}

size_t base64_decode(struct base64 *b, const char *text, size_t len, uint8_t *out)
{
    size_t written = 0;
    for (size_t i = 0; i < len && !b->bad; i++) {
        char c = text[i];
        if (c == '\r' || c == '\n' || c == ' ' || c == '\t') {
            b->offset++;
            continue;
        }
        if (c == '=') {
            if ((b->pads == 0 && b->chars < 2) || (b->pads > 0 && b->chars == 0)) {
                b->bad = true;
                break;
            }
            b->pads++;
            b->chars++;
        } else {
            int v = value_of(c);
            if (v < 0 || b->pads > 0) {
                b->bad = true;
                break;
            }
            b->bits = b->bits << 6 | (uint32_t)v;
            b->chars++;
        }
        b->offset++;
        if (b->chars == 4)
            written += end_group(b, out + written);
    }
    return written;
}

bool base64_complete(const struct base64 *b)
{
    return !b->bad && b->chars == 0;
}
