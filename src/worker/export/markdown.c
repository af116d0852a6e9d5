/*
 * Markdown, and plain text as the same walk with less decoration, part by part as docling-core's
 * MarkdownDocSerializer and PlainTextDocSerializer write them. Where this differs on purpose is listed in the
 * README of this folder.
 */
#include "worker/export/markdown.h"

#include <string.h>

#include "worker/export/embed.h"
#include "worker/export/walk.h"

#define INDENT 4

struct markdown {
    struct walk w; /* first: the walk's callbacks cast back */
    bool plain;
};

static const struct markdown *of(const struct walk *w)
{
    return (const struct markdown *)(const void *)w;
}

static void open_format(struct walk *w, const struct doc_item *it)
{
    if (of(w)->plain)
        return;
    if (it->hyperlink && export_link_is_safe(it->hyperlink))
        buf_putc(w->b, '[');
    if (it->format.strikethrough)
        buf_puts(w->b, "~~");
    if (it->format.italic)
        buf_putc(w->b, '*');
    if (it->format.bold)
        buf_puts(w->b, "**");
}

static void close_format(struct walk *w, const struct doc_item *it)
{
    if (of(w)->plain)
        return;
    if (it->format.bold)
        buf_puts(w->b, "**");
    if (it->format.italic)
        buf_putc(w->b, '*');
    if (it->format.strikethrough)
        buf_puts(w->b, "~~");
    if (it->hyperlink && export_link_is_safe(it->hyperlink)) {
        buf_puts(w->b, "](");
        markdown_put_destination(w->b, it->hyperlink);
        buf_putc(w->b, ')');
    }
}

static void put_text(struct walk *w, const char *text, unsigned flags)
{
    markdown_put_text(w->b, text, of(w)->plain ? 0 : flags | MD_ESCAPE);
}

static void put_inline(struct walk *w, int index, int list_level)
{
    struct walk_scope runs = {.delim = " ", .list_level = list_level, .inline_run = true};
    walk_children(w, index, &runs);
}

/* The item's text, or the runs that stand for it; returns false when there is neither. */
static bool put_body(struct walk *w, int index, unsigned flags, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    int runs = walk_inline_text(w->d, index);
    size_t start = w->b->len;
    if (runs >= 0)
        put_inline(w, runs, s->list_level);
    else
        put_text(w, it->text, flags);
    return w->b->len > start;
}

static void put_formatted(struct walk *w, int index, const char *before, unsigned flags,
                          const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    bool own = walk_inline_text(w->d, index) < 0;
    size_t start = w->b->len;
    if (own)
        open_format(w, it);
    buf_puts(w->b, before);
    bool any = put_body(w, index, flags, s);
    if (!any && !before[0]) {
        buf_trim(w->b, w->b->len - start); /* no bare ** ** */
        return;
    }
    if (own)
        close_format(w, it);
}

static void put_heading(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    size_t start = w->b->len;
    if (!of(w)->plain) {
        int hashes = it->label == DOC_TITLE ? 1 : MIN(MAX(it->level, 1) + 1, 6);
        buf_append(w->b, "######", (size_t)hashes);
        buf_putc(w->b, ' ');
    }
    size_t mark = w->b->len;
    put_formatted(w, index, "", MD_ONE_LINE, s);
    if (w->b->len == mark)
        buf_trim(w->b, w->b->len - start);
}

static void put_list_item(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    const char *marker = walk_marker(it);
    bool valid = markdown_marker_is_valid(marker);
    if (!valid) {
        bool in_list = it->parent != DOC_BODY && w->d->items[it->parent].label == DOC_GROUP_LIST;
        if (!marker[0] && in_list && walk_list_is_ordered(w->d, it->parent))
            buf_printf(w->b, "%zu. ", walk_position(w->d, index));
        else
            buf_puts(w->b, "- ");
    }
    if (valid || markdown_marker_speaks(marker)) {
        put_text(w, marker, 0);
        buf_putc(w->b, ' ');
    }
    put_formatted(w, index, "", MD_BREAKS, s);
}

/* The captions below the item in one line; returns whether there were any. */
static bool put_captions(struct walk *w, const struct doc_item *it)
{
    bool any = false;
    for (size_t i = 0; i < it->child_count; i++) {
        int child = it->children[i];
        if (!walk_is_caption(w->d, child))
            continue;
        size_t start = w->b->len;
        if (any)
            buf_putc(w->b, ' ');
        size_t mark = w->b->len;
        put_text(w, w->d->items[child].text, 0);
        size_t before_runs = w->b->len;
        if (before_runs > mark && w->d->items[child].child_count)
            buf_putc(w->b, ' ');
        size_t runs = w->b->len;
        struct walk_scope scope = {.delim = " ", .inline_run = true};
        walk_children(w, child, &scope);
        if (w->b->len == runs)
            buf_trim(w->b, runs - before_runs);
        if (w->b->len == mark)
            buf_trim(w->b, mark - start);
        else
            any = true;
    }
    return any;
}

