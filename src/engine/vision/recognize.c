/*
 * Reading of text lines. Lines are read one at a time, in the order of their widths: on a CPU a batch gains
 * nothing and its padding costs, while equal shapes in a row are cheap. Widths are rounded up to 32 px, so
 * that a runtime meets few shapes.
 *
 * Lines keep their proportions. Narrowing them first saves time in proportion, but drops letters where narrow
 * ones meet ("little", "hill"), and does so with high scores, so that no second reading mends it: measured,
 * and given up.
 *
 * Lines whose score leaves a doubt are read again with the larger model, and the better score is kept.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/vision/crop.h"
#include "engine/vision/ctc.h"
#include "engine/vision/infer.h"

#define LINE_HEIGHT_PX 48
#define STEP_PX 32
#define MIN_WIDTH_PX 64
#define MAX_WIDTH_PX 3200
#define MIN_SCORE 0.5f /* what scores less is not text that was read */
#define CLS_WIDTH_PX 192
#define CLS_MIN_SCORE 0.9f
#define STUBBY_RATIO 4.0f /* a quad read downwards and no longer than this may be upright letters instead */

/* How a mode reads: the first pass, then another for lines scored less than `doubt` (0: none). */
struct plan {
    enum model_role first;
    float doubt;
    enum model_role second;
};

static const struct plan plans[IPC_READ_MODE_COUNT] = {
    [IPC_READ_AUTO] = {MODEL_REC_TINY, 0.95f, MODEL_REC_SMALL},
    [IPC_READ_TINY] = {MODEL_REC_TINY, 0, MODEL_REC_TINY},
    [IPC_READ_SMALL] = {MODEL_REC_SMALL, 0, MODEL_REC_SMALL},
};

/* Below this score a turned quad is tried the other way round, too. */
#define TURNED_DOUBT 0.95f

/* Where a line stands in the order of reading. */
struct turn {
    size_t line;
    float ratio; /* length to height */
};

static int by_ratio(const void *a, const void *b)
{
    const struct turn *p = a, *q = b;
    if (p->ratio != q->ratio)
        return p->ratio < q->ratio ? -1 : 1;
    return p->line < q->line ? -1 : p->line > q->line;
}

static int width_of(float ratio)
{
    float px = ceilf(LINE_HEIGHT_PX * ratio);
    return px < MAX_WIDTH_PX ? MAX((int)px, 1) : MAX_WIDTH_PX;
}

/* Reads one quad; text is malloced. */
static int read_quad(const struct vision_lane *l, const struct vision_image *im, const float quad[8],
                     enum model_role role, char **ret_text, float *ret_score, struct err *err)
{
    const char *const *dictionary;
    size_t dictionary_count;
    int r = models_dictionary(l->models, role, &dictionary, &dictionary_count, err);
    if (r)
        return r;
    float length, height;
    crop_size(quad, &length, &height);
    int width = width_of(length / fmaxf(height, 1));
    int padded = MAX(MIN_WIDTH_PX, (width + STEP_PX - 1) / STEP_PX * STEP_PX);
    struct planes input;
    r = input_new(padded, LINE_HEIGHT_PX, &input, err);
    if (r)
        return r;
    struct planes part = input_part(&input, width, LINE_HEIGHT_PX);
    struct tensor out;
    r = crop_into(im, quad, &norm_half, &part, err);
    if (r == 0)
        r = infer_planes(l, role, &input, &out, 1, err);
    free(input.data);
    if (r)
        return r;
    if (out.rank != 3 || out.dims[0] != 1 || out.dims[1] < 0 || out.dims[2] < 1)
        return err_fail(err, ERR_FORMAT, "the recogniser's output does not have the shape steps x classes");
    struct buf text = BUF_INIT(IPC_MAX_LINE_BYTES - 1);
    float score = 0;
    r = ctc_decode(out.data, (size_t)out.dims[1], (size_t)out.dims[2], dictionary, dictionary_count, &text,
                   &score, err);
    if (r == 0 && text.overflown)
        r = err_fail(err, ERR_LIMIT, "a line has more than %d bytes of text", IPC_MAX_LINE_BYTES - 1);
    if (r) {
        buf_done(&text);
        return r;
    }
    *ret_text = buf_take(&text);
    *ret_score = score;
    return 0;
}

/* Reads the quad and keeps it with what was read when that scores better than the line's. */
static int read_better(const struct vision_lane *l, const struct vision_image *im, const float quad[8],
                       enum model_role role, struct ipc_line *line, struct err *err)
{
    char *text = NULL;
    float score = 0;
    int r = read_quad(l, im, quad, role, &text, &score, err);
    if (r)
        return r;
    if (!line->text || score > line->score) {
        free(line->text);
        line->text = text;
        line->score = fminf(score, 1);
        memmove(line->quad, quad, sizeof(line->quad));
    } else {
        free(text);
    }
    return 0;
}

