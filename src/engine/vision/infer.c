/* Nothing here keeps state: the lane's request belongs to the models, and the input to the caller. */
#include "engine/vision/infer.h"

#include "base/clock.h"
#include "base/mem.h"

int image_check(const struct vision_image *im, struct err *err)
{
    if (!im->pixels || im->width_px < 1 || im->height_px < 1)
        return err_fail(err, ERR_ARG, "an image of %d x %d px", im->width_px, im->height_px);
    if (im->channels != 1 && im->channels != 3)
        return err_fail(err, ERR_ARG, "an image with %d channels", im->channels);
    if (im->stride_bytes < (size_t)im->width_px * (size_t)im->channels)
        return err_fail(err, ERR_ARG, "rows of %zu bytes for %d px", im->stride_bytes, im->width_px);
    return 0;
}

int input_new(int width_px, int height_px, struct planes *ret, struct err *err)
{
    size_t plane;
    if (width_px < 1 || height_px < 1 || !num_mul((size_t)width_px, (size_t)height_px, &plane))
        return err_fail(err, ERR_ARG, "a model input of %d x %d px", width_px, height_px);
    float *data = try_calloc(plane, 3 * sizeof(float));
    if (!data)
        return err_fail(err, ERR_MEMORY, "no memory for a model input of %d x %d px", width_px, height_px);
    *ret = (struct planes){
        .data = data,
        .row_floats = (size_t)width_px,
        .plane_floats = plane,
        .width_px = width_px,
        .height_px = height_px,
    };
    return 0;
}

struct planes input_part(const struct planes *all, int width_px, int height_px)
{
    struct planes part = *all;
    part.width_px = MIN(width_px, all->width_px);
    part.height_px = MIN(height_px, all->height_px);
    return part;
}

int infer_planes(const struct vision_lane *l, enum model_role role, const struct planes *input,
                 struct tensor *ret_outputs, int want, struct err *err)
{
    struct backend_request *request;
    int r = models_request(l->models, role, l->lane, &request, err);
    if (r)
        return r;
    struct tensor in = {
        .data = input->data,
        .dims = {1, 3, input->height_px, input->width_px},
        .rank = 4,
    };
    int_least64_t never = 0;
    if (l->first_us != NULL && atomic_load_explicit(l->first_us, memory_order_relaxed) == 0)
        atomic_compare_exchange_strong(l->first_us, &never, clock_mono_us());
    int count = 0;
    r = backend_infer(request, &in, ret_outputs, want, &count, err);
    if (r)
        return r;
    if (count < want)
        return err_fail(err, ERR_FORMAT, "the model gave %d outputs, not %d", count, want);
    return 0;
}
