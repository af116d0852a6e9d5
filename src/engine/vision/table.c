/* The structure of one table: SLANet+ on the table's picture, its longer side at 488 px in the top left of a
 * square of zeros. */
#include <math.h>

#include "base/mem.h"
#include "engine/vision/infer.h"
#include "engine/vision/slanet.h"

#define INPUT_PX 488

static int clamp_px(float v, int high)
{
    return v <= 0 ? 0 : v >= (float)high ? high : (int)v;
}

int vision_table(const struct vision_lane *l, const struct vision_image *im, struct ipc_box box,
                 struct ipc_grid *ret, struct err *err)
{
    int r = image_check(im, err);
    if (r)
        return r;
    int left = clamp_px(floorf(box.left), im->width_px), top = clamp_px(floorf(box.top), im->height_px);
    int width = clamp_px(ceilf(box.right), im->width_px) - left,
        height = clamp_px(ceilf(box.bottom), im->height_px) - top;
    if (width < 1 || height < 1)
        return err_fail(err, ERR_ARG, "a table of %d x %d px", width, height);
    const char *const *dictionary;
    size_t dictionary_count;
    r = models_dictionary(l->models, MODEL_TABLE, &dictionary, &dictionary_count, err);
    if (r)
        return r;
    struct planes input;
    r = input_new(INPUT_PX, INPUT_PX, &input, err);
    if (r)
        return r;
    float scale = (float)INPUT_PX / (float)MAX(width, height);
    struct planes part = input_part(&input, MAX(1, (int)((float)width * scale)),
                                    MAX(1, (int)((float)height * scale)));
    struct tensor out[2];
    r = resize_into(im, left, top, width, height, &norm_imagenet, &part, err);
    if (r == 0)
        r = infer_planes(l, MODEL_TABLE, &input, out, 2, err);
    free(input.data);
    if (r)
        return r;
    if (out[0].rank != 3 || out[1].rank != 3 || out[0].dims[2] != 8 || out[0].dims[1] != out[1].dims[1] ||
        out[1].dims[2] < 3)
        return err_fail(err, ERR_FORMAT, "the table model's outputs have a wrong shape");
    struct slanet_output o = {.boxes = out[0].data,
                              .tokens = out[1].data,
                              .steps = (size_t)out[1].dims[1],
                              .classes = (size_t)out[1].dims[2]};
    return slanet_decode(&o, dictionary, dictionary_count, (float)left, (float)top, INPUT_PX / scale,
                         INPUT_PX / scale, ret, err);
}
