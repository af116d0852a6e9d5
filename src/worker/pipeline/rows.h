/* Lines of a page, put together to rows in reading order, with what is known of each. */
#ifndef PLATEN_WORKER_PIPELINE_ROWS_H
#define PLATEN_WORKER_PIPELINE_ROWS_H

#include "worker/pipeline/model.h"

struct row {
    struct doc_box box;
    float baseline, size, first_word;
    float breadth;       /* as in struct block */
    int title;           /* index of the layout model's title region that it lies in, or -1 */
    bool title_doubtful; /* the model calls the same place something else with a better score */
    unsigned flags;
    char *text;
    int leaf;
    long solid; /* >= 0: table number; < -1: picture number -2 - n; -1: text */
};

struct rows {
    struct row *items;
    size_t count, cap;
};

/* The middle value; v is put in order. otherwise: the answer when there is none. */
float rows_median(float *v, size_t n, float otherwise);

/* The usual size of a page's print in points, at least 2. */
float rows_page_em(const struct page *p);

/* Every upright line that no table has taken, every table and picture, in reading order. em: rows_page_em. */
void rows_of_page(const struct page *p, float em, struct rows *ret);
void rows_done(struct rows *rows);

#endif
