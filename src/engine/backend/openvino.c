/*
 * OpenVINO through its C API, on the CPU. Reads ONNX and Paddle (.pdmodel, weights in the .pdiparams beside
 * it).
 *
 * One inference runs on the lane's own thread: one stream a lane, one thread a stream, no pinning (two
 * engines that pin their threads take the same core and halve each other). Shapes stay dynamic; the kernels
 * built for each shape are kept in a bounded cache. Invariant: every OpenVINO handle is owned by exactly one
 * of our structs, and released by its free function.
 */
#include <openvino/c/openvino.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/backend/ops.h"

/* Kernels kept for each stream of a model: lines come sorted by width, so few are wanted again. 128 would
 * cost some 15 MB a stream more, and gain nothing that could be measured. */
#define KERNELS_KEPT "16"
/* The kernel library below keeps 1024 more for the whole process, which with many widths only costs memory
 * (about 1 MB a width). */
#define KERNELS_SHARED "16"

struct ov_backend {
    struct backend base;
    ov_core_t *core;
    char *cache_dir;
    bool fork_safe;
};

/*
 * Usually one compiled model with all its streams. With one stream OpenVINO runs an inference on the thread
 * that asks for it, with several on threads that it made at the compilation, which a forked child has not:
 * there it waits for ever. So for a fork each stream is a compiled model of its own; the first is made at the
 * load, the others when their first request is.
 */
struct ov_loaded {
    struct backend_model base;
    size_t outputs;
    char *name, *path;
    int copies, streams_each;
    pthread_mutex_t lock; /* of what follows */
    int requests;
    ov_compiled_model_t *compiled[];
};

struct ov_request {
    struct backend_request base;
    ov_infer_request_t *request;
    size_t outputs;
    ov_tensor_t *held[BACKEND_MAX_OUTPUTS]; /* what the last answer borrows */
};

static int failed(struct err *err, ov_status_e status, const char *what)
{
    /* The text is a C++ exception with source lines; its last line says what went wrong. */
    const char *text = ov_get_last_err_msg();
    char line[300] = "";
    for (const char *s = text; s != NULL && *s != '\0';) {
        size_t n = strcspn(s, "\n");
        if (n > 0)
            snprintf(line, sizeof(line), "%.*s", (int)MIN(n, sizeof(line) - 1), s);
        s += n + (s[n] == '\n');
    }
    ov_free(text);
    int kind = status == NOT_ALLOCATED ? ERR_MEMORY : status == NOT_FOUND ? ERR_NOTFOUND : ERR_BUG;
    return err_fail(err, kind, "%s: %s (OpenVINO status %d)", what,
                    line[0] != '\0' ? line : "no reason given", (int)status);
}

static void close_backend(struct backend *base)
{
    struct ov_backend *b = (struct ov_backend *)base;
    ov_core_free(b->core);
    free(b->cache_dir);
    free(b);
}

static int open_backend(const struct backend_options *options, struct backend **ret, struct err *err)
{
    struct ov_backend *b = xnew(struct ov_backend);

    b->cache_dir = xstrdup(options->cache_dir);
    b->fork_safe = options->fork_safe;
    setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS_SHARED, 0);
    ov_status_e s = ov_core_create(&b->core);
    if (s != OK) {
        int r = failed(err, s, "starting OpenVINO");
        free(b->cache_dir);
        free(b);
        return r;
    }
    *ret = &b->base;
    return 0;
}

static void unload(struct backend_model *base)
{
    struct ov_loaded *m = (struct ov_loaded *)base;
    for (int i = 0; i < m->copies; i++)
        if (m->compiled[i] != NULL)
            ov_compiled_model_free(m->compiled[i]);
    pthread_mutex_destroy(&m->lock);
    free(m->name);
    free(m->path);
    free(m);
}

static int compile(const struct ov_backend *b, struct ov_loaded *m, int copy, struct err *err)
{
    char count[16];
    snprintf(count, sizeof(count), "%d", m->streams_each);
    ov_property_t properties[5] = {
        {"NUM_STREAMS", count},       {"INFERENCE_NUM_THREADS", count},
        {"ENABLE_CPU_PINNING", "NO"}, {"CPU_RUNTIME_CACHE_CAPACITY", KERNELS_KEPT},
        {"CACHE_DIR", b->cache_dir},
    };
    ov_status_e s = ov_core_compile_model_from_file_props(
        b->core, m->path, "CPU", b->cache_dir != NULL ? 5 : 4, properties, &m->compiled[copy]);
    return s == OK ? 0 : failed(err, s, m->name);
}

