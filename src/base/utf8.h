/* UTF-8 coding. Strict: overlong forms, surrogates and values over U+10FFFF are invalid. */
#ifndef PLATEN_BASE_UTF8_H
#define PLATEN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu

/* Bytes used by the first character (1..4) and the character in *ret, or 0 when the bytes are invalid or len
 * is 0. */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret);
/* Writes 1..4 bytes; an invalid codepoint is written as U+FFFD. */
size_t utf8_encode(uint32_t codepoint, char out[4]);
bool utf8_valid(const char *s, size_t len);
/* Number of characters; each invalid byte counts as one. */
size_t utf8_count(const char *s, size_t len);

#endif
