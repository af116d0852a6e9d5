/* Character classes and text patterns. Rules are for all documents: nothing here knows a particular file. */
#include "worker/pipeline/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/utf8.h"

bool text_is_cjk(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x3000 && c <= 0x303f) || (c >= 0xff00 && c <= 0xffef) || (c >= 0x20000 && c <= 0x3ffff);
}

bool text_is_rtl(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8ff) || (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfeff);
}

bool text_is_letter(uint32_t c)
{
    if (c < 0x80)
        return isalpha((int)c) != 0;
    if (c < 0x100)
        return c >= 0xc0 && c != 0xd7 && c != 0xf7;
    return !(c >= 0x2000 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x303f) && !(c >= 0xff00 && c <= 0xff20) &&
           !(c >= 0xe000 && c <= 0xf8ff) && c != UTF8_REPLACEMENT;
}

bool text_is_lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z';
    if (c < 0x100)
        return c >= 0xdf && c != 0xf7;
    if (c < 0x180)
        return (c & 1) != 0;
    return (c >= 0x3ac && c <= 0x3ce) || (c >= 0x430 && c <= 0x45f);
}

bool text_is_upper(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z';
    if (c < 0x100)
        return c >= 0xc0 && c <= 0xde && c != 0xd7;
    if (c < 0x180)
        return (c & 1) == 0;
    return (c >= 0x386 && c <= 0x3ab) || (c >= 0x400 && c <= 0x42f);
}

uint32_t text_first(const char *s)
{
    uint32_t c = 0;
    return utf8_decode(s, strlen(s), &c) > 0 ? c : 0;
}

uint32_t text_last(const char *s)
{
    size_t len = strlen(s), i = len;
    uint32_t c = 0;
    while (i > 0) {
        i--;
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            break;
    }
    return len > 0 && utf8_decode(s + i, len - i, &c) > 0 ? c : 0;
}

bool text_is_bullet(uint32_t c)
{
    static const uint32_t bullets[] = {0x2022, 0x2023, 0x25cf, 0x25cb, 0x25aa, 0x25ab, 0x25a0, 0x25a1,
                                       0x25e6, 0x2043, 0x2219, 0x00b7, 0x2756, 0x27a2, 0x2794, 0x2192,
                                       0x25b6, 0x25ba, 0xf0b7, 0xf0a7, 0xf0d8, 0x2713, 0x2714, 0x2605,
                                       0x25c6, 0x25c7, 0x30fb, 0x2610, 0x2611};
    for (size_t i = 0; i < ARRAY_LEN(bullets); i++)
        if (bullets[i] == c)
            return true;
    return false;
}

static int roman_value(const char *s, size_t len)
{
    int total = 0, prev = 0;
    for (size_t i = len; i > 0; i--) {
        int v;
        switch (tolower((unsigned char)s[i - 1])) {
        case 'i': v = 1; break;
        case 'v': v = 5; break;
        case 'x': v = 10; break;
        case 'l': v = 50; break;
        case 'c': v = 100; break;
        default: return 0;
        }
        total += v < prev ? -v : v;
        prev = MAX(prev, v);
    }
    return total;
}

static size_t skip_spaces(const char *s, size_t i)
{
    while (s[i] == ' ')
        i++;
    return i;
}

size_t text_marker(const char *s, bool *ret_enumerated, int *ret_value)
{
    uint32_t c = 0;
    size_t n = utf8_decode(s, strlen(s), &c);
    if (n == 0)
        return 0;
    *ret_enumerated = false;
    *ret_value = 0;
    if (text_is_bullet(c))
        return skip_spaces(s, n);
    if ((c == '-' || c == '*' || c == 0x2013 || c == 0x2014 || c == 'o') && s[n] == ' ' && s[n + 1])
        return c == 'o' && text_is_lower((unsigned char)s[n + 1]) ? 0 : skip_spaces(s, n);
    size_t i = s[0] == '(' ? 1 : 0, start = i;
    while (isdigit((unsigned char)s[i]))
        i++;
    int value;
    if (i > start && i - start <= 3) {
        char digits[4] = {0};
        memcpy(digits, s + start, i - start);
        char *end;
        value = (int)strtol(digits, &end, 10);
        if (*end != '\0')
            return 0;
    } else if (i == start && isalpha((unsigned char)s[i])) {
        while (isalpha((unsigned char)s[i]) && i - start < 5)
            i++;
        value = i - start == 1 ? tolower((unsigned char)s[start]) - 'a' + 1
                               : roman_value(s + start, i - start);
        if (value <= 0)
            return 0;
        /* A lone capital with a dot is an initial more often than a marker. */
        if (s[i] == '.' && isupper((unsigned char)s[start]) && start == 0)
            return 0;
    } else {
        return 0;
    }
    if (s[i] != '.' && s[i] != ')')
        return 0;
    if (start == 1 && s[i] != ')')
        return 0;
    i++;
    if (s[i] != ' ')
        return 0;
    *ret_enumerated = true;
    *ret_value = value;
    return skip_spaces(s, i);
}

