/* See embed.h. */
#include "worker/export/embed.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

bool export_link_is_safe(const char *uri)
{
    static const char *const safe[] = {"http", "https", "ftp", "ftps", "sftp", "mailto", "tel", "file"};
    while (*uri && (unsigned char)*uri <= 0x20)
        uri++;
    char scheme[16];
    size_t n = 0;
    for (; *uri; uri++) {
        unsigned char c = (unsigned char)*uri;
        if (c == '\t' || c == '\r' || c == '\n')
            continue;
        if (c == ':')
            break;
        if (n == 0 ? !isalpha(c) : !(isalnum(c) || c == '+' || c == '.' || c == '-'))
            return true; /* no scheme: a relative reference */
        if (n < sizeof(scheme) - 1)
            scheme[n] = (char)c;
        n++;
    }
    if (*uri != ':' || n <= 1)
        return true; /* no colon, or a Windows drive */
    if (n >= sizeof(scheme))
        return false;
    scheme[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(safe); i++) {
        if (strcasecmp(scheme, safe[i]) == 0)
            return true;
    }
    return false;
}

void export_put_escaped(struct buf *b, const char *s, size_t len, bool quotes)
{
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        const char *entity = NULL;
        switch (s[i]) {
        case '&': entity = "&amp;"; break;
        case '<': entity = "&lt;"; break;
        case '>': entity = "&gt;"; break;
        case '"': entity = quotes ? "&quot;" : NULL; break;
        case '\'': entity = quotes ? "&#x27;" : NULL; break;
        default: break;
        }
        if (!entity)
            continue;
        buf_append(b, s + plain, i - plain);
        buf_puts(b, entity);
        plain = i + 1;
    }
    buf_append(b, s + plain, len - plain);
}

void export_put_data_uri(struct buf *b, const struct doc_picture *p)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_puts(b, "data:image/png;base64,");
    char out[4096];
    size_t at = 0;
    for (size_t i = 0; i < p->png_bytes && !b->overflown; i += 3) {
        size_t left = p->png_bytes - i;
        uint32_t v = (uint32_t)p->png[i] << 16 | (left > 1 ? (uint32_t)p->png[i + 1] << 8 : 0) |
                     (left > 2 ? p->png[i + 2] : 0);
        out[at++] = digits[v >> 18];
        out[at++] = digits[(v >> 12) & 63];
        out[at++] = left > 1 ? digits[(v >> 6) & 63] : '=';
        out[at++] = left > 2 ? digits[v & 63] : '=';
        if (at == sizeof(out)) {
            buf_append(b, out, at);
            at = 0;
        }
    }
    buf_append(b, out, at);
}

void export_picture_name(size_t number, char out[EXPORT_PICTURE_NAME_BYTES])
{
    (void)snprintf(out, EXPORT_PICTURE_NAME_BYTES, "image_%06zu.png", number);
}

void export_put_picture_path(struct buf *b, const struct export_options *o, size_t number)
{
    for (const char *p = o->image_folder ? o->image_folder : ""; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (isalnum(c) || strchr("/-_.~", c))
            buf_putc(b, *p);
        else
            buf_printf(b, "%%%02X", c);
    }
    char name[EXPORT_PICTURE_NAME_BYTES];
    export_picture_name(number, name);
    if (o->image_folder && *o->image_folder)
        buf_putc(b, '/');
    buf_puts(b, name);
}

static double on_page(double v, double size)
{
    if (!isfinite(v) || v < 0)
        return 0;
    return rint((v > size ? size : v) * 1000) / 1000;
}

bool export_place(const struct document *d, int page_no, struct doc_box box, struct export_rect *ret,
                  const struct doc_page **ret_page)
{
    const struct doc_page *page = document_find_page(d, page_no);
    if (!page || !(page->width_pt > 0) || !(page->height_pt > 0))
        return false;
    double width = rint((double)page->width_pt * 1000) / 1000,
           height = rint((double)page->height_pt * 1000) / 1000;
    if (!(width > 0) || !(height > 0))
        return false;
    double x0 = on_page((double)box.left, width), x1 = on_page((double)box.right, width);
    double y0 = on_page((double)box.top, height), y1 = on_page((double)box.bottom, height);
    *ret = (struct export_rect){MIN(x0, x1), MIN(y0, y1), MAX(x0, x1), MAX(y0, y1)};
    *ret_page = page;
    return true;
}

