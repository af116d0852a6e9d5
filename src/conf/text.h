/* Small text helpers that both tables share: nearest name, and escaping for the man page. */
#ifndef PLATEN_CONF_TEXT_H
#define PLATEN_CONF_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Edits (insert, delete, replace) from a to b; SIZE_MAX when one of them is longer than 63 characters. */
size_t text_distance(const char *a, const char *b);
/* Writes text so that troff prints it as it is. */
void text_print_man(FILE *out, const char *text);

#endif
