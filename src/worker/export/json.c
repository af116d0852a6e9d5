/*
 * The document as a DoclingDocument (docling-core's schema), written as it goes. Version 1.5.0 is the lowest
 * that has what is used here, so that clients with an older docling-core accept it too; newer ones raise it
 * while they read. Only fields of that version are written: docling-core forbids others.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/export/embed.h"
#include "worker/export/walk.h"

enum kind { KIND_TEXTS, KIND_GROUPS, KIND_TABLES, KIND_PICTURES, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {"texts", "groups", "tables", "pictures"};

struct json {
    const struct document *d;
    const struct export_options *o;
    struct buf *b;
    size_t *numbers; /* by item: its number among the items of its kind */
};

static enum kind kind_of(enum doc_label label)
{
    switch (label) {
    case DOC_TABLE: return KIND_TABLES;
    case DOC_PICTURE: return KIND_PICTURES;
    case DOC_GROUP_LIST:
    case DOC_GROUP_INLINE:
    case DOC_GROUP_SECTION: return KIND_GROUPS;
    default: return KIND_TEXTS;
    }
}

static void put_string(struct json *j, const char *s)
{
    buf_put_json(j->b, s, strlen(s));
}

/* A comma before every member but the first: `*any` says whether there was one. */
static void next(struct json *j, bool *any)
{
    if (*any)
        buf_putc(j->b, ',');
    *any = true;
}

/* A coordinate: at most three decimals, no trailing zeros, whatever the locale. */
static void put_number(struct json *j, double v)
{
    if (!isfinite(v) || fabs(v) > 1e12)
        v = 0;
    long long milli = llrint(v * 1000);
    unsigned long long a = milli < 0 ? 0ull - (unsigned long long)milli : (unsigned long long)milli;
    buf_printf(j->b, "%s%llu.", milli < 0 ? "-" : "", a / 1000);
    unsigned rest = (unsigned)(a % 1000);
    if (rest % 100 == 0)
        buf_printf(j->b, "%u", rest / 100);
    else if (rest % 10 == 0)
        buf_printf(j->b, "%02u", rest / 10);
    else
        buf_printf(j->b, "%03u", rest);
}

static void put_ref_value(struct json *j, int index)
{
    if (index == DOC_BODY)
        buf_puts(j->b, "\"#/body\"");
    else
        buf_printf(j->b, "\"#/%s/%zu\"", kind_names[kind_of(j->d->items[index].label)], j->numbers[index]);
}

static void put_ref(struct json *j, int index)
{
    buf_puts(j->b, "{\"$ref\":");
    put_ref_value(j, index);
    buf_putc(j->b, '}');
}

static void put_refs(struct json *j, const int *items, size_t count, bool captions_only)
{
    bool any = false;
    buf_putc(j->b, '[');
    for (size_t i = 0; i < count && !j->b->overflown; i++) {
        if (captions_only && !walk_is_caption(j->d, items[i]))
            continue;
        next(j, &any);
        put_ref(j, items[i]);
    }
    buf_putc(j->b, ']');
}

static void put_node(struct json *j, int index, const char *label)
{
    const struct doc_item *it = &j->d->items[index];
    buf_puts(j->b, "{\"self_ref\":");
    put_ref_value(j, index);
    buf_puts(j->b, ",\"parent\":");
    put_ref(j, it->parent);
    buf_puts(j->b, ",\"children\":");
    put_refs(j, it->children, it->child_count, false);
    buf_printf(j->b, ",\"content_layer\":\"%s\",\"label\":\"%s\"",
               doc_label_is_furniture(it->label) ? "furniture" : "body", label);
}

