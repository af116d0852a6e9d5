/*
 * See document.h. The tree is kept as indexes into one array, because the array moves while it grows.
 * Invariant: an item's parent has a smaller index than the item, so that the tree has no cycle and its depth
 * is bounded by DOC_DEPTH_MAX.
 */
#include "worker/document/document.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static char *clean(const char *s)
{
    return s ? doc_clean_text(s, strlen(s)) : NULL;
}

static void replace_string(char **slot, char *s)
{
    free(*slot);
    *slot = s;
}

/* A name is one line: a newline in it becomes a space. */
static char *clean_name(const char *s)
{
    char *name = clean(s ? s : "");
    for (char *p = name; *p; p++) {
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    }
    return name;
}

struct document *document_new(const char *filename, const char *mimetype)
{
    struct document *d = xnew(struct document);
    d->filename = clean_name(filename);
    d->mimetype = clean_name(mimetype);
    const char *base = strrchr(d->filename, '/');
    base = base ? base + 1 : d->filename;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    d->name = xstrndup(base, len);
    return d;
}

static void picture_free(struct doc_picture *p)
{
    if (!p)
        return;
    free(p->png);
    free(p);
}

static void table_free(struct doc_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t->spill.text);
    free(t);
}

static void item_done(struct doc_item *it)
{
    free(it->text);
    free(it->orig);
    free(it->prov);
    free(it->hyperlink);
    free(it->marker);
    free(it->code_language);
    free(it->children);
    table_free(it->table);
    picture_free(it->picture);
}

void document_free(struct document *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->item_count; i++)
        item_done(&d->items[i]);
    for (size_t i = 0; i < d->page_count; i++)
        picture_free(d->pages[i].image);
    for (size_t i = 0; i < d->error_count; i++)
        free(d->errors[i].message);
    free(d->name);
    free(d->filename);
    free(d->mimetype);
    free(d->items);
    free(d->body);
    free(d->pages);
    free(d->errors);
    free(d);
}

void document_freep(struct document **d)
{
    document_free(*d);
    *d = NULL;
}

/* The nearest of parent and its ancestors that may still have children. */
static int roomy_ancestor(const struct document *d, int parent)
{
    int depth = 0;
    for (int i = parent; i != DOC_BODY; i = d->items[i].parent)
        depth++;
    for (; depth >= DOC_DEPTH_MAX; depth--)
        parent = d->items[parent].parent;
    return parent;
}

int document_add(struct document *d, int parent, enum doc_label label, const char *text)
{
    assert(parent == DOC_BODY || (parent >= 0 && (size_t)parent < d->item_count));
    assert(label < DOC_LABEL_COUNT);
    assert(d->item_count < INT_MAX);
    parent = roomy_ancestor(d, parent);
    int index = (int)d->item_count;
    struct doc_item *it = VEC_PUSH(d->items, d->item_count, d->item_cap);
    it->label = label;
    it->level = 1;
    it->text = clean(text ? text : "");
    it->parent = parent;
    if (parent == DOC_BODY) {
        *VEC_PUSH(d->body, d->body_count, d->body_cap) = index;
    } else {
        struct doc_item *p = &d->items[parent];
        *VEC_PUSH(p->children, p->child_count, p->child_cap) = index;
    }
    return index;
}

struct doc_item *document_item(struct document *d, int index)
{
    assert(index >= 0 && (size_t)index < d->item_count);
    return &d->items[index];
}

static float finite_or_zero(float v)
{
    return isfinite(v) ? v : 0.0f;
}

void document_add_prov(struct document *d, int index, int page_no, struct doc_box box)
{
    struct doc_item *it = document_item(d, index);
    struct doc_box b = {finite_or_zero(box.left), finite_or_zero(box.top), finite_or_zero(box.right),
                        finite_or_zero(box.bottom)};
    struct doc_prov *p = VEC_PUSH(it->prov, it->prov_count, it->prov_cap);
    p->page_no = page_no > 0 ? page_no : 0;
    p->box = (struct doc_box){MIN(b.left, b.right), MIN(b.top, b.bottom), MAX(b.left, b.right),
                              MAX(b.top, b.bottom)};
}

void document_set_text(struct document *d, int index, const char *text)
{
    replace_string(&document_item(d, index)->text, clean(text ? text : ""));
}

void document_set_orig(struct document *d, int index, const char *orig)
{
    replace_string(&document_item(d, index)->orig, clean(orig));
}

void document_set_code_language(struct document *d, int index, const char *language)
{
    replace_string(&document_item(d, index)->code_language, clean(language));
}

/* Browsers drop spaces around an address and tabs and newlines within: " java\tscript:" is kept as what it
 * will be read as. */