bool export_is_space(uint32_t c)
{
    return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

size_t export_strip(const char *s, const char **ret)
{
    size_t len = strlen(s), start = 0, end = 0;
    bool begun = false;
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t c = UTF8_REPLACEMENT;
        n = utf8_decode(s + i, len - i, &c);
        n = n ? n : 1;
        if (export_is_space(c))
            continue;
        if (!begun)
            start = i;
        begun = true;
        end = i + n;
    }
    *ret = s + start;
    return begun ? end - start : 0;
}

static bool is_rtl(uint32_t c)
{
    return c == 0x5be || c == 0x5c0 || c == 0x5c3 || c == 0x5c6 || (c >= 0x5d0 && c <= 0x5f4) || c == 0x608 ||
           c == 0x60b || c == 0x60d || (c >= 0x61b && c <= 0x64a) || (c >= 0x66d && c <= 0x66f) ||
           (c >= 0x671 && c <= 0x6d5) || c == 0x6e5 || c == 0x6e6 || c == 0x6ee || c == 0x6ef ||
           (c >= 0x6fa && c <= 0x710) || (c >= 0x712 && c <= 0x72f) || (c >= 0x74d && c <= 0x7a5) ||
           (c >= 0x7b1 && c <= 0x7ea) || (c >= 0x800 && c <= 0x815) || (c >= 0x840 && c <= 0x858) ||
           (c >= 0x860 && c <= 0x88e) || (c >= 0x8a0 && c <= 0x8c9) || c == 0x200f || c == 0xfb1d ||
           (c >= 0xfb1f && c <= 0xfd3d && c != 0xfb29) || (c >= 0xfd50 && c <= 0xfdc7) ||
           (c >= 0xfdf0 && c <= 0xfdfc) || (c >= 0xfe70 && c <= 0xfefc) || (c >= 0x10800 && c <= 0x10fff) ||
           (c >= 0x1e800 && c <= 0x1efff);
}

bool export_text_is_rtl(const char *s)
{
    size_t len = strlen(s), all = 0, rtl = 0;
    for (size_t i = 0, n; i < len; i += n, all++) {
        uint32_t c = UTF8_REPLACEMENT;
        n = utf8_decode(s + i, len - i, &c);
        n = n ? n : 1;
        bool r = is_rtl(c);
        if (r && i == 0)
            return true;
        rtl += r;
    }
    return rtl > all / 2 || (all % 2 == 1 && rtl * 2 > all);
}

const char *export_code_language(const struct doc_item *it)
{
    static const char *const known[] = {
        "Ada",    "Awk",     "Bash",       "bc",      "C",          "C#",          "C++",    "CMake",
        "COBOL",  "CSS",     "Ceylon",     "Clojure", "Crystal",    "Cuda",        "Cython", "D",
        "Dart",   "dc",      "Dockerfile", "Elixir",  "Erlang",     "FORTRAN",     "Forth",  "Go",
        "HTML",   "Haskell", "Haxe",       "Java",    "JavaScript", "Julia",       "Kotlin", "Lisp",
        "Lua",    "Matlab",  "MoonScript", "Nim",     "OCaml",      "ObjectiveC",  "Octave", "PHP",
        "Pascal", "Perl",    "Prolog",     "Python",  "Racket",     "Ruby",        "Rust",   "SML",
        "SQL",    "Scala",   "Scheme",     "Swift",   "TypeScript", "VisualBasic", "XML",    "YAML"};
    for (size_t i = 0; it->code_language && i < ARRAY_LEN(known); i++) {
        if (strcasecmp(it->code_language, known[i]) == 0)
            return known[i];
    }
    return "unknown";
}
