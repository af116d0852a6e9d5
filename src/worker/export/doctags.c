/* DocTags as docling-core's DocTagsDocSerializer writes them (human friendly), page headers and footers too.
 * The text is not escaped there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/export/embed.h"
#include "worker/export/walk.h"

#define GRID 500 /* positions are given on a grid of so many steps each way */

struct doctags {
    struct walk w;  /* first */
    bool no_places; /* inside an inline group only the group has a place */
};

static struct doctags *of(struct walk *w)
{
    return (struct doctags *)(void *)w;
}

static void put_step(struct buf *b, double v, double size)
{
    long step = lrint(v / size * GRID);
    buf_printf(b, "<loc_%ld>", MIN(MAX(step, 0), GRID - 1));
}

static void put_rect(struct buf *b, const struct export_rect *r, const struct doc_page *page)
{
    double width = rint((double)page->width_pt * 1000) / 1000,
           height = rint((double)page->height_pt * 1000) / 1000;
    put_step(b, r->left, width);
    put_step(b, r->top, height);
    put_step(b, r->right, width);
    put_step(b, r->bottom, height);
}

static void put_places(struct walk *w, const struct doc_item *it)
{
    for (size_t i = 0; i < it->prov_count && !of(w)->no_places; i++) {
        struct export_rect r;
        const struct doc_page *page;
        if (export_place(w->d, it->prov[i].page_no, it->prov[i].box, &r, &page))
            put_rect(w->b, &r, page);
    }
}

/* The rectangle around all items below; the page is that of the last one. */
static void enclose(const struct walk *w, const struct doc_item *it, struct export_rect *all,
                    const struct doc_page **page)
{
    for (size_t i = 0; i < it->child_count; i++) {
        const struct doc_item *child = &w->d->items[it->children[i]];
        for (size_t k = 0; k < child->prov_count; k++) {
            struct export_rect r;
            bool first = !*page;
            if (!export_place(w->d, child->prov[k].page_no, child->prov[k].box, &r, page))
                continue;
            *all = first ? r
                         : (struct export_rect){MIN(all->left, r.left), MIN(all->top, r.top),
                                                MAX(all->right, r.right), MAX(all->bottom, r.bottom)};
        }
        enclose(w, child, all, page);
    }
}

static void put_inline(struct walk *w, int index, int list_level)
{
    size_t start = w->b->len;
    bool outer = of(w)->no_places;
    buf_puts(w->b, "<inline>");
    size_t mark = w->b->len;
    struct export_rect all = {0};
    const struct doc_page *page = NULL;
    enclose(w, &w->d->items[index], &all, &page);
    if (page && !outer) {
        put_rect(w->b, &all, page);
        buf_putc(w->b, '\n');
    }
    size_t runs_start = w->b->len;
    of(w)->no_places = true;
    struct walk_scope runs = {.delim = "\n", .list_level = list_level, .inline_run = true};
    walk_children(w, index, &runs);
    of(w)->no_places = outer;
    if (w->b->len > runs_start)
        buf_putc(w->b, '\n');
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_puts(w->b, "</inline>");
}

static void put_stripped(struct buf *b, const char *s)
{
    const char *start;
    size_t len = export_strip(s, &start);
    buf_append(b, start, len);
}

static void put_captions(struct walk *w, const struct doc_item *it)
{
    bool any = false;
    for (int pass = 0; pass < 2; pass++) {
        bool text = false;
        for (size_t i = 0; i < it->child_count; i++) {
            int child = it->children[i];
            const struct doc_item *caption = &w->d->items[child];
            if (!walk_is_caption(w->d, child) || (!caption->text[0] && !caption->child_count))
                continue;
            if (!any)
                buf_puts(w->b, "<caption>");
            any = true;
            if (pass == 0) {
                put_places(w, caption);
                continue;
            }
            if (text)
                buf_putc(w->b, ' ');
            text = true;
            buf_puts(w->b, caption->text);
            if (caption->text[0] && caption->child_count)
                buf_putc(w->b, ' ');
            struct walk_scope runs = {.delim = " ", .inline_run = true};
            walk_children(w, child, &runs);
        }
    }
    if (any)
        buf_puts(w->b, "</caption>");
}

