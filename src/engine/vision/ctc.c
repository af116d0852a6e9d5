/*
 * Most of the work is the search for the largest of many thousand classes a step: first the value, in lanes
 * that the compiler turns into vector registers, then its place.
 */
#include "engine/vision/ctc.h"

#include <math.h>

#include "engine/vision/simd.h"

#define LANES 32

SIMD_CLONES static float row_max(const float *values, size_t count)
{
    float lane[LANES];
    for (size_t k = 0; k < LANES; k++)
        lane[k] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] = values[i + k] > lane[k] ? values[i + k] : lane[k];
    float best = -INFINITY;
    for (size_t k = 0; k < LANES; k++)
        best = lane[k] > best ? lane[k] : best;
    for (; i < count; i++)
        best = values[i] > best ? values[i] : best;
    return best;
}

size_t ctc_argmax(const float *values, size_t count)
{
    float best = row_max(values, count);
    for (size_t i = 0; i < count; i++)
        if (values[i] >= best)
            return i;
    return 0; /* only NaN */
}

int ctc_decode(const float *probs, size_t steps, size_t classes, const char *const *dictionary,
               size_t dictionary_count, struct buf *text, struct ctc_line *ret, struct err *err)
{
    if (classes != dictionary_count + 2)
        return err_fail(err, ERR_FORMAT, "the recogniser has %zu classes, its dictionary %zu entries",
                        classes, dictionary_count);
    struct ctc_line line = {0};
    size_t last = 0, kept_class = 0, kept_step = 0;
    double sum = 0;
    for (size_t t = 0; t < steps; t++) {
        const float *row = probs + t * classes;
        size_t best = ctc_argmax(row, classes);
        if (best != 0 && best != last) {
            buf_puts(text, best == classes - 1 ? " " : dictionary[best - 1]);
            sum += (double)row[best];
            /* Equal characters need a blank between them. */
            size_t closest = best == kept_class ? 2 : 1;
            line.tight += line.characters > 0 && t - kept_step == closest;
            line.characters++;
            kept_class = best;
            kept_step = t;
        }
        last = best;
    }
    if (line.characters > 0)
        line.score = (float)(sum / (double)line.characters);
    *ret = line;
    return 0;
}
