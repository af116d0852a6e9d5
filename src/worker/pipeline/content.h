/* What a digital page tells without being rendered: is its text layer of use, which bitmaps stand on it. */
#ifndef PLATEN_WORKER_PIPELINE_CONTENT_H
#define PLATEN_WORKER_PIPELINE_CONTENT_H

#include "worker/pipeline/model.h"

/* Should the page be read as a picture (no usable text layer)? */
bool content_needs_reading(const struct reader_content *c, float width_pt, float height_pt);

/* Lines, rules, links, figures and the parse score of a text layer. */
void content_to_page(const struct reader_content *c, struct page *p);

/* Bitmaps of more than 5 % of the page without text of their own; malloced. */
void content_find_bitmaps(const struct reader_content *c, const struct page *p, struct doc_box **ret,
                          size_t *ret_count);

#endif
