/* Page headers and footers are found by repetition: the same text (but for digits) at the same edge of
 * several pages. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/classify.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/text.h"

#define EDGE_SHARE 0.11f

struct candidate {
    size_t block;
    bool top;
    float y; /* distance from the edge */
    char *shape;
};

static int compare_candidates(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->top != b->top)
        return a->top ? -1 : 1;
    int c = strcmp(a->shape, b->shape);
    if (c != 0)
        return c;
    return a->block < b->block ? -1 : a->block > b->block;
}

static const struct page_size *find_page(const struct page_size *pages, size_t count, int page_no)
{
    for (size_t i = 0; i < count; i++)
        if (pages[i].page_no == page_no)
            return &pages[i];
    return NULL;
}

void classify_furniture(struct blocks *bs, const struct page_size *pages, size_t page_count,
                        float body_size_pt)
{
    struct candidate *list = NULL;
    size_t count = 0, cap = 0;
    const struct page_size *page = NULL;
    for (size_t i = 0; i < bs->count; i++) {
        struct block *b = &bs->items[i];
        if (b->kind != BLOCK_TEXT || b->line_count > 3 || strlen(b->text) > 200 ||
            b->size_pt > 1.25f * body_size_pt) /* large print is a title, however often it comes */
            continue;
        if (!page || page->page_no != b->page_no)
            page = find_page(pages, page_count, b->page_no);
        if (!page)
            continue;
        bool top = b->box.bottom < EDGE_SHARE * page->height_pt;
        if (!top && b->box.top < (1 - EDGE_SHARE) * page->height_pt)
            continue;
        if (text_is_page_number(b->text) && b->gap_above_pt + b->gap_below_pt > b->size_pt) {
            b->kind = top ? BLOCK_PAGE_HEADER : BLOCK_PAGE_FOOTER;
            continue;
        }
        struct candidate *c = VEC_PUSH(list, count, cap);
        *c = (struct candidate){i, top, top ? b->box.top : page->height_pt - b->box.bottom,
                                text_shape(b->text)};
    }
    if (count > 1)
        qsort(list, count, sizeof(*list), compare_candidates);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1, other_pages = 0;
        while (end < count && list[end].top == list[i].top && strcmp(list[end].shape, list[i].shape) == 0) {
            other_pages += bs->items[list[end].block].page_no != bs->items[list[end - 1].block].page_no &&
                           fabsf(list[end].y - list[i].y) < 20;
            end++;
        }
        for (size_t k = i; k < end && other_pages > 0; k++)
            bs->items[list[k].block].kind = list[k].top ? BLOCK_PAGE_HEADER : BLOCK_PAGE_FOOTER;
        i = end;
    }
    for (size_t i = 0; i < count; i++)
        free(list[i].shape);
    free(list);
}
