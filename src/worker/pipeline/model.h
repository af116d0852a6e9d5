/*
 * What the pipeline knows of a document while it works: lines of one page, and the blocks of all pages. A
 * page's lines live until its blocks are made; blocks live until the document is assembled. Boxes are points
 * on the upright page.
 */
#ifndef PLATEN_WORKER_PIPELINE_MODEL_H
#define PLATEN_WORKER_PIPELINE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/messages.h"
#include "worker/document/document.h"
#include "worker/reader/reader.h"

enum line_flag {
    LINE_BOLD = 1, /* (nearly) all of it */
    LINE_ITALIC = 2,
    LINE_MONO = 4,
    LINE_OCR = 8,
    LINE_RTL = 16,
    LINE_IN_PICTURE = 32, /* read from a bitmap on a digital page */
};

struct word {
    struct doc_box box;
    uint32_t offset, len; /* bytes in the line's text */
};

/* A run of text on one base line without a wide gap: a line of a column, or a cell's line. */
struct line {
    struct doc_box box; /* full height of the font */
    float baseline_pt;
    float size_pt;
    unsigned flags; /* enum line_flag */
    int turn;       /* quarter turns of its reading direction; 0: upright */
    float score;    /* of the recognition; 1 for a text layer */
    char *text;
    struct word *words;
    size_t word_count, word_cap;
    bool taken; /* by a table */
};

struct lines {
    struct line *items;
    size_t count, cap;
};

void line_done(struct line *l);
void lines_done(struct lines *ls);
struct line *lines_push(struct lines *ls);
/* Words by splitting the text at spaces, their boxes in proportion to the number of characters (for lines
 * without glyph boxes). */
void line_split_words(struct line *l);

/* A table that has been found on a page. */
struct grid_cell {
    int row, col, row_span, col_span;
    bool header;
    struct doc_box box;
    char *text; /* never NULL once filled */
};

struct grid {
    struct doc_box box;
    int rows, cols;
    struct grid_cell *cells;
    size_t count, cap;
    float score;
};

struct grids {
    struct grid *items;
    size_t count, cap;
};

void grid_done(struct grid *g);
void grids_done(struct grids *gs);

/* A picture on a page: its place, and the pixels as PNG when they were asked for. */
struct figure {
    struct doc_box box;
    uint8_t *png;
    size_t png_bytes;
    int width_px, height_px;
    float dpi;
};

struct figures {
    struct figure *items;
    size_t count, cap;
};

void figures_done(struct figures *fs);

/* A region that the layout model named. */
struct region {
    enum ipc_region_label label;
    float score;
    struct doc_box box;
};

struct regions {
    struct region *items;
    size_t count, cap;
};

struct link {
    struct doc_box box;
    char *uri;
};

struct links {
    struct link *items;
    size_t count, cap;
};

/* One page between its reading and its blocks. */
struct page {
    int page_no; /* 1-based */
    float width_pt, height_pt;
    bool is_scan; /* all of it was read by OCR */
    struct lines lines;
    struct regions regions;
    struct reader_segment *rules;
    size_t rule_count;
    struct grids tables;
    struct figures figures;
    struct links links;
    struct doc_picture *image;                               /* page picture, when asked for */
    float parse_score, layout_score, table_score, ocr_score; /* negative: none */
};

void page_init(struct page *p, int page_no, float width_pt, float height_pt);
void page_done(struct page *p);

enum block_kind {
    BLOCK_TEXT,
    BLOCK_TITLE,
    BLOCK_HEADING,
    BLOCK_LIST_ITEM,
    BLOCK_CAPTION,
    BLOCK_FOOTNOTE,
    BLOCK_CODE,
    BLOCK_FORMULA,
    BLOCK_PAGE_HEADER,
    BLOCK_PAGE_FOOTER,
    BLOCK_TABLE,
    BLOCK_PICTURE,
};

struct block {
    enum block_kind kind;
    int level; /* headings 1.., list items 1.. */
    int page_no;
    int column; /* number of the ordered leaf it came from */
    struct doc_box box;
    struct doc_box next_box; /* second place of a paragraph that goes on elsewhere */
    int next_page_no;        /* 0: none */
    char *text;              /* joined lines; never NULL */
    float size_pt;
    float breadth; /* recognised print: its width against the page's usual one for such letters; 0: unknown */
    unsigned flags;
    int line_count;
    float gap_above_pt, gap_below_pt; /* to the neighbours in its column; large at the ends */
    float indent_pt;                  /* of its first line against the column's left edge */
    float right_slack_pt;             /* of its last line against the column's right edge */
    float column_left_pt, column_right_pt;
    char *marker; /* list items */
    bool enumerated;
    int hint;   /* enum ipc_region_label of the layout model, or -1 */
    char *link; /* all of it is one link */
    struct grid table;
    struct figure figure;
    int caption_of; /* index of the table or picture, or -1 */
    bool dropped;
    bool turned; /* not upright: never a heading or a list item */
};

struct blocks {
    struct block *items;
    size_t count, cap;
};

void block_done(struct block *b);
void blocks_done(struct blocks *bs);
struct block *blocks_push(struct blocks *bs);

#endif
