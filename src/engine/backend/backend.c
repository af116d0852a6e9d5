/*
 * The dispatch from the narrow interface to the runtime that was chosen by name. What holds for every runtime
 * is checked here once: the shape of the input, and that outputs fit.
 */
#include "engine/backend/backend.h"

#include <string.h>

#include "engine/backend/ops.h"

static const struct backend_ops *const runtimes[] = {&backend_openvino, &backend_fake};

int backend_new(const char *name, const struct backend_options *options, struct backend **ret,
                struct err *err)
{
    if (options->lanes < 1)
        return err_fail(err, ERR_ARG, "a backend needs at least one lane");
    for (size_t i = 0; i < ARRAY_LEN(runtimes); i++) {
        if (strcmp(runtimes[i]->name, name) != 0)
            continue;
        struct backend *b;
        int r = runtimes[i]->open(options, &b, err);
        if (r < 0)
            return r;
        b->ops = runtimes[i];
        *ret = b;
        return 0;
    }
    return err_fail(err, ERR_ARG, "no inference backend is called \"%s\" (there are: openvino, fake)", name);
}

void backend_free(struct backend *b)
{
    if (b != NULL)
        b->ops->close(b);
}

const char *backend_name(const struct backend *b)
{
    return b->ops->name;
}

uint64_t backend_inferences(struct backend *b)
{
    return atomic_load(&b->inferences);
}

int backend_load(struct backend *b, const char *name, const char *path, int streams,
                 struct backend_model **ret, struct err *err)
{
    struct backend_model *m;
    int r = b->ops->load(b, name, path, MAX(1, streams), &m, err);
    if (r < 0)
        return r;
    m->backend = b;
    *ret = m;
    return 0;
}

void backend_unload(struct backend_model *m)
{
    if (m != NULL)
        m->backend->ops->unload(m);
}

void backend_set_classes(struct backend_model *m, const char *const *lines, size_t count)
{
    if (m->backend->ops->set_classes != NULL)
        m->backend->ops->set_classes(m, lines, count);
}

int backend_request_new(struct backend_model *m, struct backend_request **ret, struct err *err)
{
    struct backend_request *request;
    int r = m->backend->ops->request_new(m, &request, err);
    if (r < 0)
        return r;
    request->backend = m->backend;
    *ret = request;
    return 0;
}

void backend_request_free(struct backend_request *r)
{
    if (r != NULL)
        r->backend->ops->request_free(r);
}

int backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                  int max_outputs, int *ret_count, struct err *err)
{
    if (input->rank < 1 || input->rank > TENSOR_MAX_DIMS || input->data == NULL)
        return err_fail(err, ERR_BUG, "an input tensor of rank %d", input->rank);
    for (int i = 0; i < input->rank; i++)
        if (input->dims[i] < 1)
            return err_fail(err, ERR_BUG, "dimension %d of an input tensor is %lld", i,
                            (long long)input->dims[i]);
    int count;
    int e = r->backend->ops->infer(r, input, ret_outputs, MIN(max_outputs, BACKEND_MAX_OUTPUTS), &count, err);
    if (e < 0)
        return e;
    atomic_fetch_add(&r->backend->inferences, 1);
    *ret_count = count;
    return 0;
}
