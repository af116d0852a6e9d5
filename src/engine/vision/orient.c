/*
 * Which way up a page lies. The classifier sees a square; three squares along the longer side vote with their
 * probabilities, so that a picture or an empty middle does not decide alone.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/infer.h"

#define INPUT_PX 224
#define SHORT_SIDE_PX 256 /* the page is scaled to this first; the square is cut from its middle */
#define CLASSES 4         /* turned clockwise by 0, 90, 180, 270 degrees */

/* Adds the four probabilities of the square at (left, top). */
static int square_add(const struct vision_lane *l, const struct vision_image *im, int left, int top, int side,
                      float sum[CLASSES], struct err *err)
{
    struct planes input;
    int r = input_new(INPUT_PX, INPUT_PX, &input, err);
    if (r)
        return r;
    struct tensor out;
    r = resize_into(im, left, top, side, side, &norm_imagenet, &input, err);
    if (r == 0)
        r = infer_planes(l, MODEL_ORIENTATION, &input, &out, 1, err);
    free(input.data);
    if (r)
        return r;
    if (out.rank != 2 || out.dims[1] != CLASSES)
        return err_fail(err, ERR_FORMAT, "the orientation model's output does not have %d classes", CLASSES);
    for (int i = 0; i < CLASSES; i++)
        sum[i] += out.data[i];
    return 0;
}

int vision_orient(const struct vision_lane *l, const struct vision_image *im, struct ipc_orientation *ret,
                  struct err *err)
{
    int r = image_check(im, err);
    if (r)
        return r;
    int shorter = MIN(im->width_px, im->height_px);
    int side = MAX(1, (int)lround((double)shorter * INPUT_PX / SHORT_SIDE_PX));
    int left = im->width_px - side, top = im->height_px - side; /* the room to move in */
    float sum[CLASSES] = {0};
    for (int k = 1; k <= 3 && r == 0; k++) {
        bool wide = im->width_px > im->height_px;
        r = square_add(l, im, wide ? left * k / 4 : left / 2, wide ? top / 2 : top * k / 4, side, sum, err);
    }
    if (r)
        return r;
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (sum[i] > sum[best])
            best = i;
    ret->degrees = (uint16_t)((360 - 90 * best) % 360);
    ret->score = fminf(fmaxf(sum[best] / 3, 0), 1);
    return 0;
}
