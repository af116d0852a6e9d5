/*
 * The regions of a page: a PicoDet detector with the ten classes of the CDLA set, whose order is that of enum
 * ipc_region_label. The page is stretched to the model's size, as the model was trained.
 */
#include <string.h>

#include "base/mem.h"
#include "engine/vision/infer.h"
#include "engine/vision/picodet.h"

#define INPUT_WIDTH_PX 608
#define INPUT_HEIGHT_PX 800

static const struct picodet_options options = {
    .width_px = INPUT_WIDTH_PX,
    .height_px = INPUT_HEIGHT_PX,
    .classes = IPC_REGION_LABEL_COUNT,
    .min_score = 0.4f,
    .max_overlap = 0.5f,
    .max_boxes = IPC_MAX_REGIONS / IPC_REGION_LABEL_COUNT,
};

int vision_layout(const struct vision_lane *l, const struct vision_image *im, struct ipc_regions *ret,
                  struct err *err)
{
    int r = image_check(im, err);
    if (r)
        return r;
    struct planes input;
    r = input_new(INPUT_WIDTH_PX, INPUT_HEIGHT_PX, &input, err);
    if (r)
        return r;
    struct tensor out[2 * PICODET_GRIDS];
    r = resize_into(im, 0, 0, im->width_px, im->height_px, &norm_imagenet, &input, err);
    if (r == 0)
        r = infer_planes(l, MODEL_LAYOUT, &input, out, 2 * PICODET_GRIDS, err);
    free(input.data);
    if (r)
        return r;
    struct picodet_boxes boxes = {0};
    r = picodet_decode(out, &options, &boxes, err);
    float sx = (float)im->width_px / INPUT_WIDTH_PX, sy = (float)im->height_px / INPUT_HEIGHT_PX;
    struct ipc_regions regions = {0};
    for (size_t i = 0; i < boxes.count && r == 0; i++) {
        const struct picodet_box *b = &boxes.items[i];
        *VEC_PUSH(regions.items, regions.count, regions.cap) = (struct ipc_region){
            .label = (uint8_t)b->label,
            .score = b->score,
            .box = {b->left * sx, b->top * sy, b->right * sx, b->bottom * sy},
        };
    }
    free(boxes.items);
    if (r == 0)
        *ret = regions;
    return r;
}
