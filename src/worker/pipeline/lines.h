/* Characters of a text layer, or recognised lines of an image → struct lines. */
#ifndef PLATEN_WORKER_PIPELINE_LINES_H
#define PLATEN_WORKER_PIPELINE_LINES_H

#include "worker/pipeline/model.h"

/* How much of a page's text layer can be used. */
struct text_layer {
    size_t chars;     /* visible ones */
    size_t unmapped;  /* without a Unicode value */
    size_t invisible; /* render mode 3 */
};
struct text_layer text_layer_count(const struct reader_content *c);

/* Appends the lines of the text layer: gaps wider than a word space end a line, so cells and columns stay
 * apart. */
void lines_of_content(const struct reader_content *c, struct lines *ret);

/* Appends recognised lines; pixels times pt_per_px are points. extra_flags is or-ed into each. */
void lines_of_ocr(const struct ipc_lines *in, float pt_per_px, unsigned extra_flags, struct lines *ret);

#endif
