/*
 * Reading of text lines. Lines are read one at a time, in the order of their widths: on a CPU a batch gains
 * nothing and its padding costs, while equal shapes in a row are cheap. Widths are rounded up to 32 px, so
 * that a runtime meets few shapes.
 *
 * The small model's long lines are narrowed, which saves time in proportion and, in clean print, mistakes
 * too. It would drop letters where narrow ones meet ("little", "hill"), and with high scores; but such print
 * gives itself away by many characters on steps next to each other. So a line that is tight, or doubtful, or
 * of a script with wide characters, is read again in its true proportions, and so are the lines after it,
 * until one of them shows that there is room. The tiny model loses the spaces after full stops: not narrowed.
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
#define SMALL_NARROWING 0.8f /* of a long line's width */
#define LONG_RATIO 8.0f      /* from this ratio of length to height on a line is long */
#define NARROWED_TIGHT 0.38f /* share of tight characters from which a narrowed line is not trusted */
#define TRUE_TIGHT 0.16f     /* the same of a line in its true proportions: narrowed, it would be too tight */
#define NARROWED_SCORE 0.95f /* a narrowed line that scores less is not trusted */
#define WIDE_SCRIPT_BYTE 0xe3u /* from this first byte on, UTF-8 spells kana, Han and Hangul */
#define STUBBY_RATIO 4.0f /* a quad read downwards and no longer than this may be upright letters instead */

/* How a mode reads: the first pass, then another for lines scored less than `doubt` (0: none). */
struct plan {
    enum model_role first;
    float narrowing; /* of long lines in the first pass, 1: none */
    float doubt;
    enum model_role second;
};

static const struct plan plans[IPC_READ_MODE_COUNT] = {
    [IPC_READ_AUTO] = {MODEL_REC_TINY, 1, 0.95f, MODEL_REC_SMALL},
    [IPC_READ_TINY] = {MODEL_REC_TINY, 1, 0, MODEL_REC_TINY},
    [IPC_READ_SMALL] = {MODEL_REC_SMALL, SMALL_NARROWING, 0, MODEL_REC_SMALL},
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

static float quad_ratio(const float quad[8])
{
    float length, height;
    crop_size(quad, &length, &height);
    return length / fmaxf(height, 1);
}

/* What a page's lines are read with, and what the lines read so far have taught. */
struct reader {
    const struct vision_lane *lane;
    const struct vision_image *image;
    const struct plan *plan;
    bool true_widths; /* the print is too narrow, or its script too wide, for lines to be narrowed */
};

/* A reading of a quad; text is malloced. */
struct reading {
    char *text;
    float score, tight; /* tight: share of the characters */
};

/* Reads one quad, its width times `narrowing`. */
static int read_quad(const struct reader *d, const float quad[8], enum model_role role, float narrowing,
                     struct reading *ret, struct err *err)
{
    const char *const *dictionary;
    size_t dictionary_count;
    int r = models_dictionary(d->lane->models, role, &dictionary, &dictionary_count, err);
    if (r)
        return r;
    int width = width_of(quad_ratio(quad) * narrowing);
    int padded = MAX(MIN_WIDTH_PX, (width + STEP_PX - 1) / STEP_PX * STEP_PX);
    struct planes input;
    r = input_new(padded, LINE_HEIGHT_PX, &input, err);
    if (r)
        return r;
    struct planes part = input_part(&input, width, LINE_HEIGHT_PX);
    struct tensor out;
    r = crop_into(d->image, quad, &norm_half, &part, err);
    if (r == 0)
        r = infer_planes(d->lane, role, &input, &out, 1, err);
    free(input.data);
    if (r)
        return r;
    if (out.rank != 3 || out.dims[0] != 1 || out.dims[1] < 0 || out.dims[2] < 1)
        return err_fail(err, ERR_FORMAT, "the recogniser's output does not have the shape steps x classes");
    struct buf text = BUF_INIT(IPC_MAX_LINE_BYTES - 1);
    struct ctc_line line;
    r = ctc_decode(out.data, (size_t)out.dims[1], (size_t)out.dims[2], dictionary, dictionary_count, &text,
                   &line, err);
    if (r == 0 && text.overflown)
        r = err_fail(err, ERR_LIMIT, "a line has more than %d bytes of text", IPC_MAX_LINE_BYTES - 1);
    if (r) {
        buf_done(&text);
        return r;
    }
    ret->text = buf_take(&text);
    ret->score = line.score;
    ret->tight = line.characters > 0 ? (float)line.tight / (float)line.characters : 0;
    return 0;
}

static bool has_wide_script(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++)
        if (*s >= WIDE_SCRIPT_BYTE)
            return true;
    return false;
}