static void put_box(struct json *j, const struct export_rect *r, const struct doc_page *page,
                    bool bottom_left)
{
    /* Both origins are stated to a thousandth, so the flip must start from the height as it is written. */
    double height = rint((double)page->height_pt * 1000) / 1000;
    buf_puts(j->b, "{\"l\":");
    put_number(j, r->left);
    buf_puts(j->b, ",\"t\":");
    put_number(j, bottom_left ? height - r->top : r->top);
    buf_puts(j->b, ",\"r\":");
    put_number(j, r->right);
    buf_puts(j->b, ",\"b\":");
    put_number(j, bottom_left ? height - r->bottom : r->bottom);
    buf_printf(j->b, ",\"coord_origin\":\"%s\"}", bottom_left ? "BOTTOMLEFT" : "TOPLEFT");
}

static void put_prov(struct json *j, const struct doc_item *it)
{
    bool any = false;
    size_t chars = utf8_count(it->text, strlen(it->text));
    buf_puts(j->b, ",\"prov\":[");
    for (size_t i = 0; i < it->prov_count; i++) {
        struct export_rect r;
        const struct doc_page *page;
        if (!export_place(j->d, it->prov[i].page_no, it->prov[i].box, &r, &page))
            continue;
        next(j, &any);
        buf_printf(j->b, "{\"page_no\":%d,\"bbox\":", it->prov[i].page_no);
        put_box(j, &r, page, true);
        buf_printf(j->b, ",\"charspan\":[0,%zu]}", chars);
    }
    buf_putc(j->b, ']');
}

static void put_picture(struct json *j, const struct doc_picture *p, size_t number)
{
    if (!p || !p->png || j->o->images == EXPORT_IMAGES_PLACEHOLDER) {
        buf_puts(j->b, "null");
        return;
    }
    buf_printf(j->b,
               "{\"mimetype\":\"image/png\",\"dpi\":%ld,\"size\":{\"width\":%d.0,\"height\":%d.0},\"uri\":",
               lrintf(p->dpi), p->width_px, p->height_px);
    buf_putc(j->b, '"');
    if (j->o->images == EXPORT_IMAGES_EMBEDDED)
        export_put_data_uri(j->b, p);
    else
        export_put_picture_path(j->b, j->o, number);
    buf_puts(j->b, "\"}");
}

static void put_floating(struct json *j, int index)
{
    const struct doc_item *it = &j->d->items[index];
    buf_puts(j->b, ",\"captions\":");
    put_refs(j, it->children, it->child_count, true);
    buf_puts(j->b, ",\"references\":[],\"footnotes\":[],\"image\":");
    put_picture(j, it->picture, j->numbers[index]);
}

