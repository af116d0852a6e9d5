/* Questions about characters and strings that the layout rules ask: scripts, markers, sentence ends. */
#ifndef PLATEN_WORKER_PIPELINE_TEXT_H
#define PLATEN_WORKER_PIPELINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

bool text_is_cjk(uint32_t cp);
bool text_is_rtl(uint32_t cp);
bool text_is_letter(uint32_t cp); /* any script; by exclusion outside ASCII and Latin-1 */
bool text_is_lower(uint32_t cp);
bool text_is_upper(uint32_t cp);
uint32_t text_first(const char *s); /* 0 for "" */
uint32_t text_last(const char *s);
bool text_is_bullet(uint32_t cp);

/*
 * A list marker at the start: "•", "-", "1.", "(a)", "iv)". Returns its length in bytes with the spaces
 * behind it, 0 when there is none. *ret_enumerated tells numbers and letters from bullets; *ret_value is the
 * number (letters: a = 1), 0 for bullets.
 */
size_t text_marker(const char *s, bool *ret_enumerated, int *ret_value);

/* "1", "2.3", "IV.", "A.1" before a heading: depth (dots + 1), 0 for none. */
int text_heading_number(const char *s);

/* "Figure 3", "Table 2:", "Abb. 4", "Listing 1": 'f' figure, 't' table, 'c' code, 0 none. Needs a number and
 * something behind it or the end. */
char text_caption_kind(const char *s);

bool text_ends_sentence(const char *s);  /* . ! ? : ; 。 and closing quotes or brackets behind them */
bool text_is_page_number(const char *s); /* "12", "- 12 -", "Page 3 of 9", "xiv" */

/* Appends a line to a paragraph: a space between, or none for CJK, and a hyphen at the line's end is taken
 * out when the word goes on. */
void text_join_line(struct buf *b, const char *line);

/* Digits → '#', lower case, spaces dropped: equal for headers that differ in the page number. Malloced. */
char *text_shape(const char *s);

#endif