/* Reads one quad, narrowed when it is long and nothing speaks against it. */
static int read_long(struct reader *d, const float quad[8], enum model_role role, struct reading *ret,
                     struct err *err)
{
    bool is_long = d->plan->narrowing < 1 && quad_ratio(quad) >= LONG_RATIO;
    if (is_long && !d->true_widths) {
        struct reading narrowed;
        int r = read_quad(d, quad, role, d->plan->narrowing, &narrowed, err);
        if (r)
            return r;
        d->true_widths = narrowed.tight >= NARROWED_TIGHT || has_wide_script(narrowed.text);
        if (!d->true_widths && narrowed.score >= NARROWED_SCORE) {
            *ret = narrowed;
            return 0;
        }
        free(narrowed.text);
        return read_quad(d, quad, role, 1, ret, err);
    }
    int r = read_quad(d, quad, role, 1, ret, err);
    if (r == 0 && is_long)
        d->true_widths = ret->tight >= TRUE_TIGHT || has_wide_script(ret->text);
    return r;
}

/* Keeps the reading with the line when it scores better than what the line has. */
static void keep_better(struct ipc_line *line, const float quad[8], struct reading *reading)
{
    if (line->text && reading->score <= line->score) {
        free(reading->text);
        return;
    }
    free(line->text);
    line->text = reading->text;
    line->score = fminf(reading->score, 1);
    memmove(line->quad, quad, sizeof(line->quad));
}

/* The first pass over a quad. */
static int read_better(struct reader *d, const float quad[8], struct ipc_line *line, struct err *err)
{
    struct reading reading;
    int r = read_long(d, quad, d->plan->first, &reading, err);
    if (r == 0)
        keep_better(line, quad, &reading);
    return r;
}

/* Another reading of a line in doubt, by the plan's second model. */
static int read_again(const struct reader *d, struct ipc_line *line, struct err *err)
{
    struct reading reading;
    int r = read_quad(d, line->quad, d->plan->second, 1, &reading, err);
    if (r == 0)
        keep_better(line, line->quad, &reading);
    return r;
}

/* Turns the quad by 180 degrees when the classifier is sure that the line stands on its head. */
static int turn_if_upside_down(const struct vision_lane *l, const struct vision_image *im, float quad[8],
                               struct err *err)
{
    struct planes input;
    int r = input_new(CLS_WIDTH_PX, LINE_HEIGHT_PX, &input, err);
    if (r)
        return r;
    struct planes part = input_part(&input, width_of(quad_ratio(quad)), LINE_HEIGHT_PX);
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
static int read_turned(struct reader *d, const float quad[8], struct ipc_line *line, struct err *err)
{
    float other[8];
    int r = 0;
    if (quad_ratio(quad) <= STUBBY_RATIO) {
        crop_turn(quad, 3, other);
        r = read_better(d, other, line, err);
    }
    if (r == 0 && line->score < TURNED_DOUBT) {
        crop_turn(quad, 2, other);
        r = read_better(d, other, line, err);
    }
    return r;
}

static int read_first(struct reader *d, const float quad[8], bool textline_cls, struct ipc_line *line,
                      struct err *err)
{
    float upright[8];
    memcpy(upright, quad, sizeof(upright));
    int r = textline_cls ? turn_if_upside_down(d->lane, d->image, upright, err) : 0;
    if (r == 0)
        r = read_better(d, upright, line, err);
    bool downwards = fabsf(quad[3] - quad[1]) > fabsf(quad[2] - quad[0]);
    if (r == 0 && downwards)
        r = read_turned(d, upright, line, err);
    return r;
}

static void lines_clear(struct ipc_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(lines[i].text);
        lines[i].text = NULL;
    }
}

static int read_all(struct reader *d, const struct vision_quad *quads, const struct turn *turns, size_t count,
                    bool textline_cls, struct ipc_line *out, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        size_t k = turns[i].line;
        r = read_first(d, quads[k].quad, textline_cls, &out[k], err);
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        struct ipc_line *line = &out[turns[i].line];
        if (line->score < d->plan->doubt)
            r = read_again(d, line, err);
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
        turns[i] = (struct turn){.line = i, .ratio = quad_ratio(quads[i].quad)};
        out[i] = (struct ipc_line){0};
        memcpy(out[i].quad, quads[i].quad, sizeof(out[i].quad));
    }
    qsort(turns, count, sizeof(*turns), by_ratio);
    struct reader d = {.lane = l, .image = im, .plan = &plans[mode]};
    r = read_all(&d, quads, turns, count, textline_cls, out, err);
    free(turns);
    if (r)
        lines_clear(out, count);
    return r;
}
