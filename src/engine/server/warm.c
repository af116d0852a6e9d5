/*
 * See warm.h. Kernels are built for each shape in each stream, so every lane runs every shape. The models
 * come first, the dear one last; lane n starts at the n-th model, so that they load side by side.
 */
#include "engine/server/warm.h"

#include "base/mem.h"

#define WIDTH_FIRST 256
#define WIDTH_LAST 1024
#define WIDTH_STEP 32 /* recognition rounds widths up to this */

static const enum model_role first_models[] = {MODEL_DET_TINY, MODEL_REC_TINY};
#define WIDTHS ((WIDTH_LAST - WIDTH_FIRST) / WIDTH_STEP + 1)
#define STEP_DET ARRAY_LEN(first_models)
#define STEP_WIDTHS (STEP_DET + 1)
#define STEP_SMALL (STEP_WIDTHS + WIDTHS)
#define STEP_END (STEP_SMALL + 1)

static int run(struct warming *w, struct models *models, enum model_role role, int lane, int64_t height,
               int64_t width, struct err *err)
{
    struct backend_request *request;
    int r = models_request(models, role, lane, &request, err);
    if (r < 0)
        return r;
    size_t n = (size_t)(3 * height * width);
    if (n > w->cap) {
        free(w->input);
        w->input = try_calloc(n, sizeof(float));
        w->cap = w->input != NULL ? n : 0;
        if (w->input == NULL)
            return err_fail(err, ERR_MEMORY, "no memory to warm with");
    }
    struct tensor in = {.data = w->input, .rank = 4, .dims = {1, 3, height, width}};
    struct tensor out[1];
    int count;
    return backend_infer(request, &in, out, 1, &count, err);
}

int warm_step(struct warming *w, struct models *models, int lane, int lanes, struct err *err)
{
    struct backend_request *request;
    size_t step = w->next++;
    int r;
    bool detects = lane < models_streams(MODEL_DET_TINY, lanes);
    if (step < STEP_DET)
        r = models_request(models, first_models[(step + (size_t)lane) % STEP_DET], lane, &request, err);
    else if (step == STEP_DET)
        r = !detects ? 0 : run(w, models, MODEL_DET_TINY, lane, 960, 736, err);
    else if (step < STEP_SMALL)
        r = run(w, models, MODEL_REC_TINY, lane, 48, WIDTH_FIRST + (int64_t)(step - STEP_WIDTHS) * WIDTH_STEP,
                err);
    else
        r = run(w, models, MODEL_REC_SMALL, lane, 48, 640, err);
    if (r < 0)
        return r;
    return w->next < STEP_END;
}

void warm_done(struct warming *w)
{
    free(w->input);
    *w = (struct warming){0};
}
