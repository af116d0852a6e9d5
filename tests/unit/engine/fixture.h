/* A folder of models for the fake backend: every role, with dictionaries small enough to read. */
#ifndef PLATEN_TESTS_ENGINE_FIXTURE_H
#define PLATEN_TESTS_ENGINE_FIXTURE_H

#include <stddef.h>

/* Makes the folder; malloced path. */
char *fixture_models(void);
/* Writes a file into it. */
void fixture_write(const char *folder, const char *name, const char *text, size_t len);
/* SHA-256 in hex. */
void fixture_sha256(const char *text, size_t len, char out[65]);
/* Removes the folder with its files, and frees the path. */
void fixture_remove(char *folder);

#endif
