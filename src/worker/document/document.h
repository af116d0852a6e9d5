/*
 * The document: a tree of items in reading order, after docling-core's DoclingDocument. Built by the
 * pipeline, read by the exporters. Everything lives as long as the document and is freed with it; callers'
 * strings are copied. Boxes are in points (1/72 inch), origin at the top left of the upright page, y down.
 *
 * Strings enter only through the functions below, which clean them (doc_clean_text): in a document every
 * string is valid UTF-8 without control characters but tab and newline, so an exporter never meets a byte it
 * may not write. Boxes enter the same way: finite, sorted.
 */
#ifndef PLATEN_WORKER_DOCUMENT_DOCUMENT_H
#define PLATEN_WORKER_DOCUMENT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct doc_box {
    float left, top, right, bottom;
};

enum doc_label {
    DOC_TITLE,
    DOC_SECTION_HEADER, /* level 1.. */
    DOC_TEXT,           /* a paragraph */
    DOC_LIST_ITEM,      /* children of a DOC_GROUP_LIST */
    DOC_CODE,
    DOC_FORMULA,
    DOC_CAPTION,
    DOC_FOOTNOTE,
    DOC_PAGE_HEADER, /* furniture: kept out of the body's Markdown */
    DOC_PAGE_FOOTER,
    DOC_REFERENCE,
    DOC_CHECKBOX_SELECTED,
    DOC_CHECKBOX_UNSELECTED,
    DOC_TABLE,
    DOC_PICTURE,
    DOC_GROUP_LIST, /* an ordered or unordered list; children are list items (and nested lists below an item)
                     */
    DOC_GROUP_INLINE,  /* several runs of one paragraph with different formatting; children are DOC_TEXT */
    DOC_GROUP_SECTION, /* a plain group: slide, sheet, … (text = its name) */
    DOC_LABEL_COUNT
};

struct doc_prov {
    int page_no; /* 1-based; 0: none (formats without pages) */
    struct doc_box box;
};

struct doc_cell {
    int row, col, row_span, col_span; /* spans >= 1 */
    bool column_header, row_header, row_section;
    char *text; /* never NULL */
    struct doc_box box;
    bool has_box;
};

/* Ceilings. docling-core refuses a larger table; exporters recurse once per level. */
#define DOC_TABLE_CELLS_MAX 1000000
#define DOC_DEPTH_MAX 64

struct doc_table {
    int rows, cols; /* rows * cols <= DOC_TABLE_CELLS_MAX */
    struct doc_cell *cells;
    size_t cell_count, cell_cap;
    size_t covered;        /* grid slots covered by all cells together, overlaps counted each time */
    bool overflown;        /* a cell did not fit under the ceiling and was left out */
    struct doc_cell spill; /* what doc_table_add_cell returns for such a cell; never exported */
};

struct doc_picture {
    uint8_t *png; /* encoded picture, or NULL when pictures were not asked for */
    size_t png_bytes;
    int width_px, height_px;
    float dpi;
};

struct doc_format {
    bool bold, italic, underline, strikethrough, superscript, subscript;
};

struct doc_item {
    enum doc_label label;
    int level;  /* section headers 1..; list items: nesting depth from 1 */
    char *text; /* UTF-8, never NULL */
    char *orig; /* the untreated text where it differs (a formula that was not decoded: text is ""); NULL: as
                   text */
    struct doc_prov *prov;
    size_t prov_count, prov_cap;
    struct doc_format format;
    char *hyperlink;             /* or NULL */
    char *marker;                /* list items: "-", "1.", "a)"; or NULL */
    bool enumerated;             /* list items */
    char *code_language;         /* or NULL */
    struct doc_table *table;     /* DOC_TABLE */
    struct doc_picture *picture; /* DOC_PICTURE */
    int parent;                  /* item index, or DOC_BODY */
    int *children; /* item indexes, in order; captions of tables and pictures are children too */
    size_t child_count, child_cap;
};

