/* Greedy decoding of a CTC text recogniser's output. */
#ifndef PLATEN_ENGINE_VISION_CTC_H
#define PLATEN_ENGINE_VISION_CTC_H

#include "base/buf.h"
#include "base/err.h"

/* What is known of a decoded line beside its text. */
struct ctc_line {
    float score;       /* mean probability of the characters kept; 0 when there is none */
    size_t characters; /* kept */
    size_t tight;      /* of these, how many follow the one before as closely as the steps allow: had the line
                          been narrower, they might have been lost, and some may have been */
};

/*
 * probs: steps x classes. Class 0 is the blank, then the dictionary, and the last class is the space. Appends
 * the text. ERR_FORMAT when classes and dictionary do not fit each other.
 */
int ctc_decode(const float *probs, size_t steps, size_t classes, const char *const *dictionary,
               size_t dictionary_count, struct buf *text, struct ctc_line *ret, struct err *err);

/* Index of the largest of count values (the first of equals); count >= 1. */
size_t ctc_argmax(const float *values, size_t count);

#endif