static void put_text_item(struct json *j, int index)
{
    static const char *const labels[DOC_LABEL_COUNT] = {
        [DOC_TITLE] = "title",
        [DOC_SECTION_HEADER] = "section_header",
        [DOC_TEXT] = "text",
        [DOC_LIST_ITEM] = "list_item",
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
    const struct doc_item *it = &j->d->items[index];
    const struct doc_format *f = &it->format;
    put_node(j, index, labels[it->label]);
    put_prov(j, it);
    buf_puts(j->b, ",\"orig\":");
    put_string(j, it->orig ? it->orig : it->text);
    buf_puts(j->b, ",\"text\":");
    put_string(j, it->text);
    if (f->bold || f->italic || f->underline || f->strikethrough || f->superscript || f->subscript)
        buf_printf(j->b,
                   ",\"formatting\":{\"bold\":%s,\"italic\":%s,\"underline\":%s,\"strikethrough\":%s,"
                   "\"script\":\"%s\"}",
                   f->bold ? "true" : "false", f->italic ? "true" : "false", f->underline ? "true" : "false",
                   f->strikethrough ? "true" : "false",
                   f->subscript     ? "sub"
                   : f->superscript ? "super"
                                    : "baseline");
    if (it->hyperlink) {
        buf_puts(j->b, ",\"hyperlink\":");
        put_string(j, it->hyperlink);
    }
    if (it->label == DOC_SECTION_HEADER)
        buf_printf(j->b, ",\"level\":%d", MIN(MAX(it->level, 1), 100));
    if (it->label == DOC_LIST_ITEM) {
        buf_printf(j->b, ",\"enumerated\":%s,\"marker\":", it->enumerated ? "true" : "false");
        put_string(j, walk_marker(it));
    }
    if (it->label == DOC_CODE) {
        put_floating(j, index);
        buf_puts(j->b, ",\"code_language\":");
        put_string(j, export_code_language(it));
    }
    buf_putc(j->b, '}');
}

static void put_group(struct json *j, int index)
{
    const struct doc_item *it = &j->d->items[index];
    const char *label = it->label == DOC_GROUP_LIST     ? "list"
                        : it->label == DOC_GROUP_INLINE ? "inline"
                                                        : "section";
    put_node(j, index, label);
    buf_puts(j->b, ",\"name\":");
    put_string(j, it->text[0] ? it->text : it->label == DOC_GROUP_LIST ? "list" : "group");
    buf_putc(j->b, '}');
}

static void put_cell(struct json *j, const struct doc_item *it, const struct doc_cell *c)
{
    int page_no = it->prov_count ? it->prov[0].page_no : 0;
    struct export_rect r;
    const struct doc_page *page;
    buf_putc(j->b, '{');
    if (c->has_box && export_place(j->d, page_no, c->box, &r, &page)) {
        buf_puts(j->b, "\"bbox\":");
        put_box(j, &r, page, false);
        buf_putc(j->b, ',');
    }
    buf_printf(j->b,
               "\"row_span\":%d,\"col_span\":%d,\"start_row_offset_idx\":%d,\"end_row_offset_idx\":%d,"
               "\"start_col_offset_idx\":%d,\"end_col_offset_idx\":%d,\"text\":",
               c->row_span, c->col_span, c->row, c->row + c->row_span, c->col, c->col + c->col_span);
    put_string(j, c->text);
    buf_printf(j->b, ",\"column_header\":%s,\"row_header\":%s,\"row_section\":%s}",
               c->column_header ? "true" : "false", c->row_header ? "true" : "false",
               c->row_section ? "true" : "false");
}

static void put_grid(struct json *j, const struct doc_item *it, const struct doc_table *t)
{
    static char no_text[] = "";
    int *grid = doc_table_make_grid(t);
    if (!grid && t->rows > 0 && t->cols > 0)
        j->b->overflown = true;
    bool any_row = false;
    for (int r = 0; r < t->rows && !j->b->overflown; r++) {
        next(j, &any_row);
        buf_putc(j->b, '[');
        bool any = false;
        for (int c = 0; c < t->cols && !j->b->overflown; c++) {
            int i = grid[(size_t)r * (size_t)t->cols + (size_t)c];
            struct doc_cell empty = {.row = r, .col = c, .row_span = 1, .col_span = 1, .text = no_text};
            next(j, &any);
            put_cell(j, it, i < 0 ? &empty : &t->cells[i]);
        }
        buf_putc(j->b, ']');
    }
    free(grid);
}

static void put_table(struct json *j, int index)
{
    static const struct doc_table none = {0};
    const struct doc_item *it = &j->d->items[index];
    const struct doc_table *t = it->table ? it->table : &none;
    put_node(j, index, "table");
    put_prov(j, it);
    put_floating(j, index);
    buf_puts(j->b, ",\"data\":{\"table_cells\":[");
    bool any = false;
    for (size_t i = 0; i < t->cell_count && !j->b->overflown; i++) {
        next(j, &any);
        put_cell(j, it, &t->cells[i]);
    }
    buf_printf(j->b, "],\"num_rows\":%d,\"num_cols\":%d,\"grid\":[", t->rows, t->cols);
    put_grid(j, it, t);
    buf_puts(j->b, "]}}");
}

static void put_picture_item(struct json *j, int index)
{
    put_node(j, index, "picture");
    put_prov(j, &j->d->items[index]);
    put_floating(j, index);
    buf_puts(j->b, ",\"annotations\":[]}");
}

static void put_items(struct json *j, enum kind kind)
{
    bool any = false;
    buf_printf(j->b, ",\"%s\":[", kind_names[kind]);
    for (size_t i = 0; i < j->d->item_count && !j->b->overflown; i++) {
        if (kind_of(j->d->items[i].label) != kind)
            continue;
        next(j, &any);
        switch (kind) {
        case KIND_GROUPS: put_group(j, (int)i); break;
        case KIND_TABLES: put_table(j, (int)i); break;
        case KIND_PICTURES: put_picture_item(j, (int)i); break;
        default: put_text_item(j, (int)i); break;
        }
    }
    buf_putc(j->b, ']');
}

/* docling-core refuses a document of a type that Python's standard list lacks (image/webp among them), so
 * those are not named. */
static const char *mimetype(const struct document *d)
{
    static const char *const known[] = {
        "application/pdf",
        "application/rtf",
        "application/json",
        "application/xml",
        "application/zip",
        "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "image/png",
        "image/jpeg",
        "image/tiff",
        "image/bmp",
        "image/gif",
        "message/rfc822",
        "multipart/related",
        "text/html",
        "text/plain",
        "text/csv",
        "text/markdown",
        "text/asciidoc",
        "text/xml",
        "text/vtt",
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(d->mimetype, known[i]) == 0)
            return known[i];
    }
    return strcmp(d->mimetype, "application/xhtml+xml") == 0 ? "text/html" : "application/octet-stream";
}