#define DOC_BODY (-1)

struct doc_page {
    int page_no; /* 1-based, as in the source */
    float width_pt, height_pt;
    struct doc_picture *image; /* page picture when include_page_images, else NULL */
    /* confidence, 0..1; negative: not computed */
    float parse_score, layout_score, table_score, ocr_score;
};

struct doc_page_error {
    int page_no; /* 0: the whole document */
    int kind;    /* enum err_kind */
    char *message;
};

struct document {
    char *name;     /* file name without its extension */
    char *filename; /* as the client named it */
    char *mimetype;
    uint64_t binary_hash;
    struct doc_item *items;
    size_t item_count, item_cap;
    int *body; /* indexes of the top-level items, in reading order (page furniture among them) */
    size_t body_count, body_cap;
    struct doc_page *pages;
    size_t page_count, page_cap;
    struct doc_page_error *errors;
    size_t error_count, error_cap;
};

struct document *document_new(const char *filename, const char *mimetype);
void document_free(struct document *d);
void document_freep(struct document **d);

/*
 * Appends an item below parent (DOC_BODY or an item's index) and returns its index. text may be NULL ("").
 * Below DOC_DEPTH_MAX levels the item is hung on its nearest ancestor that still has room, so that hostile
 * nesting flattens instead of growing.
 */
int document_add(struct document *d, int parent, enum doc_label label, const char *text);
/* Pointers are valid until the next document_add. */
struct doc_item *document_item(struct document *d, int index);
void document_add_prov(struct document *d, int index, int page_no, struct doc_box box);
void document_set_text(struct document *d, int index, const char *text);
void document_set_orig(struct document *d, int index, const char *orig);
void document_set_code_language(struct document *d, int index, const char *language);
void document_set_link(struct document *d, int index, const char *uri);
void document_set_marker(struct document *d, int index, const char *marker, bool enumerated);
/* Makes the item's table with these dimensions (a table that it had is freed); rows are cut at the ceiling.
 */
struct doc_table *document_make_table(struct document *d, int index, int rows, int cols);
/*
 * Adds a cell; rows and cols of the table grow if the cell lies outside. text is copied. Never NULL: a cell
 * that does not fit under DOC_TABLE_CELLS_MAX sets t->overflown, and the pointer is to t->spill. The pointer
 * is valid until the next cell.
 */
struct doc_cell *doc_table_add_cell(struct doc_table *t, int row, int col, int row_span, int col_span,
                                    const char *text);
/*
 * The table as rows * cols slots, row by row: the index of the cell that covers the slot (the later one where
 * two overlap), or -1. NULL for a table without slots or when memory is gone. Free it with free().
 */
int *doc_table_make_grid(const struct doc_table *t);
/* Copies the PNG bytes (NULL: only the size is known). Without memory for them the picture stays without
 * bytes and an error is added. */
void document_set_picture(struct document *d, int index, const uint8_t *png, size_t png_bytes, int width_px,
                          int height_px, float dpi);
/* A page that is there already gets the new size. The pointer is valid until the next page. */
struct doc_page *document_add_page(struct document *d, int page_no, float width_pt, float height_pt);
const struct doc_page *document_find_page(const struct document *d, int page_no); /* or NULL */
/* Copies the PNG bytes as the page's picture. */
void document_set_page_image(struct document *d, int page_no, const uint8_t *png, size_t png_bytes,
                             int width_px, int height_px, float dpi);
void document_add_error(struct document *d, int page_no, int kind, const char *message);
bool doc_label_is_furniture(enum doc_label label);
bool doc_label_is_floating(enum doc_label label); /* may have captions below it: table, picture, code */
/* The bytes as a document keeps them (malloced): invalid bytes become U+FFFD; \r\n, \r and NEL become \n; \v
 * and \f a space; other control characters and noncharacters are dropped. */
char *doc_clean_text(const char *s, size_t len);

#endif
