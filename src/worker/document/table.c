/*
 * A table's cells and the grid they make. The grid is bounded (DOC_TABLE_CELLS_MAX), and so is the sum of
 * what the cells cover: a document may claim a million cells that each span everything, and filling that grid
 * would never end.
 */
#include <string.h>

#include "base/mem.h"
#include "worker/document/document.h"

#define COVERED_MAX ((size_t)4 * DOC_TABLE_CELLS_MAX)

/* Cuts the spans until rows * cols of the whole stays under the ceiling; false: not even one slot fits. */
static bool fit(struct doc_table *t, const struct doc_cell *c)
{
    if (c->row < 0 || c->col < 0 || t->cell_count >= DOC_TABLE_CELLS_MAX)
        return false;
    size_t rows = (size_t)MAX((long long)t->rows, (long long)c->row + c->row_span);
    size_t cols = (size_t)MAX((long long)t->cols, (long long)c->col + c->col_span);
    size_t slots, covered;
    if (!num_mul(rows, cols, &slots) || slots > DOC_TABLE_CELLS_MAX)
        return false;
    covered = (size_t)c->row_span * (size_t)c->col_span;
    if (t->covered + covered > COVERED_MAX)
        return false;
    t->rows = (int)rows;
    t->cols = (int)cols;
    t->covered += covered;
    return true;
}

struct doc_cell *doc_table_add_cell(struct doc_table *t, int row, int col, int row_span, int col_span,
                                    const char *text)
{
    struct doc_cell cell = {
        .row = row, .col = col, .row_span = MAX(row_span, 1), .col_span = MAX(col_span, 1)};
    bool fits = fit(t, &cell);
    if (!fits && (cell.row_span > 1 || cell.col_span > 1)) {
        /* The text matters more than how far it claims to reach. */
        cell.row_span = cell.col_span = 1;
        fits = fit(t, &cell);
        t->overflown = true;
    }
    struct doc_cell *c = &t->spill;
    if (fits) {
        c = VEC_PUSH(t->cells, t->cell_count, t->cell_cap);
    } else {
        t->overflown = true;
        free(c->text);
    }
    *c = cell;
    c->text = doc_clean_text(text ? text : "", text && fits ? strlen(text) : 0);
    return c;
}

int *doc_table_make_grid(const struct doc_table *t)
{
    if (!t || t->rows <= 0 || t->cols <= 0)
        return NULL;
    size_t slots;
    if (!num_mul((size_t)t->rows, (size_t)t->cols, &slots))
        return NULL;
    int *grid = try_calloc(slots, sizeof(*grid));
    if (!grid)
        return NULL;
    for (size_t i = 0; i < slots; i++)
        grid[i] = -1;
    for (size_t i = 0; i < t->cell_count; i++) {
        const struct doc_cell *c = &t->cells[i];
        int row_end = MIN(c->row + c->row_span, t->rows), col_end = MIN(c->col + c->col_span, t->cols);
        for (int r = c->row; r < row_end; r++) {
            for (int k = c->col; k < col_end; k++)
                grid[(size_t)r * (size_t)t->cols + (size_t)k] = (int)i;
        }
    }
    return grid;
}
