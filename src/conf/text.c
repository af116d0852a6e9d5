/* See text.h. The distance is Levenshtein's, on one row, with a fixed ceiling on the length: names of flags
 * are short. */
#include "conf/text.h"

#include <stdint.h>
#include <string.h>

#include "base/macros.h"

#define NAME_MAX_CHARS 63

size_t text_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_MAX_CHARS || lb > NAME_MAX_CHARS)
        return SIZE_MAX;
    size_t row[NAME_MAX_CHARS + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t edit = MIN(above, row[j - 1]) + 1;
            row[j] = MIN(replace, edit);
            diagonal = above;
        }
    }
    return row[lb];
}

void text_print_man(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '-')
            (void)fputs("\\-", out);
        else if (*p == '\\')
            (void)fputs("\\e", out);
        else if ((*p == '.' || *p == '\'') && p == text)
            (void)fprintf(out, "\\&%c", *p);
        else
            (void)fputc(*p, out);
    }
}