static void put_head(struct json *j)
{
    buf_puts(j->b, "{\"schema_name\":\"DoclingDocument\",\"version\":\"1.5.0\",\"name\":");
    put_string(j, j->d->name);
    buf_printf(j->b, ",\"origin\":{\"mimetype\":\"%s\",\"binary_hash\":%llu,\"filename\":", mimetype(j->d),
               (unsigned long long)j->d->binary_hash);
    const char *slash = strrchr(j->d->filename, '/');
    put_string(j, slash ? slash + 1 : j->d->filename);
    buf_puts(
        j->b,
        "},\"furniture\":{\"self_ref\":\"#/furniture\",\"children\":[],\"content_layer\":\"furniture\","
        "\"name\":\"_root_\",\"label\":\"unspecified\"},\"body\":{\"self_ref\":\"#/body\",\"children\":");
    put_refs(j, j->d->body, j->d->body_count, false);
    buf_puts(j->b, ",\"content_layer\":\"body\",\"name\":\"_root_\",\"label\":\"unspecified\"}");
}

static void put_pages(struct json *j)
{
    bool any = false;
    buf_puts(j->b, ",\"key_value_items\":[],\"form_items\":[],\"pages\":{");
    for (size_t i = 0; i < j->d->page_count && !j->b->overflown; i++) {
        const struct doc_page *p = &j->d->pages[i];
        next(j, &any);
        buf_printf(j->b, "\"%d\":{\"size\":{\"width\":", p->page_no);
        put_number(j, (double)p->width_pt);
        buf_puts(j->b, ",\"height\":");
        put_number(j, (double)p->height_pt);
        buf_puts(j->b, "},\"image\":");
        /* Only pictures get files, so a page's picture is embedded or left out. */
        put_picture(j, j->o->images == EXPORT_IMAGES_EMBEDDED ? p->image : NULL, 0);
        buf_printf(j->b, ",\"page_no\":%d}", p->page_no);
    }
    buf_puts(j->b, "}}");
}

void export_json(const struct document *d, const struct export_options *o, struct buf *b)
{
    static const struct export_options no_options = {0};
    struct json j = {.d = d, .o = o ? o : &no_options, .b = b};
    size_t counts[KIND_COUNT] = {0};
    j.numbers = try_calloc(d->item_count + 1, sizeof(*j.numbers));
    if (!j.numbers) {
        b->overflown = true;
        return;
    }
    for (size_t i = 0; i < d->item_count; i++)
        j.numbers[i] = counts[kind_of(d->items[i].label)]++;
    put_head(&j);
    put_items(&j, KIND_GROUPS);
    put_items(&j, KIND_TEXTS);
    put_items(&j, KIND_PICTURES);
    put_items(&j, KIND_TABLES);
    put_pages(&j);
    free(j.numbers);
}
