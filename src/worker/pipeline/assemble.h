/* Classified blocks → the document's items. */
#ifndef PLATEN_WORKER_PIPELINE_ASSEMBLE_H
#define PLATEN_WORKER_PIPELINE_ASSEMBLE_H

#include "worker/pipeline/model.h"

void assemble_document(struct blocks *bs, struct document *d);

#endif