static int load(struct backend *base, const char *name, const char *path, int streams,
                struct backend_model **ret, struct err *err)
{
    const struct ov_backend *b = (const struct ov_backend *)base;
    int copies = b->fork_safe ? streams : 1;
    struct ov_loaded *m = xcalloc(1, sizeof(*m) + (size_t)copies * sizeof(m->compiled[0]));
    m->name = xstrdup(name);
    m->path = xstrdup(path);
    m->copies = copies;
    m->streams_each = b->fork_safe ? 1 : streams;
    pthread_mutex_init(&m->lock, NULL);
    int r = compile(b, m, 0, err);
    if (r == 0) {
        ov_status_e s = ov_compiled_model_outputs_size(m->compiled[0], &m->outputs);
        r = s == OK ? 0 : failed(err, s, name);
    }
    if (r == 0 && m->outputs > BACKEND_MAX_OUTPUTS)
        r = err_fail(err, ERR_UNSUPPORTED, "%s: %zu outputs, at most %d are read", name, m->outputs,
                     BACKEND_MAX_OUTPUTS);
    if (r < 0) {
        unload(&m->base);
        return r;
    }
    *ret = &m->base;
    return 0;
}

static void let_go(struct ov_request *r)
{
    for (size_t i = 0; i < ARRAY_LEN(r->held); i++) {
        if (r->held[i] != NULL)
            ov_tensor_free(r->held[i]);
        r->held[i] = NULL;
    }
}

static void request_free(struct backend_request *base)
{
    struct ov_request *r = (struct ov_request *)base;
    let_go(r);
    ov_infer_request_free(r->request);
    free(r);
}

static int request_new(struct backend_model *base, struct backend_request **ret, struct err *err)
{
    struct ov_loaded *m = (struct ov_loaded *)base;
    pthread_mutex_lock(&m->lock);
    int copy = m->requests++ % m->copies;
    int e = m->compiled[copy] != NULL ? 0 : compile((const struct ov_backend *)base->backend, m, copy, err);
    pthread_mutex_unlock(&m->lock);
    if (e < 0)
        return e;
    struct ov_request *r = xnew(struct ov_request);
    r->outputs = m->outputs;
    ov_status_e s = ov_compiled_model_create_infer_request(m->compiled[copy], &r->request);
    if (s != OK) {
        free(r);
        return failed(err, s, "making an inference request");
    }
    *ret = &r->base;
    return 0;
}

/* Lends the data of output i: no copy, the tensor is held until the request's next call. */
static int lend_output(struct ov_request *r, size_t i, struct tensor *ret, struct err *err)
{
    ov_status_e s = ov_infer_request_get_output_tensor_by_index(r->request, i, &r->held[i]);
    ov_element_type_e type = F32;
    ov_shape_t shape = {0};
    void *data = NULL;
    if (s == OK)
        s = ov_tensor_get_element_type(r->held[i], &type);
    if (s == OK)
        s = ov_tensor_get_shape(r->held[i], &shape);
    if (s == OK)
        s = ov_tensor_data(r->held[i], &data);
    int e = 0;
    if (s != OK)
        e = failed(err, s, "reading an output");
    else if (type != F32 || shape.rank < 1 || shape.rank > TENSOR_MAX_DIMS)
        e = err_fail(err, ERR_UNSUPPORTED, "output %zu has rank %lld and element type %d", i,
                     (long long)shape.rank, (int)type);
    if (e == 0) {
        *ret = (struct tensor){.data = data, .rank = (int)shape.rank};
        memcpy(ret->dims, shape.dims, (size_t)shape.rank * sizeof(int64_t));
    }
    if (shape.dims != NULL)
        ov_shape_free(&shape);
    return e;
}

static int infer(struct backend_request *base, const struct tensor *input, struct tensor *ret_outputs,
                 int max_outputs, int *ret_count, struct err *err)
{
    struct ov_request *r = (struct ov_request *)base;
    let_go(r);
    ov_shape_t shape;
    ov_status_e s = ov_shape_create(input->rank, input->dims, &shape);
    if (s != OK)
        return failed(err, s, "making a shape");
    ov_tensor_t *in = NULL;
    s = ov_tensor_create_from_host_ptr(F32, shape, input->data, &in);
    ov_shape_free(&shape);
    if (s == OK)
        s = ov_infer_request_set_input_tensor(r->request, in);
    if (s == OK)
        s = ov_infer_request_infer(r->request);
    if (in != NULL)
        ov_tensor_free(in);
    if (s != OK)
        return failed(err, s, "inference");
    int count = MIN((int)r->outputs, max_outputs);
    for (int i = 0; i < count; i++) {
        int e = lend_output(r, (size_t)i, &ret_outputs[i], err);
        if (e < 0)
            return e;
    }
    *ret_count = count;
    return 0;
}

const struct backend_ops backend_openvino = {
    .name = "openvino",
    .open = open_backend,
    .close = close_backend,
    .load = load,
    .unload = unload,
    .request_new = request_new,
    .request_free = request_free,
    .infer = infer,
};
