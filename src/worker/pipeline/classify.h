/* What each block is: rules over the statistics of the whole document. */
#ifndef PLATEN_WORKER_PIPELINE_CLASSIFY_H
#define PLATEN_WORKER_PIPELINE_CLASSIFY_H

#include "worker/pipeline/model.h"

struct page_size {
    int page_no;
    float width_pt, height_pt;
};

/* Sets kind, level, marker and caption_of of all blocks, and joins paragraphs that go on in the next column
 * or on the next page. */
void classify_blocks(struct blocks *bs, const struct page_size *pages, size_t page_count);

/* Running heads: blocks near the top or bottom edge whose text repeats on other pages (digits do not count).
 */
void classify_furniture(struct blocks *bs, const struct page_size *pages, size_t page_count,
                        float body_size_pt);

#endif
