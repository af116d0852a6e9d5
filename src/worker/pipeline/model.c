/* Life and death of the pipeline's page and block records. */
#include "worker/pipeline/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void line_done(struct line *l)
{
    free(l->text);
    free(l->words);
    *l = (struct line){0};
}

void lines_done(struct lines *ls)
{
    for (size_t i = 0; i < ls->count; i++)
        line_done(&ls->items[i]);
    free(ls->items);
    *ls = (struct lines){0};
}

struct line *lines_push(struct lines *ls)
{
    return VEC_PUSH(ls->items, ls->count, ls->cap);
}

void line_split_words(struct line *l)
{
    const char *s = l->text;
    size_t len = strlen(s), chars = utf8_count(s, len), at = 0, i = 0;
    float step = chars > 0 ? (l->box.right - l->box.left) / (float)chars : 0.0f;
    l->word_count = 0;
    while (i < len) {
        if (s[i] == ' ') {
            i++;
            at++;
            continue;
        }
        size_t end = i;
        while (end < len && s[end] != ' ')
            end++;
        size_t n = utf8_count(s + i, end - i);
        struct word *w = VEC_PUSH(l->words, l->word_count, l->word_cap);
        w->offset = (uint32_t)i;
        w->len = (uint32_t)(end - i);
        w->box = l->box;
        w->box.left = l->box.left + step * (float)at;
        w->box.right = l->box.left + step * (float)(at + n);
        at += n;
        i = end;
    }
}

void grid_done(struct grid *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->cells[i].text);
    free(g->cells);
    *g = (struct grid){0};
}

void grids_done(struct grids *gs)
{
    for (size_t i = 0; i < gs->count; i++)
        grid_done(&gs->items[i]);
    free(gs->items);
    *gs = (struct grids){0};
}

void figures_done(struct figures *fs)
{
    for (size_t i = 0; i < fs->count; i++)
        free(fs->items[i].png);
    free(fs->items);
    *fs = (struct figures){0};
}

static void links_done(struct links *ls)
{
    for (size_t i = 0; i < ls->count; i++)
        free(ls->items[i].uri);
    free(ls->items);
    *ls = (struct links){0};
}

void page_init(struct page *p, int page_no, float width_pt, float height_pt)
{
    *p = (struct page){.page_no = page_no,
                       .width_pt = width_pt,
                       .height_pt = height_pt,
                       .parse_score = -1,
                       .layout_score = -1,
                       .table_score = -1,
                       .ocr_score = -1};
}

void page_done(struct page *p)
{
    lines_done(&p->lines);
    free(p->regions.items);
    free(p->rules);
    grids_done(&p->tables);
    figures_done(&p->figures);
    links_done(&p->links);
    if (p->image)
        free(p->image->png);
    free(p->image);
    *p = (struct page){0};
}

void block_done(struct block *b)
{
    free(b->text);
    free(b->marker);
    free(b->link);
    grid_done(&b->table);
    free(b->figure.png);
    *b = (struct block){0};
}

void blocks_done(struct blocks *bs)
{
    for (size_t i = 0; i < bs->count; i++)
        block_done(&bs->items[i]);
    free(bs->items);
    *bs = (struct blocks){0};
}

struct block *blocks_push(struct blocks *bs)
{
    struct block *b = VEC_PUSH(bs->items, bs->count, bs->cap);
    b->hint = -1;
    b->caption_of = -1;
    return b;
}
