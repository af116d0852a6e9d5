/* manifest.json: what model files there are, checked strictly. An unknown key, a path instead of a file name,
 * or a role named twice is an error. */
#ifndef PLATEN_ENGINE_MODELS_MANIFEST_H
#define PLATEN_ENGINE_MODELS_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/models/models.h"

#define MANIFEST_MAX_BYTES (1024 * 1024)
#define MANIFEST_MAX_MODEL_BYTES (2ull * 1024 * 1024 * 1024)
#define MANIFEST_MAX_DICTIONARY_BYTES (4 * 1024 * 1024)

struct manifest_file {
    char *name; /* within the folder; NULL: the model has none */
    char *sha256;
    uint64_t bytes;
};

struct manifest_model {
    char *name; /* NULL: the manifest has no model in this role */
    struct manifest_file graph, weights, dictionary;
    int memory_mb; /* what it adds to the engine's RSS when loaded and run */
};

struct manifest {
    struct manifest_model models[MODEL_ROLE_COUNT];
};

const char *manifest_role_name(enum model_role role);
/* ERR_NOTFOUND without a manifest.json in the folder, ERR_FORMAT for one that breaks a rule. */
int manifest_read(const char *folder, struct manifest *ret, struct err *err);
void manifest_done(struct manifest *m);
/* Reads the file through and compares length and SHA-256: 0, ERR_NOTFOUND, ERR_FORMAT when it is another, or
 * ERR_IO. */
int manifest_verify(const char *folder, const struct manifest_file *f, struct err *err);

#endif
