/*
 * One interface over all formats with pages: PDF (PDFium) and raster images (leptonica). The worker opens one
 * reader at a time. Coordinates are points, origin top left of the upright page (its /Rotate applied), y
 * down.
 */
#ifndef PLATEN_WORKER_READER_READER_H
#define PLATEN_WORKER_READER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "worker/reader/image.h"

struct reader_box {
    float left, top, right, bottom;
};

/* What the first bytes (and, for text formats, the name) say. */
enum reader_format {
    READER_UNKNOWN,
    READER_PDF,
    READER_IMAGE,
    /* recognised, so that the answer can name them; their readers join later */
    READER_DOCX,
    READER_PPTX,
    READER_XLSX,
    READER_HTML,
    READER_MD,
    READER_CSV,
    READER_ASCIIDOC,
    READER_XML,
    READER_OTHER,
};

/* fd is not moved (pread). Names: convert_options' from_formats ("pdf", "image", …). */
enum reader_format reader_sniff(int fd, const char *filename);
const char *reader_format_name(enum reader_format f);
const char *reader_format_mimetype(enum reader_format f, int fd);

struct reader_limits {
    int64_t max_pages;
};

struct reader; /* opaque */

/*
 * Opens the document. fd stays the caller's and must stay open. ERR_FORMAT (not a PDF, truncated beyond
 * repair, no page), ERR_AUTH (password needed or wrong), ERR_LIMIT (pages, pixels), ERR_UNSUPPORTED.
 */
int reader_open(int fd, enum reader_format format, const char *password, const struct reader_limits *limits,
                struct reader **ret, struct err *err);
void reader_free(struct reader *r);
void reader_freep(struct reader **r);

int reader_page_count(const struct reader *r);
/* page: 0-based. */
int reader_page_size(struct reader *r, int page, float *ret_width_pt, float *ret_height_pt, struct err *err);
/* The resolution at which a raster page holds its own pixels; 0 for vector pages. */
float reader_page_native_dpi(struct reader *r, int page);
/*
 * The resolution that a raster file claims it was scanned at (50..1200), 0 where it claims none or nonsense.
 * A point of such a page is a pixel whatever this says; it is a hint for how large the print is.
 */
float reader_page_scan_dpi(struct reader *r, int page);
/* BGR24. The resolution is lowered when the page would cross LIMIT_PAGE_PIXELS (see image->dpi). Annotations
 * are drawn. */
int reader_render(struct reader *r, int page, float dpi, struct image **ret, struct err *err);

enum reader_char_flag {
    READER_CHAR_BOLD = 1,
    READER_CHAR_ITALIC = 2,
    READER_CHAR_MONO = 4,
    READER_CHAR_SERIF = 8,
    READER_CHAR_GENERATED = 16, /* a space or line break that PDFium put in: its boxes have no extent */
    READER_CHAR_HYPHEN = 32,   /* a line's last hyphen, the word goes on below: no break is generated after it
                                */
    READER_CHAR_UNMAPPED = 64, /* no reliable Unicode value */
    READER_CHAR_INVISIBLE = 128, /* text render mode 3 (an OCR layer) */
};

struct reader_char {
    uint32_t codepoint;
    struct reader_box box;    /* tight box of the glyph */
    struct reader_box loose;  /* full height of the font at its place: use for lines */
    float origin_x, origin_y; /* base line */
    float size_pt;            /* font size as drawn */
    float angle_rad; /* writing direction on the upright page, -pi..pi, clockwise; 0: left to right */
    uint16_t font;   /* index into fonts */
    uint16_t flags;  /* enum reader_char_flag */
};

struct reader_font {
    char *name;
    int weight; /* 100..900, 0 unknown */
    bool italic, mono, serif;
};

struct reader_link {
    struct reader_box box;
    char *uri;
};

struct reader_segment {   /* a straight stroke or thin filled rectangle: table rules, underlines */
    float x0, y0, x1, y1; /* horizontal or vertical, x0<=x1, y0<=y1 */
    float thickness_pt;
};

struct reader_picture {    /* a bitmap drawn on the page */
    struct reader_box box; /* clipped to the page */
};

/* What a page says without being rendered. For raster images all lists are empty. */
struct reader_content {
    struct reader_char *chars; /* in the content stream's order, as PDFium's text page gives them */
    size_t char_count;
    struct reader_font *fonts;
    size_t font_count;
    struct reader_link *links;
    size_t link_count;
    struct reader_segment *segments;
    size_t segment_count;
    struct reader_picture *pictures;
    size_t picture_count;
};

/*
 * ERR_LIMIT above LIMIT_PAGE_CHARS characters. The other lists stop at their ceilings (LIMIT_PAGE_RULES,
 * _PICTURES, _LINKS): a page with more is a drawing, where they say nothing. On failure *ret is empty.
 */
int reader_read_content(struct reader *r, int page, struct reader_content *ret, struct err *err);
void reader_content_done(struct reader_content *c);

/* The outline: titles with their level (from 1) and target page (0-based, -1 none), in order; malloced. At
 * most 10,000. */
struct reader_outline_entry {
    char *title;
    int level, page;
};
int reader_outline(struct reader *r, struct reader_outline_entry **ret, size_t *ret_count, struct err *err);
void reader_outline_free(struct reader_outline_entry *entries, size_t count);

#endif
