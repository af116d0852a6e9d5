/*
 * Reading order by a recursive XY-cut: bands of the page are put in columns where a gutter runs through them,
 * and read from top to bottom where none does.
 */
#ifndef PLATEN_WORKER_PIPELINE_ORDER_H
#define PLATEN_WORKER_PIPELINE_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/document/document.h"

struct order_box {
    struct doc_box box;
    bool solid; /* a table or picture: counts as many lines */
};

/*
 * Fills ret_order (n indexes, in reading order) and ret_leaf (for each position in that order, the number of
 * its column leaf, rising). em: the size of ordinary text; a gutter is at least about 0.8 em wide. rtl:
 * columns run from the right.
 */
void order_boxes(const struct order_box *boxes, size_t n, float em, bool rtl, size_t *ret_order,
                 int *ret_leaf);

#endif