static void put_text(struct walk *w, int index, const char *tag, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    int runs = walk_inline_text(w->d, index);
    if (tag)
        buf_printf(w->b, "<%s>", tag);
    put_places(w, it);
    if (runs >= 0)
        put_inline(w, runs, s->list_level);
    else if (it->label == DOC_CODE)
        buf_printf(w->b, "<_%s_>", export_code_language(it));
    if (runs < 0 && it->label == DOC_CODE)
        buf_puts(w->b, it->text);
    else if (runs < 0)
        put_stripped(w->b, it->text);
    if (doc_label_is_floating(it->label))
        put_captions(w, it);
    if (tag)
        buf_printf(w->b, "</%s>", tag);
}

static const char *cell_token(const struct doc_table *t, int i, int row, int col)
{
    if (i < 0)
        return "<ecel>";
    const struct doc_cell *c = &t->cells[i];
    const char *text;
    if (c->row == row && c->col == col) {
        if (export_strip(c->text, &text) == 0)
            return "<ecel>";
        return c->column_header ? "<ched>" : c->row_header ? "<rhed>" : c->row_section ? "<srow>" : "<fcel>";
    }
    if ((c->row != row && c->col_span > 1) || (c->col != col && c->row_span > 1))
        return "<xcel>";
    return c->row != row ? "<ucel>" : "<lcel>";
}

static void put_otsl(struct buf *b, const struct doc_table *t)
{
    if (!t || t->cell_count == 0)
        return;
    int *grid = doc_table_make_grid(t);
    if (!grid)
        b->overflown = true;
    for (int r = 0; r < t->rows && !b->overflown; r++) {
        for (int c = 0; c < t->cols && !b->overflown; c++) {
            int i = grid[(size_t)r * (size_t)t->cols + (size_t)c];
            buf_puts(b, cell_token(t, i, r, c));
            if (i >= 0 && t->cells[i].row == r && t->cells[i].col == c)
                put_stripped(b, t->cells[i].text);
        }
        buf_puts(b, "<nl>");
    }
    free(grid);
}

static void put_floating(struct walk *w, int index, const char *tag)
{
    const struct doc_item *it = &w->d->items[index];
    size_t start = w->b->len;
    buf_printf(w->b, "<%s>", tag);
    size_t mark = w->b->len;
    put_places(w, it);
    if (it->label == DOC_TABLE)
        put_otsl(w->b, it->table);
    put_captions(w, it);
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_printf(w->b, "</%s>", tag);
}

static void put_list(struct walk *w, int index, const struct walk_scope *s)
{
    walk_put_list(w, index, s, walk_list_is_ordered(w->d, index) ? "ordered_list" : "unordered_list", "");
}

static void put_part(struct walk *w, int index, const struct walk_scope *s)
{
    static const char *const tags[DOC_LABEL_COUNT] = {
        [DOC_TITLE] = "title",
        [DOC_TEXT] = "text",
        [DOC_CODE] = "code",
        [DOC_FORMULA] = "formula",
        [DOC_CAPTION] = "caption",
        [DOC_FOOTNOTE] = "footnote",
        [DOC_PAGE_HEADER] = "page_header",
        [DOC_PAGE_FOOTER] = "page_footer",
        [DOC_REFERENCE] = "reference",
        [DOC_CHECKBOX_SELECTED] = "checkbox_selected",
        [DOC_CHECKBOX_UNSELECTED] = "checkbox_unselected",
    };
    const struct doc_item *it = &w->d->items[index];
    size_t start = w->b->len;
    if (s->in_list)
        buf_puts(w->b, "<list_item>");
    size_t mark = w->b->len;
    char heading[40];
    switch (it->label) {
    case DOC_GROUP_LIST: put_list(w, index, s); break;
    case DOC_GROUP_INLINE: put_inline(w, index, s->list_level); break;
    case DOC_TABLE: put_floating(w, index, "otsl"); break;
    case DOC_PICTURE: put_floating(w, index, "picture"); break;
    case DOC_SECTION_HEADER:
        (void)snprintf(heading, sizeof(heading), "section_header_level_%d", MIN(MAX(it->level, 1), 100));
        put_text(w, index, heading, s);
        break;
    default: put_text(w, index, tags[it->label], s); break;
    }
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else if (s->in_list)
        buf_puts(w->b, "</list_item>");
}

void export_doctags(const struct document *d, const struct export_options *o, struct buf *b)
{
    struct doctags t = {
        .w = {.d = d, .o = o, .b = b, .part = put_part, .furniture = true, .page_break = "<page_break>"}};
    buf_puts(b, "<doctag>");
    walk_document(&t.w, "\n");
    buf_puts(b, "\n</doctag>");
}
