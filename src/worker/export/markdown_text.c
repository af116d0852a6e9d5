/* Escaping as docling-core's Markdown serializer does it (markdown.py: _md_line_breaks, _escape_underscores,
 * _code_span, …). */
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "worker/export/embed.h"
#include "worker/export/markdown.h"

/* The length of an image link "![…](…)" at s within its line, or 0. Underscores in it stay as they are. */
static size_t image_link(const char *s)
{
    if (s[0] != '!' || s[1] != '[')
        return 0;
    const char *p = s + 2;
    while (*p && *p != '\n' && !(p[0] == ']' && p[1] == '('))
        p++;
    if (*p != ']')
        return 0;
    p += 2;
    while (*p && *p != '\n' && *p != ')')
        p++;
    return *p == ')' ? (size_t)(p + 1 - s) : 0;
}

void markdown_put_text(struct buf *b, const char *s, unsigned flags)
{
    size_t verbatim = 0; /* bytes of an image link still to come */
    size_t no_link_before = 0;
    for (size_t i = 0; s[i] && !b->overflown; i++) {
        char c = s[i];
        if ((flags & MD_ESCAPE) && c == '!' && !verbatim && i >= no_link_before) {
            verbatim = image_link(s + i);
            /* A line without an end of a link has none further on either; looking again would be quadratic.
             */
            if (!verbatim && s[i + 1] == '[')
                no_link_before = i + strcspn(s + i, "\n");
        }
        if (c == '\n' && (flags & MD_ONE_LINE)) {
            buf_putc(b, ' ');
        } else if (c == '\n' && (flags & MD_BREAKS)) {
            if (s[i + 1] == '\n') {
                buf_puts(b, "\n\n");
                i++;
            } else {
                buf_puts(b, "  \n");
            }
        } else if ((flags & MD_ESCAPE) && c == '_' && !verbatim && !(i > 0 && s[i - 1] == '\\')) {
            buf_puts(b, "\\_");
        } else if ((flags & MD_ESCAPE) && (c == '&' || c == '<' || c == '>')) {
            export_put_escaped(b, &c, 1, false);
        } else {
            buf_putc(b, c);
        }
        if (verbatim)
            verbatim--;
    }
}

static bool starts_entity(const char *s)
{
    if (*++s == '#')
        s++;
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || (unsigned char)s[n] >= 0x80)
        n++;
    return n > 0 && s[n] == ';';
}

void markdown_put_destination(struct buf *b, const char *uri)
{
    for (; *uri; uri++) {
        unsigned char c = (unsigned char)*uri;
        if (c <= 0x20 || c == 0x7f || strchr("()<>\"\\", c))
            buf_printf(b, "%%%02X", c);
        else if (c == '&' && starts_entity(uri))
            buf_puts(b, "&amp;");
        else
            buf_putc(b, *uri);
    }
}

void markdown_put_code(struct buf *b, const char *s, bool span)
{
    size_t longest = 0, run = 0, len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        run = s[i] == '`' ? run + 1 : 0;
        longest = MAX(longest, run);
    }
    size_t ticks = span ? longest + 1 : MAX(longest + 1, 3);
    const char *pad = !span ? "\n" : len && (s[0] == '`' || s[len - 1] == '`') ? " " : "";
    for (size_t i = 0; i < ticks && !b->overflown; i++)
        buf_putc(b, '`');
    buf_puts(b, pad);
    buf_append(b, s, len);
    buf_puts(b, pad);
    for (size_t i = 0; i < ticks && !b->overflown; i++)
        buf_putc(b, '`');
}

/* Letters and digits by exclusion: the blocks of punctuation, symbols, arrows, shapes and private use are
 * none. */
static bool speaks(uint32_t c)
{
    static const uint32_t silent[][2] = {
        {0x80, 0xa9},       {0xab, 0xb1},     {0xb4, 0xb4},     {0xb6, 0xb8},       {0xbb, 0xbb},
        {0xbf, 0xbf},       {0xd7, 0xd7},     {0xf7, 0xf7},     {0x2000, 0x206f},   {0x20a0, 0x20ff},
        {0x2190, 0x245f},   {0x249c, 0x249c}, {0x2500, 0x2775}, {0x2794, 0x2bff},   {0x2e00, 0x2e7f},
        {0x3000, 0x3004},   {0x3008, 0x3020}, {0x3030, 0x3030}, {0xd800, 0xf8ff},   {0xfe10, 0xfe6f},
        {0xff00, 0xff0f},   {0xff1a, 0xff20}, {0xfff0, 0xffff}, {0x1f000, 0x1f0ff}, {0x1f110, 0x1fbef},
        {0xf0000, 0x10ffff}};
    if (c < 0x80)
        return isalnum((int)c);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        if (c >= silent[i][0] && c <= silent[i][1])
            return false;
    }
    return true;
}

bool markdown_marker_speaks(const char *marker)
{
    size_t len = strlen(marker);
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c = 0;
        n = utf8_decode(marker + i, len - i, &c);
        if (n && speaks(c))
            return true;
        n = n ? n : 1;
    }
    return false;
}

bool markdown_marker_is_valid(const char *marker)
{
    if (marker[0] && !marker[1])
        return strchr("-*+", marker[0]) != NULL;
    size_t digits = strspn(marker, "0123456789");
    return digits > 0 && marker[digits] == '.' && marker[digits + 1] == '\0';
}
