/* SHA-256, for comparing API keys without telling by timing how much of one was right. (No crypto library in
 * the supervisor.) */
#ifndef PLATEN_SUPERVISOR_API_SHA256_H
#define PLATEN_SUPERVISOR_API_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void sha256(const void *bytes, size_t len, uint8_t ret[32]);
/* Compares the digests of both in constant time. */
bool sha256_same_text(const char *a, const char *b);

#endif