int text_heading_number(const char *s)
{
    size_t i = 0;
    int depth = 0;
    for (;;) {
        size_t start = i;
        while (isdigit((unsigned char)s[i]))
            i++;
        if (i == start && depth == 0 && isupper((unsigned char)s[i])) {
            while (s[i] == 'I' || s[i] == 'V' || s[i] == 'X')
                i++;
            if (i == start)
                i++;
            if (s[i] != '.')
                return 0;
        }
        if (i == start || i - start > 4)
            break;
        depth++;
        if (s[i] != '.')
            break;
        i++;
    }
    if (depth == 0 || s[i] != ' ')
        return 0;
    return text_is_letter(text_first(s + skip_spaces(s, i))) ? depth : 0;
}

char text_caption_kind(const char *s)
{
    static const struct {
        const char *word;
        char kind;
    } words[] = {{"figure", 'f'},  {"fig.", 'f'},    {"fig", 'f'},     {"abbildung", 'f'}, {"abb.", 'f'},
                 {"scheme", 'f'},  {"chart", 'f'},   {"image", 'f'},   {"table", 't'},     {"tab.", 't'},
                 {"tabelle", 't'}, {"tableau", 't'}, {"listing", 'c'}, {"algorithm", 'c'}, {"code", 'c'}};
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        size_t n = strlen(words[k].word);
        if (strncasecmp(s, words[k].word, n) != 0 || !isupper((unsigned char)s[0]))
            continue;
        size_t i = skip_spaces(s, n);
        size_t start = i;
        while (isalnum((unsigned char)s[i]) ||
               ((s[i] == '.' || s[i] == '-') && isalnum((unsigned char)s[i + 1])))
            i++;
        bool digit = false;
        for (size_t j = start; j < i; j++)
            digit |= isdigit((unsigned char)s[j]) != 0;
        if (i == start || (!digit && roman_value(s + start, i - start) <= 0))
            continue;
        if (s[i] == '\0' || s[i] == ':' || s[i] == '.' || s[i] == ')' || s[i] == '|')
            return words[k].kind;
        /* "Figure 3 shows" is a sentence; "Figure 3 Overview" a caption. */
        size_t j = skip_spaces(s, i);
        if (s[i] == ' ' && !text_is_lower(text_first(s + j)))
            return words[k].kind;
    }
    return 0;
}

bool text_ends_sentence(const char *s)
{
    size_t len = strlen(s);
    while (len > 0) {
        size_t i = len - 1;
        while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80)
            i--;
        uint32_t c = 0;
        if (utf8_decode(s + i, len - i, &c) == 0)
            return false;
        if (c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x201d || c == 0x2019 || c == 0xbb ||
            c == ' ') {
            len = i;
            continue;
        }
        return c == '.' || c == '!' || c == '?' || c == ':' || c == ';' || c == 0x3002 || c == 0xff01 ||
               c == 0xff1f || c == 0x61f || c == 0x6d4;
    }
    return false;
}

bool text_is_page_number(const char *s)
{
    char t[40];
    size_t n = 0;
    for (; *s; s++) {
        if (n + 1 >= sizeof(t))
            return false;
        unsigned char c = (unsigned char)*s;
        if (c >= 0x80 || strchr(" -.|[]()/", c))
            continue;
        t[n++] = (char)tolower(c);
    }
    t[n] = '\0';
    const char *p = t;
    if (strncmp(p, "page", 4) == 0)
        p += 4;
    else if (strncmp(p, "seite", 5) == 0)
        p += 5;
    size_t digits = strspn(p, "0123456789");
    if (digits == 0)
        return p == t && n > 0 && n <= 6 && roman_value(t, n) > 0 && strspn(t, "ivxl") == n;
    if (digits > 8)
        return false;
    p += digits;
    if (strncmp(p, "of", 2) == 0)
        p += 2;
    p += strspn(p, "0123456789");
    return *p == '\0';
}

void text_join_line(struct buf *b, const char *line)
{
    if (b->len == 0 || line[0] == '\0') {
        buf_puts(b, line);
        return;
    }
    uint32_t last = text_last(b->data), first = text_first(line);
    if (text_is_cjk(last) && text_is_cjk(first)) {
        buf_puts(b, line);
        return;
    }
    bool hyphen = last == '-' || last == 0xad || last == 0x2010;
    if (hyphen && b->len >= 2 && text_is_lower(first)) {
        size_t cut = last == '-' ? 1 : last == 0xad ? 2 : 3;
        char keep = b->data[b->len - cut - (b->len > cut ? 1 : 0)];
        if (isalpha((unsigned char)keep) || ((unsigned char)keep & 0x80)) {
            buf_trim(b, cut);
            buf_puts(b, line);
            return;
        }
    }
    /* A dash or slash inside a word keeps its neighbour. */
    if (!(hyphen && text_is_letter(first)) && last != '/')
        buf_putc(b, ' ');
    buf_puts(b, line);
}

char *text_shape(const char *s)
{
    char *out = xmalloc(strlen(s) + 1);
    size_t n = 0;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (isdigit(c)) {
            if (n == 0 || out[n - 1] != '#')
                out[n++] = '#';
        } else if (!isspace(c)) {
            out[n++] = (char)tolower(c);
        }
    }
    out[n] = '\0';
    return out;
}
