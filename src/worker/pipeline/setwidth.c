/*
 * The height of a recognised line scatters by a fifth with the letters that happen to be in it; its width
 * divided by the width that the same letters have in a known face does not. Large or bold print therefore
 * shows on a scan by being wider than its text says.
 */
#include "worker/pipeline/setwidth.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/utf8.h"
#include "worker/pipeline/text.h"

#define CHARS_MIN 6

/* Widths of the ASCII characters from the space on, in hundredths of an em: round figures of the common
 * sans-serif faces. */
static const uint8_t ascii[95] = {
    28, 28, 36, 56, 56, 89, 67, 19, 33, 33, 39, 58, 28, 33, 28, 28, /* space … / */
    56, 56, 56, 56, 56, 56, 56, 56, 56, 56, 28, 28, 58, 58, 58, 56, /* 0 … ? */
    99, 67, 67, 72, 72, 67, 61, 78, 72, 28, 50, 67, 56, 83, 72, 78, /* @ A … O */
    67, 78, 72, 67, 61, 72, 67, 94, 67, 67, 61, 28, 28, 28, 47, 56, /* P … _ */
    33, 56, 56, 50, 56, 56, 28, 56, 56, 22, 22, 50, 22, 83, 56, 56, /* ` a … o */
    56, 56, 33, 50, 28, 56, 50, 72, 50, 50, 50, 33, 26, 33, 58,     /* p … ~ */
};

float setwidth_of(const char *text)
{
    size_t visible = 0;
    unsigned sum = 0;
    for (size_t n, left = strlen(text); left > 0; text += n, left -= n) {
        uint32_t c = 0;
        n = utf8_decode(text, left, &c);
        n = MAX(n, 1u);
        if (c > ' ' && c < 0x7f)
            sum += ascii[c - ' '];
        else
            sum += c == ' ' ? 28 : text_is_cjk(c) ? 100 : text_is_upper(c) ? 68 : 54;
        visible += c > ' ';
    }
    return visible >= CHARS_MIN ? (float)sum / 100.0f : 0;
}
