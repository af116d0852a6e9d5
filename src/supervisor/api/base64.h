/* Base64 as a stream. Strict: the standard alphabet, padding only at the end and only where it belongs;
 * blanks and line ends are skipped. */
#ifndef PLATEN_SUPERVISOR_API_BASE64_H
#define PLATEN_SUPERVISOR_API_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base64 {
    uint32_t bits;
    unsigned chars; /* of the current group of four */
    unsigned pads;
    uint64_t offset; /* characters seen */
    bool bad;
};

/* Decodes len characters to out (room for len / 4 * 3 + 3 bytes). Bytes written; after bad input nothing
 * more. */
size_t base64_decode(struct base64 *b, const char *text, size_t len, uint8_t *out);
/* True when all was well and nothing is left over. */
bool base64_complete(const struct base64 *b);

#endif
