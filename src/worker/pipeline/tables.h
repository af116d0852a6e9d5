/* Tables: from ruling lines, from aligned columns, or from the engine's structure model. */
#ifndef PLATEN_WORKER_PIPELINE_TABLES_H
#define PLATEN_WORKER_PIPELINE_TABLES_H

#include <stdbool.h>

#include "worker/pipeline/model.h"

/* cells.c: words of free lines → cells by position; lines that went into the grid are marked taken. Returns
 * the number of cells with text. */
size_t grid_fill(struct grid *g, struct lines *lines);
struct grid_cell *grid_push(struct grid *g, int row, int col, int row_span, int col_span, struct doc_box box);
/* Marks the header rows of a grid whose origin did not say. */
void grid_mark_header(struct grid *g);

/* rules.c: closed grids of ruling lines; pushes filled tables to p->tables. */
void tables_of_rules(struct page *p);
/* columns.c: tables between horizontal rules, and rows of aligned short cells without any rule. */
void tables_of_columns(struct page *p);
/* The same inside a box that is known to hold a table. False: no columns in it. */
bool table_in_box(struct page *p, struct doc_box box);
/* The engine's grid, in page points. False: not plausible, nothing changed. */
bool table_of_model(struct page *p, const struct ipc_grid *in, float pt_per_px, struct doc_box box);

#endif
