/*
 * The narrow interface to an inference runtime. Only files in this folder see a runtime's own API; everybody
 * else sees float tensors. Two implementations: openvino (the default on CPU) and fake (deterministic, for
 * tests). ONNX Runtime joins for CUDA.
 *
 * Threads: a backend and its models are made on one thread. A request belongs to one lane (thread) at a time;
 * several requests of one model run at the same time. One inference uses one thread: parallelism comes from
 * lanes.
 */
#ifndef PLATEN_ENGINE_BACKEND_BACKEND_H
#define PLATEN_ENGINE_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TENSOR_MAX_DIMS 4
#define BACKEND_MAX_OUTPUTS 16

/* Row-major float32. */
struct tensor {
    float *data;
    int64_t dims[TENSOR_MAX_DIMS];
    int rank;
};

struct backend;
struct backend_model;
struct backend_request;

struct backend_options {
    int lanes;             /* requests that will run at once, >= 1 */
    const char *cache_dir; /* compiled models; NULL: none. The only folder that the engine writes to */
    bool fork_safe; /* models loaded now can run in a forked child: no inference needs a thread that the
                       runtime made at the load. A model's further streams are then loaded when first used */
};

/* name: "openvino" or "fake". ERR_ARG for another, ERR_NOTFOUND when its library is missing. */
int backend_new(const char *name, const struct backend_options *options, struct backend **ret,
                struct err *err);
void backend_free(struct backend *b);
const char *backend_name(const struct backend *b);
/* Inferences that have succeeded so far, of all models. */
uint64_t backend_inferences(struct backend *b);

/*
 * Loads one model file (dynamic shapes stay dynamic). `name` is the manifest's name; the fake answers by it.
 * streams: how many inferences of this model run side by side, 1 to lanes; each stream holds memory of its
 * own for as long as the model is loaded, further callers wait.
 */
int backend_load(struct backend *b, const char *name, const char *path, int streams,
                 struct backend_model **ret, struct err *err);
void backend_unload(struct backend_model *m);

/*
 * The class lines of a model that has a dictionary, told once after the load, before any request. Runtimes
 * that run the network do not need them; the fake spells its answers with them. The lines stay the caller's
 * and must outlive the model.
 */
void backend_set_classes(struct backend_model *m, const char *const *lines, size_t count);

int backend_request_new(struct backend_model *m, struct backend_request **ret, struct err *err);
void backend_request_free(struct backend_request *r);

/*
 * Runs one inference. input: any shape the model takes; its data is only read, and only during the call (no
 * copy is made where the runtime allows). ret_outputs: filled with up to max_outputs tensors in the model's
 * order, their data borrowed from the request until its next call. *ret_count: how many.
 */
int backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                  int max_outputs, int *ret_count, struct err *err);

#endif
