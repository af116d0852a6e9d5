/* See walk.h. Recursion is bounded by DOC_DEPTH_MAX, which the document keeps. */
#include "worker/export/walk.h"

#include "base/mem.h"

static const struct export_options no_options = {0};

bool walk_is_caption(const struct document *d, int index)
{
    const struct doc_item *it = &d->items[index];
    return it->label == DOC_CAPTION && it->parent != DOC_BODY &&
           doc_label_is_floating(d->items[it->parent].label);
}

int walk_inline_text(const struct document *d, int index)
{
    const struct doc_item *it = &d->items[index];
    if (it->text[0] || it->child_count != 1 || d->items[it->children[0]].label != DOC_GROUP_INLINE)
        return -1;
    return it->children[0];
}

bool walk_list_is_ordered(const struct document *d, int index)
{
    const struct doc_item *it = &d->items[index];
    if (it->child_count == 0)
        return false;
    const struct doc_item *first = &d->items[it->children[0]];
    return first->label == DOC_LIST_ITEM && first->enumerated;
}

size_t walk_position(const struct document *d, int index)
{
    int parent = d->items[index].parent;
    const int *siblings = parent == DOC_BODY ? d->body : d->items[parent].children;
    size_t count = parent == DOC_BODY ? d->body_count : d->items[parent].child_count;
    /* Children are appended, so their indexes rise. */
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (siblings[mid] < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low + 1;
}

const char *walk_marker(const struct doc_item *it)
{
    if (it->marker)
        return it->marker;
    return it->enumerated ? "" : "-";
}

static bool is_group(enum doc_label label)
{
    return label == DOC_GROUP_LIST || label == DOC_GROUP_INLINE || label == DOC_GROUP_SECTION;
}

/* The page on which an item begins, as far as this walk shows the item; 0: none. */
static int item_page(const struct walk *w, const struct doc_item *it)
{
    if (is_group(it->label) || it->prov_count == 0 || (!w->furniture && doc_label_is_furniture(it->label)))
        return 0;
    return document_find_page(w->d, it->prov[0].page_no) ? it->prov[0].page_no : 0;
}

static void put_break(struct walk *w, const struct walk_scope *s)
{
    if (!w->page_break)
        return;
    if (w->any)
        buf_puts(w->b, s->delim);
    buf_puts(w->b, w->page_break);
    w->any = true;
}

static void note_page(struct walk *w, int page, const struct walk_scope *s)
{
    if (page <= w->page)
        return;
    if (w->page && !w->broke_early)
        put_break(w, s);
    w->broke_early = false;
    w->page = page;
}

static int first_page_below(const struct walk *w, const struct doc_item *it)
{
    for (size_t i = 0; i < it->child_count; i++) {
        const struct doc_item *child = &w->d->items[it->children[i]];
        int page = item_page(w, child);
        if (!page)
            page = first_page_below(w, child);
        if (page)
            return page;
    }
    return 0;
}

/* What a part took with it still says where the document is. */
static void note_pages_below(struct walk *w, const struct doc_item *it, const struct walk_scope *s)
{
    for (size_t i = 0; i < it->child_count; i++) {
        const struct doc_item *child = &w->d->items[it->children[i]];
        if (it->label == DOC_PICTURE && child->label != DOC_CAPTION)
            continue;
        note_page(w, item_page(w, child), s);
        note_pages_below(w, child, s);
    }
}

static void put(struct walk *w, int index, const struct walk_scope *s, bool *any)
{
    size_t start = w->b->len;
    bool glued = w->glue_inline && s->in_list && w->d->items[index].label == DOC_GROUP_INLINE;
    if (*any && !glued)
        buf_puts(w->b, s->delim);
    size_t mark = w->b->len;
    w->part(w, index, s);
    if (w->b->len > mark)
        *any = true;
    else
        buf_trim(w->b, w->b->len - start);
}

static void visit(struct walk *w, int index, const struct walk_scope *s, bool root, bool *any);

static void visit_children(struct walk *w, const struct doc_item *it, const struct walk_scope *s, bool root,
                           bool *any)
{
    for (size_t i = 0; i < it->child_count && !w->b->overflown; i++)
        visit(w, it->children[i], s, root, any);
}

static void visit(struct walk *w, int index, const struct walk_scope *s, bool root, bool *any)
{
    const struct doc_item *it = &w->d->items[index];
    if (it->label == DOC_GROUP_SECTION || (!w->furniture && doc_label_is_furniture(it->label))) {
        visit_children(w, it, s, root, any);
        return;
    }
    if (root && is_group(it->label)) {
        int page = first_page_below(w, it);
        if (w->page && page > w->page) {
            put_break(w, s);
            w->broke_early = true;
        }
    } else if (root) {
        note_page(w, item_page(w, it), s);
    }
    bool caption = walk_is_caption(w->d, index);
    if (!caption)
        put(w, index, s, any);
    bool takes_all = caption || is_group(it->label) || it->label == DOC_PICTURE ||
                     walk_inline_text(w->d, index) >= 0 || (w->list_items_own && it->label == DOC_LIST_ITEM);
    if (!takes_all)
        visit_children(w, it, s, root, any);
    else if (root)
        note_pages_below(w, it, s);
}

void walk_children(struct walk *w, int index, const struct walk_scope *s)
{
    bool any = false;
    visit_children(w, &w->d->items[index], s, false, &any);
}

void walk_document(struct walk *w, const char *delim)
{
    if (!w->o)
        w->o = &no_options;
    size_t *numbers = w->d->item_count ? try_calloc(w->d->item_count, sizeof(*numbers)) : NULL;
    if (w->d->item_count && !numbers) {
        w->b->overflown = true;
        return;
    }
    for (size_t i = 0, n = 0; i < w->d->item_count; i++)
        numbers[i] = w->d->items[i].label == DOC_PICTURE ? n++ : n;
    w->picture_numbers = numbers;
    struct walk_scope root = {.delim = delim};
    for (size_t i = 0; i < w->d->body_count && !w->b->overflown; i++)
        visit(w, w->d->body[i], &root, true, &w->any);
    w->picture_numbers = NULL;
    free(numbers);
}

void walk_put_list(struct walk *w, int index, const struct walk_scope *s, const char *tag,
                   const char *after_open)
{
    size_t start = w->b->len;
    buf_printf(w->b, "<%s>%s", tag, after_open);
    size_t mark = w->b->len;
    struct walk_scope items = {.delim = "\n", .list_level = s->list_level + 1, .in_list = true};
    walk_children(w, index, &items);
    if (w->b->len == mark)
        buf_trim(w->b, mark - start);
    else
        buf_printf(w->b, "\n</%s>", tag);
}
