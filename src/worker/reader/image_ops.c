/*
 * What leptonica does better than we would: rotation by small angles, skew, ruling lines, PNG. Leptonica's
 * pictures live only within these functions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/pix.h"

#define SMALL_DEGREES 15.0f
#define SKEW_SWEEP_DEGREES 18.0f /* a best angle near the end of the sweep does not count as one */
#define SKEW_STEP_DEGREES 1.0f
#define SKEW_FINEST_DEGREES 0.02f
#define SKEW_CONFIDENCE 2.0f
#define SKEW_SIDE_PX 2000 /* the picture is halved before the search while it is larger */
#define RULE_GAP_PX 9
#define PNG_LEVEL 3 /* a third of level 6's time for a tenth more bytes */

int image_rotate_small(const struct image *im, float degrees, struct image **ret, struct err *err)
{
    if (!(fabsf(degrees) <= SMALL_DEGREES))
        return err_fail(err, ERR_ARG, "a rotation by %g degrees is not a small one", (double)degrees);
    CLEANUP(pix_freep) PIX *pix = NULL;
    int rc = pix_of_image(im, &pix, err);
    if (rc < 0)
        return rc;
    float radians = degrees * (float)M_PI / 180;
    /* leptonica's own lower bound: below it, the picture is copied */
    PIX *turned = im->format == IMAGE_GREY8 ? pixRotateAMGray(pix, radians, 255)
                                            : pixRotateAMColor(pix, radians, 0xffffff00);
    if (!turned)
        return err_fail(err, ERR_MEMORY, "no memory to rotate a picture of %d x %d pixels", im->width_px,
                        im->height_px);
    return image_of_pix(&turned, im->format, im->dpi, LIMIT_IMAGE_PIXELS, ret, err);
}

float image_find_skew(const struct image *im, float *ret_confidence)
{
    *ret_confidence = 0;
    pix_setup();
    CLEANUP(pix_freep) PIX *pix = pix_binarise(im, MAX(im->width_px, im->height_px) > SKEW_SIDE_PX);
    float angle = 0, confidence = 0;
    if (!pix || pixFindSkewSweepAndSearch(pix, &angle, &confidence, 4, 2, SKEW_SWEEP_DEGREES,
                                          SKEW_STEP_DEGREES, SKEW_FINEST_DEGREES) != 0)
        return 0;
    if (!isfinite(angle) || !isfinite(confidence) || fabsf(angle) > SMALL_DEGREES)
        return 0;
    *ret_confidence = confidence;
    return confidence < SKEW_CONFIDENCE ? 0 : angle;
}

struct rules {
    struct image_rule *items;
    size_t count, cap;
};

/* The long straight runs of one direction. */
static int collect_rules(PIX *pix, int min_px, int across, struct rules *out)
{
    /* Pieces of half the length, joined over small gaps: a scanned line is seldom whole or quite straight. */
    int piece = MAX(min_px / 2, 8);
    char sequence[64];
    snprintf(sequence, sizeof(sequence), across ? "o%d.1 + c%d.3" : "o1.%d + c3.%d", piece, RULE_GAP_PX);
    CLEANUP(pix_freep) PIX *lines = pixMorphSequence(pix, sequence, 0);
    if (!lines)
        return -1;
    BOXA *boxes = pixConnCompBB(lines, 8);
    if (!boxes)
        return -1;
    int count = boxaGetCount(boxes);
    for (int i = 0; i < count && out->count < LIMIT_PAGE_RULES; i++) {
        l_int32 x, y, w, h;
        boxaGetBoxGeometry(boxes, i, &x, &y, &w, &h);
        int length = across ? w : h, thickness = across ? h : w;
        if (length < min_px || thickness > MAX(8, length / 12)) /* a solid area is no line */
            continue;
        float cx = (float)x + (float)w / 2, cy = (float)y + (float)h / 2;
        *VEC_PUSH(out->items, out->count,
                  out->cap) = across ? (struct image_rule){(float)x, cy, (float)(x + w), cy}
                                     : (struct image_rule){cx, (float)y, cx, (float)(y + h)};
    }
    boxaDestroy(&boxes);
    return 0;
}

int image_find_rules(const struct image *im, int min_px, struct image_rule **ret, size_t *ret_count,
                     struct err *err)
{
    if (min_px < 2)
        return err_fail(err, ERR_ARG, "lines of %d pixels cannot be told from dots", min_px);
    pix_setup();
    CLEANUP(pix_freep) PIX *pix = pix_binarise(im, 0);
    struct rules rules = {0};
    if (!pix || collect_rules(pix, min_px, 1, &rules) < 0 || collect_rules(pix, min_px, 0, &rules) < 0) {
        free(rules.items);
        return err_fail(err, ERR_MEMORY, "no memory to look for lines in a picture of %d x %d pixels",
                        im->width_px, im->height_px);
    }
    *ret = rules.items;
    *ret_count = rules.count;
    return 0;
}

int image_encode_png(const struct image *im, uint8_t **ret, size_t *ret_bytes, struct err *err)
{
    CLEANUP(pix_freep) PIX *pix = NULL;
    int rc = pix_of_image(im, &pix, err);
    if (rc < 0)
        return rc;
    if (im->dpi > 0)
        pixSetResolution(pix, (l_int32)lrintf(im->dpi), (l_int32)lrintf(im->dpi));
    pixSetZlibCompression(pix, PNG_LEVEL);
    l_uint8 *bytes = NULL;
    size_t count = 0;
    if (pixWriteMemPng(&bytes, &count, pix, 0) != 0 || !bytes) {
        lept_free(bytes);
        return err_fail(err, ERR_MEMORY, "a picture of %d x %d pixels cannot be written as PNG", im->width_px,
                        im->height_px);
    }
    *ret = bytes; /* leptonica allocates with malloc */
    *ret_bytes = count;
    return 0;
}
