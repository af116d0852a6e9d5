/*
 * Exporters: a finished document in, bytes appended to a buffer. They never fail but for the buffer's ceiling
 * (b->overflown). o may be NULL: placeholders for pictures, no page breaks, padded tables.
 *
 * The number in a referenced picture's name is the picture's number in the document (N of #/pictures/N),
 * counted over all pictures, those without bytes too; export_picture_name gives the name, so that whoever
 * writes the files and the text agree.
 */
#ifndef PLATEN_WORKER_EXPORT_EXPORT_H
#define PLATEN_WORKER_EXPORT_EXPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "worker/document/document.h"

enum export_images { EXPORT_IMAGES_PLACEHOLDER, EXPORT_IMAGES_EMBEDDED, EXPORT_IMAGES_REFERENCED };

struct export_options {
    enum export_images images;
    const char *page_break;   /* Markdown between pages; "" = nothing */
    bool compact_tables;      /* Markdown tables without padding */
    const char *image_folder; /* referenced: "<folder>/image_000000.png", in order of the pictures */
};

void export_markdown(const struct document *d, const struct export_options *o, struct buf *b);
void export_json(const struct document *d, const struct export_options *o,
                 struct buf *b); /* DoclingDocument 1.x */
void export_html(const struct document *d, const struct export_options *o, struct buf *b);
void export_text(const struct document *d, const struct export_options *o, struct buf *b);
void export_doctags(const struct document *d, const struct export_options *o, struct buf *b);

#define EXPORT_PICTURE_NAME_BYTES 32
/* "image_000000.png" for picture number 0. */
void export_picture_name(size_t number, char out[EXPORT_PICTURE_NAME_BYTES]);

#endif
