/*
 * HTML, part by part as docling-core's HTMLDocSerializer writes it in one column. Everything from the
 * document is escaped; there is no script, and a link with an active scheme loses its target.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/export/embed.h"
#include "worker/export/walk.h"

static const char
    head[] = "<style>\n"
             "html { background-color: #f5f5f5; font-family: Arial, sans-serif; line-height: 1.6; }\n"
             "body { max-width: 800px; margin: 0 auto; padding: 2rem; background-color: white; }\n"
             "h1, h2, h3, h4, h5, h6 { color: #333; margin-top: 1.5em; margin-bottom: 0.5em; }\n"
             "table { border-collapse: collapse; margin: 1em 0; width: 100%; }\n"
             "th, td { border: 1px solid #ddd; padding: 8px; text-align: left; }\n"
             "th { background-color: #f2f2f2; font-weight: bold; }\n"
             "figure { margin: 1.5em 0; text-align: center; }\n"
             "figcaption, caption { color: #666; font-style: italic; }\n"
             "img { max-width: 100%; height: auto; }\n"
             "pre { background-color: #f6f8fa; padding: 1em; overflow: auto; }\n"
             ".formula-not-decoded { text-align: center; font-style: italic; }\n"
             "</style>";

static void put_escaped(struct walk *w, const char *s, bool quotes)
{
    export_put_escaped(w->b, s, strlen(s), quotes);
}

/* Escaped, with newlines as <br>. */
static void put_lines(struct walk *w, const char *s)
{
    for (;;) {
        size_t len = strcspn(s, "\n");
        export_put_escaped(w->b, s, len, false);
        if (!s[len])
            return;
        buf_puts(w->b, "<br>");
        s += len + 1;
    }
}

static void open_format(struct walk *w, const struct doc_item *it)
{
    const struct doc_format *f = &it->format;
    if (it->hyperlink && export_link_is_safe(it->hyperlink)) {
        buf_puts(w->b, "<a href=\"");
        put_escaped(w, it->hyperlink, true);
        buf_puts(w->b, "\">");
    }
    buf_puts(w->b, f->subscript ? "<sub>" : f->superscript ? "<sup>" : "");
    buf_puts(w->b, f->strikethrough ? "<del>" : "");
    buf_puts(w->b, f->underline ? "<u>" : "");
    buf_puts(w->b, f->italic ? "<em>" : "");
    buf_puts(w->b, f->bold ? "<strong>" : "");
}

static void close_format(struct walk *w, const struct doc_item *it)
{
    const struct doc_format *f = &it->format;
    buf_puts(w->b, f->bold ? "</strong>" : "");
    buf_puts(w->b, f->italic ? "</em>" : "");
    buf_puts(w->b, f->underline ? "</u>" : "");
    buf_puts(w->b, f->strikethrough ? "</del>" : "");
    buf_puts(w->b, f->subscript ? "</sub>" : f->superscript ? "</sup>" : "");
    if (it->hyperlink && export_link_is_safe(it->hyperlink))
        buf_puts(w->b, "</a>");
}

static void put_inline(struct walk *w, int index, int list_level)
{
    size_t start = w->b->len;
    buf_puts(w->b, "<span class='inline-group'>");
    size_t mark = w->b->len;
    struct walk_scope runs = {.delim = " ", .list_level = list_level, .inline_run = true};
    walk_children(w, index, &runs);
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_puts(w->b, "</span>");
}

/* Text between tags (NULL: none), or nothing when there is no text. */
static void put_element(struct walk *w, int index, const char *tag, const char *before,
                        const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    int runs = walk_inline_text(w->d, index);
    if (runs < 0 && !it->text[0] && !before[0])
        return;
    if (tag)
        buf_printf(w->b, "<%s>", tag);
    buf_puts(w->b, before);
    if (runs >= 0) {
        put_inline(w, runs, s->list_level);
    } else {
        open_format(w, it);
        put_lines(w, it->text);
        close_format(w, it);
    }
    if (tag)
        buf_printf(w->b, "</%s>", tag);
}

