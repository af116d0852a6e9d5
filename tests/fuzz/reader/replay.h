/* What both targets share: bytes as a file, and one document read from end to end. */
#ifndef PLATEN_TESTS_FUZZ_READER_REPLAY_H
#define PLATEN_TESTS_FUZZ_READER_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "worker/reader/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Reads size, content and picture of the first pages and the outline; the first error is the answer. */
int replay_document(const uint8_t *data, size_t len, enum reader_format format, struct err *err);
/* Whether to print what came of each input. */
extern int replay_verbose;

#endif
