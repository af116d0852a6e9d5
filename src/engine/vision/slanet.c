/*
 * The tokens are read like HTML: <tr> begins a row, <td></td> or <td is a cell, and attributes follow the
 * latter. The place of a cell is that of the HTML table model: the first column that no cell above reaches
 * into. Invariant: no two cells of the grid overlap.
 */
#include "engine/vision/slanet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/ctc.h"

#define MAX_COLUMNS 512
#define MAX_SPAN 20
#define CORNERS 4

struct reader {
    struct ipc_grid grid;
    int row;                           /* -1 before the first */
    uint16_t taken_until[MAX_COLUMNS]; /* rows below this are taken in the column */
    int column;                        /* where the next cell of this row may stand */
    bool header;
    struct ipc_cell *open; /* the cell whose attributes may follow */
    double score_sum;
    size_t score_count;
};

/* Puts the cell that is open into the first gap of its row that is wide enough. */
static void cell_close(struct reader *rd)
{
    struct ipc_cell *c = rd->open;
    if (!c)
        return;
    rd->open = NULL;
    int column = rd->column;
    for (int k = column; k < MAX_COLUMNS && k < column + c->col_span; k++)
        if (rd->taken_until[k] > rd->row)
            column = k + 1;
    if (column + c->col_span > MAX_COLUMNS) {
        rd->grid.count--;
        return;
    }
    c->col = (uint16_t)column;
    for (int k = column; k < column + c->col_span; k++)
        rd->taken_until[k] = (uint16_t)(rd->row + c->row_span);
    rd->column = column + c->col_span;
    rd->grid.cols = (uint16_t)MAX(rd->grid.cols, rd->column);
}

static void cell_open(struct reader *rd, const float *corners, float left, float top, float scale_x,
                      float scale_y)
{
    if (rd->row < 0)
        rd->row = 0;
    if (rd->grid.count >= IPC_MAX_CELLS)
        return;
    struct ipc_cell *c = VEC_PUSH(rd->grid.items, rd->grid.count, rd->grid.cap);
    struct ipc_box box = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < CORNERS; i++) {
        float x = left + fminf(fmaxf(corners[2 * i], 0), 1) * scale_x,
              y = top + fminf(fmaxf(corners[2 * i + 1], 0), 1) * scale_y;
        box.left = fminf(box.left, x);
        box.right = fmaxf(box.right, x);
        box.top = fminf(box.top, y);
        box.bottom = fmaxf(box.bottom, y);
    }
    *c = (struct ipc_cell){
        .row = (uint16_t)rd->row, .row_span = 1, .col_span = 1, .header = rd->header, .box = box};
    rd->open = c;
}

static void span_read(struct reader *rd, const char *token)
{
    const char *digits = strchr(token, '"');
    if (!rd->open || !digits)
        return;
    long n = strtol(digits + 1, NULL, 10);
    uint16_t span = (uint16_t)MIN(MAX(n, 1), MAX_SPAN);
    if (strncmp(token, " colspan", 8) == 0)
        rd->open->col_span = span;
    else if (strncmp(token, " rowspan", 8) == 0)
        rd->open->row_span = span;
}

/* Rows that span further than the table has rows end with it. */
static void grid_finish(struct reader *rd)
{
    cell_close(rd);
    rd->grid.rows = (uint16_t)(rd->row + 1);
    for (size_t i = 0; i < rd->grid.count; i++) {
        struct ipc_cell *c = &rd->grid.items[i];
        c->row_span = (uint16_t)MIN((int)c->row_span, rd->row + 1 - c->row);
    }
    rd->grid.score = rd->score_count ? fminf((float)(rd->score_sum / (double)rd->score_count), 1) : 0;
}

int slanet_decode(const struct slanet_output *o, const char *const *dictionary, size_t dictionary_count,
                  float left, float top, float scale_x, float scale_y, struct ipc_grid *ret, struct err *err)
{
    if (o->classes != dictionary_count + 2)
        return err_fail(err, ERR_FORMAT, "the table model has %zu classes, its dictionary %zu entries",
                        o->classes, dictionary_count);
    struct reader rd = {.row = -1};
    for (size_t t = 0; t < o->steps; t++) {
        const float *row = o->tokens + t * o->classes;
        size_t best = ctc_argmax(row, o->classes);
        if (best == o->classes - 1 && t > 0)
            break;
        if (best == 0 || best == o->classes - 1)
            continue;
        rd.score_sum += (double)row[best];
        rd.score_count++;
        const char *token = dictionary[best - 1];
        if (strncmp(token, "<td", 3) == 0) {
            cell_close(&rd);
            cell_open(&rd, o->boxes + t * 2 * CORNERS, left, top, scale_x, scale_y);
        } else if (token[0] == ' ') {
            span_read(&rd, token);
        } else if (strcmp(token, "<tr>") == 0) {
            cell_close(&rd);
            rd.row++;
            rd.column = 0;
        } else if (strcmp(token, "<thead>") == 0 || strcmp(token, "</thead>") == 0) {
            cell_close(&rd);
            rd.header = token[1] != '/';
        }
    }
    grid_finish(&rd);
    *ret = rd.grid;
    return 0;
}