static void put_captions(struct walk *w, const struct doc_item *it, const char *tag)
{
    bool any = false;
    for (size_t i = 0; i < it->child_count; i++) {
        int child = it->children[i];
        const struct doc_item *caption = &w->d->items[child];
        if (!walk_is_caption(w->d, child))
            continue;
        if (any)
            buf_putc(w->b, ' ');
        else
            buf_printf(w->b, "<%s>", tag);
        any = true;
        buf_printf(w->b, "<div class=\"caption\"%s>",
                   export_text_is_rtl(caption->text) ? " dir=\"rtl\"" : "");
        put_escaped(w, caption->text, true);
        if (caption->text[0] && caption->child_count)
            buf_putc(w->b, ' ');
        struct walk_scope runs = {.delim = " ", .inline_run = true};
        walk_children(w, child, &runs);
        buf_puts(w->b, "</div>");
    }
    if (any)
        buf_printf(w->b, "</%s>", tag);
}

/* The marker inside a quoted CSS string inside a quoted attribute. */
static void put_marker_style(struct walk *w, const char *marker)
{
    buf_puts(w->b, " style=\"list-style-type: '");
    for (; *marker; marker++) {
        if (*marker == '\\' || *marker == '\'')
            buf_printf(w->b, "\\%c", (int)*marker);
        else if (*marker == '"')
            buf_puts(w->b, "&quot;");
        else
            export_put_escaped(w->b, marker, 1, false);
    }
    buf_puts(w->b, " ';\"");
}

static void put_list_item(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    const char *marker = walk_marker(it);
    size_t start = w->b->len;
    int runs = walk_inline_text(w->d, index);
    buf_puts(w->b, "<li");
    if (marker[0])
        put_marker_style(w, marker);
    buf_putc(w->b, '>');
    size_t mark = w->b->len;
    if (runs >= 0) {
        buf_putc(w->b, '\n');
        put_inline(w, runs, s->list_level);
        buf_putc(w->b, '\n');
    } else {
        size_t children = w->b->len;
        if (it->child_count)
            buf_putc(w->b, '\n');
        if (it->text[0]) {
            open_format(w, it);
            put_lines(w, it->text);
            close_format(w, it);
        }
        if (it->child_count && it->text[0])
            buf_putc(w->b, '\n');
        size_t below = w->b->len;
        struct walk_scope scope = *s;
        scope.delim = "\n";
        walk_children(w, index, &scope);
        if (w->b->len > below)
            buf_putc(w->b, '\n');
        else if (it->child_count && it->text[0])
            buf_trim(w->b, 1);
        else if (it->child_count)
            buf_trim(w->b, w->b->len - children);
    }
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_puts(w->b, "</li>");
}

static void put_list(struct walk *w, int index, const struct walk_scope *s)
{
    walk_put_list(w, index, s, walk_list_is_ordered(w->d, index) ? "ol" : "ul", "\n");
}

static void put_cell(struct buf *b, const struct doc_cell *cell)
{
    static const struct doc_cell empty = {.row_span = 1, .col_span = 1};
    const char *text = "", *tag = "td";
    size_t len = 0;
    if (cell)
        len = export_strip(cell->text, &text);
    else
        cell = &empty;
    if (cell->column_header || cell->row_header || cell->row_section)
        tag = "th";
    buf_printf(b, "<%s", tag);
    if (cell->row_span > 1)
        buf_printf(b, " rowspan=\"%d\"", cell->row_span);
    if (cell->col_span > 1)
        buf_printf(b, " colspan=\"%d\"", cell->col_span);
    if (len && export_text_is_rtl(text))
        buf_puts(b, " dir=\"rtl\"");
    buf_putc(b, '>');
    export_put_escaped(b, text, len, true);
    buf_printf(b, "</%s>", tag);
}

