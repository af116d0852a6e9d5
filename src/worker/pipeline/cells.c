/* Filling of table grids by position. A word belongs to the cell that holds its centre. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/tables.h"
#include "worker/pipeline/text.h"

#define CELL_MAX_BYTES (1024 * 1024)

struct grid_cell *grid_push(struct grid *g, int row, int col, int row_span, int col_span, struct doc_box box)
{
    struct grid_cell *c = VEC_PUSH(g->cells, g->count, g->cap);
    *c = (struct grid_cell){.row = row, .col = col, .row_span = row_span, .col_span = col_span, .box = box};
    return c;
}

static struct grid_cell *cell_at(struct grid *g, float x, float y)
{
    for (size_t i = 0; i < g->count; i++)
        if (box_has_point(g->cells[i].box, x, y))
            return &g->cells[i];
    return NULL;
}

static int compare_lines(const void *pa, const void *pb)
{
    const struct line *a = *(struct line *const *)pa, *b = *(struct line *const *)pb;
    float em = MIN(a->size_pt, b->size_pt);
    if (fabsf(a->baseline_pt - b->baseline_pt) > 0.4f * em)
        return a->baseline_pt < b->baseline_pt ? -1 : 1;
    return a->box.left < b->box.left ? -1 : a->box.left > b->box.left;
}

static void append_text(struct buf *b, const char *text, size_t len, bool new_line)
{
    CLEANUP(freep) char *copy = xstrndup(text, len);
    if (new_line)
        text_join_line(b, copy);
    else {
        if (b->len > 0)
            buf_putc(b, ' ');
        buf_puts(b, copy);
    }
}

size_t grid_fill(struct grid *g, struct lines *lines)
{
    struct line **in = xnew_array(struct line *, lines->count + 1);
    size_t n = 0, filled = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct line *l = &lines->items[i];
        if (!l->taken && box_overlap_area(l->box, g->box) > 0)
            in[n++] = l;
    }
    qsort(in, n, sizeof(*in), compare_lines);
    struct buf *text = xnew_array(struct buf, g->count + 1);
    for (size_t i = 0; i < g->count; i++)
        text[i] = BUF_INIT(CELL_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        struct line *l = in[i];
        size_t hit = 0;
        const struct grid_cell *prev = NULL;
        for (size_t w = 0; w < l->word_count; w++) {
            const struct word *word = &l->words[w];
            struct grid_cell *c = cell_at(g, (word->box.left + word->box.right) / 2,
                                          (word->box.top + word->box.bottom) / 2);
            if (!c)
                continue;
            hit++;
            append_text(&text[c - g->cells], l->text + word->offset, word->len, c != prev);
            prev = c;
        }
        l->taken = hit * 2 >= l->word_count && hit > 0;
    }
    for (size_t i = 0; i < g->count; i++) {
        filled += text[i].len > 0;
        free(g->cells[i].text);
        g->cells[i].text = buf_take(&text[i]);
    }
    free(text);
    free(in);
    return filled;
}

void grid_mark_header(struct grid *g)
{
    int rows = 1;
    for (size_t i = 0; i < g->count; i++) {
        const struct grid_cell *c = &g->cells[i];
        if (c->row == 0 && c->row_span < g->rows)
            rows = MAX(rows, c->row_span);
        if (c->row == 0 && c->col_span > 1 && c->col_span < g->cols && g->rows > 2)
            rows = MAX(rows, 2);
    }
    for (size_t i = 0; i < g->count && g->rows > 1; i++)
        g->cells[i].header |= g->cells[i].row < rows;
}

bool table_of_model(struct page *p, const struct ipc_grid *in, float pt_per_px, struct doc_box box)
{
    if (in->count < 2 || in->rows < 1 || in->cols < 2 || in->rows > 2000 || in->cols > 500)
        return false;
    struct grid g = {.box = box, .rows = in->rows, .cols = in->cols, .score = in->score};
    for (size_t i = 0; i < in->count; i++) {
        const struct ipc_cell *c = &in->items[i];
        struct doc_box b = {c->box.left * pt_per_px, c->box.top * pt_per_px, c->box.right * pt_per_px,
                            c->box.bottom * pt_per_px};
        struct grid_cell *cell = grid_push(&g, c->row, c->col, MAX(c->row_span, 1), MAX(c->col_span, 1), b);
        cell->header = c->header;
    }
    /* The model's boxes hug the text, not always all of it: each line goes to the cell that it overlaps most,
     * else to the nearest. */
    struct buf *text = xnew_array(struct buf, g.count);
    for (size_t i = 0; i < g.count; i++)
        text[i] = BUF_INIT(CELL_MAX_BYTES);
    struct line **lines = xnew_array(struct line *, p->lines.count + 1);
    size_t n = 0;
    for (size_t i = 0; i < p->lines.count; i++)
        if (!p->lines.items[i].taken && box_share_in(p->lines.items[i].box, box_grown(box, 2)) > 0.6f)
            lines[n++] = &p->lines.items[i];
    qsort(lines, n, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        float best_score = -1e9f;
        for (size_t k = 0; k < g.count; k++) {
            float share = box_share_in(lines[i]->box, g.cells[k].box);
            float dx = MAX(
                MAX(g.cells[k].box.left - lines[i]->box.right, lines[i]->box.left - g.cells[k].box.right),
                0.0f);
            float dy = MAX(
                MAX(g.cells[k].box.top - lines[i]->box.bottom, lines[i]->box.top - g.cells[k].box.bottom),
                0.0f);
            float score = share * 1000 - dx - 2 * dy;
            if (score > best_score) {
                best_score = score;
                best = k;
            }
        }
        append_text(&text[best], lines[i]->text, strlen(lines[i]->text), true);
        lines[i]->taken = true;
    }
    for (size_t i = 0; i < g.count; i++)
        g.cells[i].text = buf_take(&text[i]);
    free(text);
    free(lines);
    grid_mark_header(&g);
    struct grid *slot = VEC_PUSH(p->tables.items, p->tables.count, p->tables.cap);
    *slot = g;
    return true;
}