static char *clean_link(const char *s)
{
    char *link = clean(s), *to = link;
    for (const char *p = link; *p; p++) {
        if (*p != '\n' && *p != '\t' && (*p != ' ' || to > link))
            *to++ = *p;
    }
    while (to > link && to[-1] == ' ')
        to--;
    *to = '\0';
    return link;
}

void document_set_link(struct document *d, int index, const char *uri)
{
    replace_string(&document_item(d, index)->hyperlink, uri && *uri ? clean_link(uri) : NULL);
}

void document_set_marker(struct document *d, int index, const char *marker, bool enumerated)
{
    struct doc_item *it = document_item(d, index);
    replace_string(&it->marker, marker ? clean_name(marker) : NULL);
    it->enumerated = enumerated;
}

struct doc_table *document_make_table(struct document *d, int index, int rows, int cols)
{
    struct doc_item *it = document_item(d, index);
    table_free(it->table);
    it->table = xnew(struct doc_table);
    it->table->cols = MIN(MAX(cols, 0), DOC_TABLE_CELLS_MAX);
    it->table->rows = MIN(MAX(rows, 0), DOC_TABLE_CELLS_MAX / MAX(it->table->cols, 1));
    it->table->overflown = it->table->rows < rows || it->table->cols < cols;
    return it->table;
}

static struct doc_picture *make_picture(struct document *d, int page_no, const uint8_t *png, size_t png_bytes)
{
    struct doc_picture *p = xnew(struct doc_picture);
    if (!png || png_bytes == 0)
        return p;
    p->png = try_malloc(png_bytes);
    if (!p->png) {
        document_add_error(d, page_no, ERR_MEMORY, "no memory for a picture");
        return p;
    }
    memcpy(p->png, png, png_bytes);
    p->png_bytes = png_bytes;
    return p;
}

static void set_picture_size(struct doc_picture *p, int width_px, int height_px, float dpi)
{
    p->width_px = MAX(width_px, 0);
    p->height_px = MAX(height_px, 0);
    p->dpi = isfinite(dpi) && dpi > 0 ? dpi : 72.0f;
}

void document_set_picture(struct document *d, int index, const uint8_t *png, size_t png_bytes, int width_px,
                          int height_px, float dpi)
{
    const struct doc_item *it = document_item(d, index);
    struct doc_picture *p = make_picture(d, it->prov_count ? it->prov[0].page_no : 0, png, png_bytes);
    set_picture_size(p, width_px, height_px, dpi);
    picture_free(document_item(d, index)->picture);
    document_item(d, index)->picture = p;
}

static struct doc_page *find_page(const struct document *d, int page_no)
{
    if (d->page_count == 0 || page_no <= 0)
        return NULL;
    /* Pages come in order and nearly always without a gap. */
    long long guess = (long long)page_no - d->pages[0].page_no;
    if (guess >= 0 && guess < (long long)d->page_count && d->pages[guess].page_no == page_no)
        return &d->pages[guess];
    for (size_t i = 0; i < d->page_count; i++) {
        if (d->pages[i].page_no == page_no)
            return &d->pages[i];
    }
    return NULL;
}

const struct doc_page *document_find_page(const struct document *d, int page_no)
{
    return find_page(d, page_no);
}

struct doc_page *document_add_page(struct document *d, int page_no, float width_pt, float height_pt)
{
    assert(page_no > 0);
    struct doc_page *p = find_page(d, page_no);
    if (!p) {
        p = VEC_PUSH(d->pages, d->page_count, d->page_cap);
        p->page_no = page_no;
        p->parse_score = p->layout_score = p->table_score = p->ocr_score = -1.0f;
    }
    p->width_pt = MAX(finite_or_zero(width_pt), 0.0f);
    p->height_pt = MAX(finite_or_zero(height_pt), 0.0f);
    return p;
}

void document_set_page_image(struct document *d, int page_no, const uint8_t *png, size_t png_bytes,
                             int width_px, int height_px, float dpi)
{
    struct doc_page *page = find_page(d, page_no);
    assert(page);
    struct doc_picture *p = make_picture(d, page_no, png, png_bytes);
    set_picture_size(p, width_px, height_px, dpi);
    picture_free(page->image);
    page->image = p;
}

void document_add_error(struct document *d, int page_no, int kind, const char *message)
{
    struct doc_page_error *e = VEC_PUSH(d->errors, d->error_count, d->error_cap);
    e->page_no = page_no;
    e->kind = kind;
    e->message = clean(message ? message : "");
}

bool doc_label_is_furniture(enum doc_label label)
{
    return label == DOC_PAGE_HEADER || label == DOC_PAGE_FOOTER;
}

bool doc_label_is_floating(enum doc_label label)
{
    return label == DOC_TABLE || label == DOC_PICTURE || label == DOC_CODE;
}