static void put_table(struct walk *w, int index)
{
    const struct doc_item *it = &w->d->items[index];
    const struct doc_table *t = it->table;
    size_t start = w->b->len;
    buf_puts(w->b, "<table>");
    size_t mark = w->b->len;
    put_captions(w, it, "caption");
    if (t && t->rows > 0) {
        int *grid = doc_table_make_grid(t);
        if (!grid && t->cols > 0)
            w->b->overflown = true;
        buf_puts(w->b, "<tbody>");
        for (int r = 0; r < t->rows && !w->b->overflown; r++) {
            buf_puts(w->b, "<tr>");
            for (int c = 0; c < t->cols && !w->b->overflown; c++) {
                int i = grid ? grid[(size_t)r * (size_t)t->cols + (size_t)c] : -1;
                if (i < 0)
                    put_cell(w->b, NULL);
                else if (t->cells[i].row == r && t->cells[i].col == c)
                    put_cell(w->b, &t->cells[i]);
            }
            buf_puts(w->b, "</tr>");
        }
        buf_puts(w->b, "</tbody>");
        free(grid);
    }
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_puts(w->b, "</table>");
}

static void put_picture(struct walk *w, int index)
{
    const struct doc_item *it = &w->d->items[index];
    const struct doc_picture *p = it->picture;
    size_t start = w->b->len;
    buf_puts(w->b, "<figure>");
    size_t mark = w->b->len;
    put_captions(w, it, "figcaption");
    if (p && p->png && w->o->images != EXPORT_IMAGES_PLACEHOLDER) {
        buf_puts(w->b, "<img src=\"");
        if (w->o->images == EXPORT_IMAGES_EMBEDDED)
            export_put_data_uri(w->b, p);
        else
            export_put_picture_path(w->b, w->o, w->picture_numbers[index]);
        buf_puts(w->b, "\">");
    }
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_puts(w->b, "</figure>");
}

static void put_code_or_formula(struct walk *w, const struct doc_item *it, const struct walk_scope *s)
{
    bool code = it->label == DOC_CODE;
    if (!code && !it->text[0]) {
        const char *tag = s->inline_run ? "span" : "div";
        buf_printf(w->b, "<%s class=\"formula-not-decoded\">Formula not decoded</%s>", tag, tag);
        return;
    }
    open_format(w, it);
    buf_puts(w->b, s->inline_run ? "<code>" : code ? "<pre><code>" : "<pre>");
    put_escaped(w, it->text, false);
    buf_puts(w->b, s->inline_run ? "</code>" : code ? "</code></pre>" : "</pre>");
    close_format(w, it);
}

static void put_part(struct walk *w, int index, const struct walk_scope *s)
{
    static const char *const headings[] = {"h1", "h2", "h3", "h4", "h5", "h6"};
    const struct doc_item *it = &w->d->items[index];
    const char *paragraph = s->inline_run ? NULL : "p";
    switch (it->label) {
    case DOC_GROUP_LIST: put_list(w, index, s); break;
    case DOC_GROUP_INLINE: put_inline(w, index, s->list_level); break;
    case DOC_TITLE: put_element(w, index, headings[0], "", s); break;
    case DOC_SECTION_HEADER: put_element(w, index, headings[MIN(MAX(it->level, 1), 5)], "", s); break;
    case DOC_LIST_ITEM: put_list_item(w, index, s); break;
    case DOC_TABLE: put_table(w, index); break;
    case DOC_PICTURE: put_picture(w, index); break;
    case DOC_CODE:
        put_code_or_formula(w, it, s);
        put_captions(w, it, "div");
        break;
    case DOC_FORMULA: put_code_or_formula(w, it, s); break;
    case DOC_CHECKBOX_SELECTED:
        put_element(w, index, paragraph, "<input type=\"checkbox\" disabled checked> ", s);
        break;
    case DOC_CHECKBOX_UNSELECTED:
        put_element(w, index, paragraph, "<input type=\"checkbox\" disabled> ", s);
        break;
    default: put_element(w, index, paragraph, "", s); break;
    }
}

void export_html(const struct document *d, const struct export_options *o, struct buf *b)
{
    struct walk w = {.d = d, .o = o, .b = b, .part = put_part, .list_items_own = true};
    buf_puts(b, "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"UTF-8\"/>\n<title>");
    put_escaped(&w, d->name[0] ? d->name : "Document", true);
    buf_puts(b, "</title>\n<meta name=\"generator\" content=\"platen\"/>\n");
    buf_puts(b, head);
    buf_puts(b, "\n</head>\n<body>\n<div class='page'>\n");
    walk_document(&w, "\n");
    buf_puts(b, "\n</div>\n</body>\n</html>");
}
