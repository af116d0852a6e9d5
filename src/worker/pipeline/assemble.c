/* Blocks become items in their order; list items are gathered in (nested) groups, captions become children of
 * what they describe. */
#include "worker/pipeline/assemble.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"

#define NESTING_MAX 8

struct lists {
    int group[NESTING_MAX]; /* the open group of each depth */
    int item[NESTING_MAX];  /* its last item */
    int depth;
};

static int add_item(struct document *d, int parent, enum doc_label label, const struct block *b)
{
    int i = document_add(d, parent, label, b->text);
    document_add_prov(d, i, b->page_no, b->box);
    if (b->next_page_no > 0)
        document_add_prov(d, i, b->next_page_no, b->next_box);
    if (b->link)
        document_set_link(d, i, b->link);
    return i;
}

static void add_list_item(struct document *d, struct lists *l, const struct block *b)
{
    int depth = MIN(MAX(b->level, 1), MIN(l->depth + 1, NESTING_MAX));
    while (l->depth > depth)
        l->depth--;
    if (l->depth < depth) {
        l->group[l->depth] = document_add(d, l->depth == 0 ? DOC_BODY : l->item[l->depth - 1], DOC_GROUP_LIST,
                                          "list");
        l->depth++;
    }
    int i = add_item(d, l->group[depth - 1], DOC_LIST_ITEM, b);
    document_set_marker(d, i, b->marker, b->enumerated);
    document_item(d, i)->level = depth;
    l->item[depth - 1] = i;
}

static void add_captions(struct document *d, const struct blocks *bs, size_t owner, int item)
{
    for (size_t i = 0; i < bs->count; i++)
        if (bs->items[i].kind == BLOCK_CAPTION && bs->items[i].caption_of == (int)owner &&
            !bs->items[i].dropped)
            add_item(d, item, DOC_CAPTION, &bs->items[i]);
}

static void add_table(struct document *d, struct blocks *bs, size_t k)
{
    struct block *b = &bs->items[k];
    int i = add_item(d, DOC_BODY, DOC_TABLE, b);
    struct doc_table *t = document_make_table(d, i, b->table.rows, b->table.cols);
    for (size_t c = 0; c < b->table.count; c++) {
        const struct grid_cell *g = &b->table.cells[c];
        struct doc_cell *cell = doc_table_add_cell(t, g->row, g->col, g->row_span, g->col_span, g->text);
        cell->column_header = g->header;
        cell->box = g->box;
        cell->has_box = true;
    }
    add_captions(d, bs, k, i);
}

static void add_picture(struct document *d, struct blocks *bs, size_t k)
{
    struct block *b = &bs->items[k];
    int i = add_item(d, DOC_BODY, DOC_PICTURE, b);
    if (b->figure.png)
        document_set_picture(d, i, b->figure.png, b->figure.png_bytes, b->figure.width_px,
                             b->figure.height_px, b->figure.dpi);
    add_captions(d, bs, k, i);
}

static enum doc_label label_of(enum block_kind kind)
{
    switch (kind) {
    case BLOCK_TITLE: return DOC_TITLE;
    case BLOCK_HEADING: return DOC_SECTION_HEADER;
    case BLOCK_CAPTION: return DOC_CAPTION;
    case BLOCK_FOOTNOTE: return DOC_FOOTNOTE;
    case BLOCK_CODE: return DOC_CODE;
    case BLOCK_FORMULA: return DOC_FORMULA;
    case BLOCK_PAGE_HEADER: return DOC_PAGE_HEADER;
    case BLOCK_PAGE_FOOTER: return DOC_PAGE_FOOTER;
    case BLOCK_TEXT:
    case BLOCK_LIST_ITEM:
    case BLOCK_TABLE:
    case BLOCK_PICTURE: break;
    }
    return DOC_TEXT;
}

void assemble_document(struct blocks *bs, struct document *d)
{
    struct lists lists = {0};
    for (size_t k = 0; k < bs->count; k++) {
        struct block *b = &bs->items[k];
        if (b->dropped || (b->kind == BLOCK_CAPTION && b->caption_of >= 0))
            continue;
        if (b->kind == BLOCK_LIST_ITEM) {
            add_list_item(d, &lists, b);
            continue;
        }
        if (b->kind != BLOCK_PAGE_HEADER && b->kind != BLOCK_PAGE_FOOTER && b->kind != BLOCK_FOOTNOTE)
            lists.depth = 0;
        if (b->kind == BLOCK_TABLE) {
            add_table(d, bs, k);
        } else if (b->kind == BLOCK_PICTURE) {
            add_picture(d, bs, k);
        } else if (b->text[0] != '\0') {
            int i = add_item(d, DOC_BODY, label_of(b->kind), b);
            document_item(d, i)->level = b->level;
            document_item(d, i)->format.bold = b->kind == BLOCK_TEXT && (b->flags & LINE_BOLD);
            document_item(d, i)->format.italic = b->kind == BLOCK_TEXT && (b->flags & LINE_ITALIC);
            if (b->kind == BLOCK_CODE)
                add_captions(d, bs, k, i);
        }
    }
}
