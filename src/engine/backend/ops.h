/* What each runtime implements; private to this folder. The structs are the first member of the runtime's
 * own. */
#ifndef PLATEN_ENGINE_BACKEND_OPS_H
#define PLATEN_ENGINE_BACKEND_OPS_H

#include <stdatomic.h>

#include "engine/backend/backend.h"

struct backend_ops {
    const char *name;
    int (*open)(const struct backend_options *options, struct backend **ret, struct err *err);
    void (*close)(struct backend *b);
    int (*load)(struct backend *b, const char *name, const char *path, int streams,
                struct backend_model **ret, struct err *err);
    void (*unload)(struct backend_model *m);
    void (*set_classes)(struct backend_model *m, const char *const *lines, size_t count); /* may be NULL */
    int (*request_new)(struct backend_model *m, struct backend_request **ret, struct err *err);
    void (*request_free)(struct backend_request *r);
    int (*infer)(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                 int max_outputs, int *ret_count, struct err *err);
};

struct backend {
    const struct backend_ops *ops;
    atomic_uint_fast64_t inferences;
};
struct backend_model {
    struct backend *backend;
};
struct backend_request {
    struct backend *backend;
};

extern const struct backend_ops backend_openvino;
extern const struct backend_ops backend_fake;

#endif