/* Turns the quad by 180 degrees when the classifier is sure that the line stands on its head. */
static int turn_if_upside_down(const struct vision_lane *l, const struct vision_image *im, float quad[8],
                               struct err *err)
{
    float length, height;
    crop_size(quad, &length, &height);
    struct planes input;
    int r = input_new(CLS_WIDTH_PX, LINE_HEIGHT_PX, &input, err);
    if (r)
        return r;
    struct planes part = input_part(&input, width_of(length / fmaxf(height, 1)), LINE_HEIGHT_PX);
    struct tensor out;
    r = crop_into(im, quad, &norm_half, &part, err);
    if (r == 0)
        r = infer_planes(l, MODEL_TEXTLINE_CLS, &input, &out, 1, err);
    free(input.data);
    if (r)
        return r;
    if (out.rank != 2 || out.dims[1] != 2)
        return err_fail(err, ERR_FORMAT, "the text line classifier's output does not have two classes");
    if (out.data[1] > CLS_MIN_SCORE) {
        float turned[8];
        crop_turn(quad, 2, turned);
        memcpy(quad, turned, sizeof(turned));
    }
    return 0;
}

/* A quad that the detector had to turn may be text that runs upwards, or, when short, a few upright letters.
 */
static int read_turned(const struct vision_lane *l, const struct vision_image *im, const float quad[8],
                       const struct plan *plan, struct ipc_line *line, struct err *err)
{
    float length, height, other[8];
    crop_size(quad, &length, &height);
    int r = 0;
    if (length <= STUBBY_RATIO * height) {
        crop_turn(quad, 3, other);
        r = read_better(l, im, other, plan->first, line, err);
    }
    if (r == 0 && line->score < TURNED_DOUBT) {
        crop_turn(quad, 2, other);
        r = read_better(l, im, other, plan->first, line, err);
    }
    return r;
}

static int read_first(const struct vision_lane *l, const struct vision_image *im, const float quad[8],
                      const struct plan *plan, bool textline_cls, struct ipc_line *line, struct err *err)
{
    float upright[8];
    memcpy(upright, quad, sizeof(upright));
    int r = textline_cls ? turn_if_upside_down(l, im, upright, err) : 0;
    if (r == 0)
        r = read_better(l, im, upright, plan->first, line, err);
    bool downwards = fabsf(quad[3] - quad[1]) > fabsf(quad[2] - quad[0]);
    if (r == 0 && downwards)
        r = read_turned(l, im, upright, plan, line, err);
    return r;
}

static void lines_clear(struct ipc_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(lines[i].text);
        lines[i].text = NULL;
    }
}

static int read_all(const struct vision_lane *l, const struct vision_image *im,
                    const struct vision_quad *quads, struct turn *turns, size_t count,
                    const struct plan *plan, bool textline_cls, struct ipc_line *out, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        size_t k = turns[i].line;
        r = read_first(l, im, quads[k].quad, plan, textline_cls, &out[k], err);
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        struct ipc_line *line = &out[turns[i].line];
        if (line->score < plan->doubt)
            r = read_better(l, im, line->quad, plan->second, line, err);
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        if (out[i].score < MIN_SCORE) {
            out[i].text[0] = '\0';
            out[i].score = 0;
        }
    }
    return r;
}

int vision_read(const struct vision_lane *l, const struct vision_image *im, const struct vision_quad *quads,
                size_t count, enum ipc_read_mode mode, bool textline_cls, struct ipc_line *out,
                struct err *err)
{
    int r = image_check(im, err);
    if (r)
        return r;
    if ((unsigned)mode >= IPC_READ_MODE_COUNT)
        return err_fail(err, ERR_ARG, "read mode %d", (int)mode);
    if (count == 0)
        return 0;
    struct turn *turns = try_calloc(count, sizeof(*turns));
    if (!turns)
        return err_fail(err, ERR_MEMORY, "no memory to read %zu lines", count);
    for (size_t i = 0; i < count; i++) {
        float length, height;
        crop_size(quads[i].quad, &length, &height);
        turns[i] = (struct turn){.line = i, .ratio = length / fmaxf(height, 1)};
        out[i] = (struct ipc_line){0};
        memcpy(out[i].quad, quads[i].quad, sizeof(out[i].quad));
    }
    qsort(turns, count, sizeof(*turns), by_ratio);
    r = read_all(l, im, quads, turns, count, &plans[mode], textline_cls, out, err);
    free(turns);
    if (r)
        lines_clear(out, count);
    return r;
}
