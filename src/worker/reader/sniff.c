/*
 * What a file is: first by its bytes, then by its name. A name decides alone only where the bytes say nothing
 * against it, so that the error which follows is about the format that the sender had in mind ("not a PDF",
 * not "unknown format"). Nothing is inflated.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/macros.h"
#include "worker/reader/reader.h"

#define HEAD_BYTES 4096
#define PDF_MAGIC_WITHIN 1024
#define ZIP_HEADERS 64 /* local headers looked at */
#define ZIP_LOCAL_BYTES 30

struct head {
    int fd;
    unsigned char bytes[HEAD_BYTES + 1];
    size_t len;
};

static size_t read_at(int fd, void *bytes, size_t len, off_t at)
{
    ssize_t n = pread(fd, bytes, len, at);
    return n > 0 ? (size_t)n : 0;
}

static void read_head(int fd, struct head *h)
{
    h->fd = fd;
    h->len = read_at(fd, h->bytes, HEAD_BYTES, 0);
    h->bytes[h->len] = '\0';
}

static bool starts(const struct head *h, const char *magic, size_t len)
{
    return h->len >= len && memcmp(h->bytes, magic, len) == 0;
}
#define STARTS(h, literal) starts((h), (literal), sizeof(literal) - 1)

static uint32_t le16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const unsigned char *p)
{
    return le16(p) | le16(p + 2) << 16;
}

static bool is_bmp(const struct head *h)
{
    if (!STARTS(h, "BM") || h->len < 26)
        return false;
    uint32_t header = le32(h->bytes + 14);
    return le32(h->bytes + 6) == 0 && (header == 12 || (header >= 16 && header <= 124));
}

/* The media type of a picture by its first bytes, NULL when it is none. */
static const char *image_type(const struct head *h)
{
    if (STARTS(h, "\x89PNG\r\n\x1a\n"))
        return "image/png";
    if (STARTS(h, "\xff\xd8\xff"))
        return "image/jpeg";
    if (STARTS(h, "II*\0") || STARTS(h, "MM\0*") || STARTS(h, "II+\0\x08\0\0\0") ||
        STARTS(h, "MM\0+\0\x08\0\0"))
        return "image/tiff";
    if (STARTS(h, "GIF87a") || STARTS(h, "GIF89a"))
        return "image/gif";
    if (STARTS(h, "RIFF") && h->len >= 12 && memcmp(h->bytes + 8, "WEBP", 4) == 0)
        return "image/webp";
    if (is_bmp(h))
        return "image/bmp";
    if (STARTS(h, "\0\0\0\x0cjP  \r\n\x87\n") || STARTS(h, "\xff\x4f\xff\x51"))
        return "image/jp2";
    if (h->len >= 12 && memcmp(h->bytes + 4, "ftyp", 4) == 0 &&
        (memcmp(h->bytes + 8, "heic", 4) == 0 || memcmp(h->bytes + 8, "mif1", 4) == 0))
        return "image/heic";
    if (h->len >= 12 && memcmp(h->bytes + 4, "ftypavif", 8) == 0)
        return "image/avif";
    return NULL;
}

/* The office format of a ZIP file, by the names in its first local headers. */
static enum reader_format sniff_zip(const struct head *h)
{
    off_t at = 0;
    bool content_types = false;
    for (int i = 0; i < ZIP_HEADERS; i++) {
        unsigned char local[ZIP_LOCAL_BYTES];
        char name[256];
        if (read_at(h->fd, local, sizeof(local), at) < sizeof(local) || memcmp(local, "PK\3\4", 4) != 0)
            break;
        size_t name_bytes = le16(local + 26), want = MIN(name_bytes, sizeof(name) - 1);
        size_t got = read_at(h->fd, name, want, at + ZIP_LOCAL_BYTES);
        name[got] = '\0';
        if (strncmp(name, "word/", 5) == 0)
            return READER_DOCX;
        if (strncmp(name, "ppt/", 4) == 0)
            return READER_PPTX;
        if (strncmp(name, "xl/", 3) == 0)
            return READER_XLSX;
        if (i == 0 && strcmp(name, "mimetype") == 0) /* OpenDocument, EPUB: stored, uncompressed, first */
            return READER_OTHER;
        content_types |= strcmp(name, "[Content_Types].xml") == 0;
        uint32_t packed = le32(local + 18);
        if ((le16(local + 6) & 8) && packed == 0)
            break; /* the size comes after the data: only inflating would tell where it ends */
        at += ZIP_LOCAL_BYTES + (off_t)name_bytes + (off_t)le16(local + 28) + (off_t)packed;
    }
    return content_types ? READER_OTHER : READER_UNKNOWN;
}

static bool is_markup(const struct head *h, const char **ret_text)
{
    const char *s = (const char *)h->bytes;
    if (STARTS(h, "\xef\xbb\xbf"))
        s += 3;
    while (isspace((unsigned char)*s))
        s++;
    *ret_text = s;
    return *s == '<';
}

