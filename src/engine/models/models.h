/*
 * The models that this engine can load: manifest.json beside the files names each with its file, SHA-256,
 * licence, memory cost and shapes. Loaded on first use, verified (SHA-256) before that, one request per lane.
 * All calls may come from any lane.
 */
#ifndef PLATEN_ENGINE_MODELS_MODELS_H
#define PLATEN_ENGINE_MODELS_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/backend/backend.h"

/* The roles that the vision code asks for; the manifest maps a role to a model. */
enum model_role {
    MODEL_DET_TINY,
    MODEL_DET_SMALL,
    MODEL_REC_TINY,
    MODEL_REC_SMALL,
    MODEL_TEXTLINE_CLS,
    MODEL_ORIENTATION,
    MODEL_LAYOUT,
    MODEL_TABLE,
    MODEL_ROLE_COUNT
};

struct models; /* opaque */

int models_open(const char *folder, struct backend *backend, int lanes, struct models **ret, struct err *err);
void models_free(struct models *m);

/* The lane's request for this role; loads the model if it is not loaded (other lanes wait for that load).
 * Borrowed. */
int models_request(struct models *m, enum model_role role, int lane, struct backend_request **ret,
                   struct err *err);

/* The character list of a recogniser or the token list of a table model, one entry a class line; borrowed,
 * loaded with the model. */
int models_dictionary(struct models *m, enum model_role role, const char *const **ret, size_t *ret_count,
                      struct err *err);

/*
 * How many lanes may run this role's model at once. What runs a few times a page (detection, layout, tables)
 * holds 40 to 130 MB a stream and is given few; what runs for each line is given one a lane. Who asks for
 * more waits.
 */
int models_streams(enum model_role role, int lanes);

/* Loads the model if it is not loaded, for those who come later. */
int models_preload(struct models *m, enum model_role role, struct err *err);
bool models_is_loaded(const struct models *m, enum model_role role);

#endif