static void put_code(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    const char *delim = s->inline_run ? " " : "\n\n";
    size_t start = w->b->len;
    open_format(w, it);
    size_t mark = w->b->len;
    if (of(w)->plain)
        buf_puts(w->b, it->text);
    else
        markdown_put_code(w->b, it->text, s->inline_run || it->hyperlink);
    size_t end = w->b->len;
    if (end > mark)
        buf_puts(w->b, delim);
    size_t caption = w->b->len;
    if (!put_captions(w, it))
        buf_trim(w->b, caption - end);
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        close_format(w, it);
}

static void put_formula(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    if (!it->text[0]) {
        if (it->orig && it->orig[0])
            buf_puts(w->b, "<!-- formula-not-decoded -->");
        return;
    }
    const char *fence = s->inline_run ? "$" : "$$";
    open_format(w, it);
    buf_puts(w->b, fence);
    buf_puts(w->b, it->text);
    buf_puts(w->b, fence);
    close_format(w, it);
}

static void put_picture(struct walk *w, int index)
{
    const struct doc_item *it = &w->d->items[index];
    const struct doc_picture *p = it->picture;
    bool caption = put_captions(w, it);
    if (of(w)->plain)
        return;
    if (caption)
        buf_puts(w->b, "\n\n");
    if (!p || !p->png || w->o->images == EXPORT_IMAGES_PLACEHOLDER) {
        buf_puts(w->b, "<!-- image -->");
    } else {
        buf_puts(w->b, "![Image](");
        if (w->o->images == EXPORT_IMAGES_EMBEDDED)
            export_put_data_uri(w->b, p);
        else
            export_put_picture_path(w->b, w->o, w->picture_numbers[index]);
        buf_putc(w->b, ')');
    }
}

static void put_table(struct walk *w, int index)
{
    const struct doc_item *it = &w->d->items[index];
    size_t start = w->b->len;
    bool caption = put_captions(w, it);
    if (caption)
        buf_puts(w->b, "\n\n");
    size_t mark = w->b->len;
    markdown_put_table(w->b, it->table, w->o->compact_tables);
    if (w->b->len == mark && caption)
        buf_trim(w->b, 2);
    else if (w->b->len == mark)
        buf_trim(w->b, mark - start);
}

static void put_part(struct walk *w, int index, const struct walk_scope *s)
{
    const struct doc_item *it = &w->d->items[index];
    if (it->label == DOC_GROUP_LIST) {
        /* Its items indent themselves. */
        struct walk_scope items = {.delim = "\n", .list_level = s->list_level + 1, .in_list = true};
        walk_children(w, index, &items);
        return;
    }
    size_t start = w->b->len;
    bool glued = s->in_list && it->label == DOC_GROUP_INLINE;
    for (int i = 1; s->in_list && !glued && i < s->list_level; i++)
        buf_append(w->b, "    ", INDENT);
    size_t mark = w->b->len;
    switch (it->label) {
    case DOC_GROUP_INLINE: put_inline(w, index, s->list_level); break;
    case DOC_TITLE:
    case DOC_SECTION_HEADER: put_heading(w, index, s); break;
    case DOC_LIST_ITEM: put_list_item(w, index, s); break;
    case DOC_CODE: put_code(w, index, s); break;
    case DOC_FORMULA: put_formula(w, index, s); break;
    case DOC_TABLE: put_table(w, index); break;
    case DOC_PICTURE: put_picture(w, index); break;
    case DOC_CHECKBOX_SELECTED: put_formatted(w, index, "- [x] ", MD_BREAKS, s); break;
    case DOC_CHECKBOX_UNSELECTED: put_formatted(w, index, "- [ ] ", MD_BREAKS, s); break;
    default: put_formatted(w, index, "", MD_BREAKS, s); break;
    }
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
}

void markdown_export(const struct document *d, const struct export_options *o, struct buf *b, bool plain)
{
    const char *page_break = !plain && o && o->page_break && *o->page_break ? o->page_break : NULL;
    struct markdown m = {
        .w = {.d = d, .o = o, .b = b, .part = put_part, .glue_inline = true, .page_break = page_break},
        .plain = plain};
    walk_document(&m.w, "\n\n");
}

void export_markdown(const struct document *d, const struct export_options *o, struct buf *b)
{
    markdown_export(d, o, b, false);
}
