/* Lines, tables and pictures of one page → blocks in reading order, appended to the document's blocks. */
#ifndef PLATEN_WORKER_PIPELINE_BLOCKS_H
#define PLATEN_WORKER_PIPELINE_BLOCKS_H

#include "worker/pipeline/model.h"

/* Takes the page's tables, figures and link targets; its lines are left without words of use. */
void blocks_of_page(struct page *p, struct blocks *ret);

#endif
