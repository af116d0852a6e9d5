/*
 * The order in which every text-like exporter meets a document's items, after docling-core's serializers:
 * parts in preorder, joined by a delimiter; a list or an inline group is one part that takes all that is
 * below it; a caption belongs to its table, picture or code.
 */
#ifndef PLATEN_WORKER_EXPORT_WALK_H
#define PLATEN_WORKER_EXPORT_WALK_H

#include "worker/export/export.h"

/* Where a part stands. */
struct walk_scope {
    const char *delim; /* between the parts of this scope */
    int list_level;    /* lists around it */
    bool in_list;      /* the parts are those of a list */
    bool inline_run;   /* the parts are runs of one paragraph */
};

struct walk {
    const struct document *d;
    const struct export_options *o; /* never NULL */
    struct buf *b;
    bool furniture;         /* page headers and footers are parts too */
    bool list_items_own;    /* a list item's part takes what is below it (HTML) */
    bool glue_inline;       /* in a list, an inline group goes on with the part before it (Markdown) */
    const char *page_break; /* a part of its own where the page changes; NULL: none */
    /* Writes one part, or nothing. */
    void (*part)(struct walk *w, int index, const struct walk_scope *s);
    const size_t *picture_numbers; /* by item */
    bool any;                      /* something has been written */
    int page;                      /* the page of the last item, 0 before the first */
    bool broke_early; /* a break was written before a group whose first item is still to be noted */
};

/* All parts of the document. */
void walk_document(struct walk *w, const char *delim);
/* The parts below an item. */
void walk_children(struct walk *w, int index, const struct walk_scope *s);
/* A caption of a table, picture or code item. */
bool walk_is_caption(const struct document *d, int index);
/* The inline group that stands for the text of this item, or -1. */
int walk_inline_text(const struct document *d, int index);
/* The first item of a list is numbered. */
bool walk_list_is_ordered(const struct document *d, int index);
/* The item's number among its parent's children, from 1. */
size_t walk_position(const struct document *d, int index);
/* The marker as docling has it: "-" for an unnumbered item without one, "" for a numbered item without one.
 */
const char *walk_marker(const struct doc_item *it);

/* A list as an element around its items, `after_open` behind the opening tag; nothing at all for one without
 * items. */
void walk_put_list(struct walk *w, int index, const struct walk_scope *s, const char *tag,
                   const char *after_open);

#endif
