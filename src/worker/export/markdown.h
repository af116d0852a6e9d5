/* The parts of the Markdown exporter: escaping of text and tables. Plain text is the same walk with less
 * decoration. */
#ifndef PLATEN_WORKER_EXPORT_MARKDOWN_H
#define PLATEN_WORKER_EXPORT_MARKDOWN_H

#include "worker/export/export.h"

enum md_flags {
    MD_ESCAPE = 1,   /* _ and & < > */
    MD_BREAKS = 2,   /* a single newline is a hard line break */
    MD_ONE_LINE = 4, /* a newline becomes a space */
};

void markdown_put_text(struct buf *b, const char *s, unsigned flags);
/* A link's target so that it cannot end the link early. */
void markdown_put_destination(struct buf *b, const char *uri);
/* Code between backticks that none inside can close: a span, or a fenced block. */
void markdown_put_code(struct buf *b, const char *s, bool span);
/* The marker holds a letter or a digit, so it says more than a bullet. */
bool markdown_marker_speaks(const char *marker);
/* "-", "*", "+" or "12.": a marker that Markdown knows. */
bool markdown_marker_is_valid(const char *marker);
void markdown_put_table(struct buf *b, const struct doc_table *t, bool compact);
/* 0 nothing, 1 a truth value, 2 a whole number, 3 a number, 5 text: what Python's tabulate takes a cell for.
 */
int markdown_cell_type(const char *s);
void markdown_export(const struct document *d, const struct export_options *o, struct buf *b, bool plain);

#endif