static enum reader_format sniff_markup(const char *s)
{
    if (strncasecmp(s, "<!doctype html", 14) == 0 || strncasecmp(s, "<html", 5) == 0 ||
        strncasecmp(s, "<head", 5) == 0 || strncasecmp(s, "<body", 5) == 0)
        return READER_HTML;
    if (strncmp(s, "<?xml", 5) == 0)
        return strcasestr(s, "<html") || strcasestr(s, "<!doctype html") ? READER_HTML : READER_XML;
    return READER_UNKNOWN;
}

static enum reader_format sniff_name(const char *filename)
{
    static const struct {
        const char *extension;
        enum reader_format format;
    } table[] = {
        {"pdf", READER_PDF},       {"png", READER_IMAGE},    {"jpg", READER_IMAGE},
        {"jpeg", READER_IMAGE},    {"jpe", READER_IMAGE},    {"tif", READER_IMAGE},
        {"tiff", READER_IMAGE},    {"bmp", READER_IMAGE},    {"webp", READER_IMAGE},
        {"gif", READER_IMAGE},     {"jp2", READER_IMAGE},    {"heic", READER_IMAGE},
        {"docx", READER_DOCX},     {"dotx", READER_DOCX},    {"docm", READER_DOCX},
        {"dotm", READER_DOCX},     {"pptx", READER_PPTX},    {"potx", READER_PPTX},
        {"ppsx", READER_PPTX},     {"pptm", READER_PPTX},    {"potm", READER_PPTX},
        {"ppsm", READER_PPTX},     {"xlsx", READER_XLSX},    {"xlsm", READER_XLSX},
        {"html", READER_HTML},     {"htm", READER_HTML},     {"xhtml", READER_HTML},
        {"md", READER_MD},         {"markdown", READER_MD},  {"txt", READER_MD},
        {"text", READER_MD},       {"qmd", READER_MD},       {"csv", READER_CSV},
        {"adoc", READER_ASCIIDOC}, {"asc", READER_ASCIIDOC}, {"asciidoc", READER_ASCIIDOC},
        {"xml", READER_XML},       {"nxml", READER_XML},     {"doc", READER_OTHER},
        {"ppt", READER_OTHER},     {"xls", READER_OTHER},    {"rtf", READER_OTHER},
        {"odt", READER_OTHER},     {"ods", READER_OTHER},    {"odp", READER_OTHER},
        {"epub", READER_OTHER},    {"eml", READER_OTHER},    {"vtt", READER_OTHER},
        {"tex", READER_OTHER},
    };
    const char *dot = filename ? strrchr(filename, '.') : NULL;
    for (size_t i = 0; dot && i < ARRAY_LEN(table); i++)
        if (strcasecmp(dot + 1, table[i].extension) == 0)
            return table[i].format;
    return READER_UNKNOWN;
}

enum reader_format reader_sniff(int fd, const char *filename)
{
    struct head h;
    read_head(fd, &h);
    enum reader_format by_name = sniff_name(filename);
    if (image_type(&h))
        return READER_IMAGE;
    if (STARTS(&h, "%PDF"))
        return READER_PDF;
    if (STARTS(&h, "PK\3\4")) {
        enum reader_format f = sniff_zip(&h);
        bool name_fits = by_name == READER_DOCX || by_name == READER_PPTX || by_name == READER_XLSX ||
                         by_name == READER_OTHER;
        return (f == READER_UNKNOWN || f == READER_OTHER) && name_fits ? by_name : f;
    }
    if (STARTS(&h, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") || STARTS(&h, "{\\rtf"))
        return READER_OTHER;
    const char *text;
    if (is_markup(&h, &text)) {
        enum reader_format f = sniff_markup(text);
        if (f != READER_UNKNOWN)
            return f == READER_XML && by_name == READER_HTML ? READER_HTML : f;
    } else if (memmem(h.bytes, MIN(h.len, (size_t)PDF_MAGIC_WITHIN), "%PDF-", 5)) {
        return READER_PDF; /* some mailers and printers put lines in front */
    }
    return by_name;
}

const char *reader_format_name(enum reader_format f)
{
    switch (f) {
    case READER_PDF: return "pdf";
    case READER_IMAGE: return "image";
    case READER_DOCX: return "docx";
    case READER_PPTX: return "pptx";
    case READER_XLSX: return "xlsx";
    case READER_HTML: return "html";
    case READER_MD: return "md";
    case READER_CSV: return "csv";
    case READER_ASCIIDOC: return "asciidoc";
    case READER_XML: return "xml";
    case READER_OTHER: return "other";
    case READER_UNKNOWN: break;
    }
    return "unknown";
}

const char *reader_format_mimetype(enum reader_format f, int fd)
{
    switch (f) {
    case READER_PDF: return "application/pdf";
    case READER_IMAGE: {
        struct head h;
        read_head(fd, &h);
        const char *type = image_type(&h);
        return type ? type : "application/octet-stream";
    }
    case READER_DOCX: return "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    case READER_PPTX: return "application/vnd.openxmlformats-officedocument.presentationml.presentation";
    case READER_XLSX: return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    case READER_HTML: return "text/html";
    case READER_MD: return "text/markdown";
    case READER_CSV: return "text/csv";
    case READER_ASCIIDOC: return "text/asciidoc";
    case READER_XML: return "application/xml";
    case READER_OTHER:
    case READER_UNKNOWN: break;
    }
    return "application/octet-stream";
}
