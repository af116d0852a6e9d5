/*
 * A runtime without a network, for tests: the answer is computed from the input tensor by simple rules, so
 * that the vision code on top reads plain black-on-white pages sensibly and always alike. It answers by the
 * model's manifest name: *det*          darkness, spread sideways so that the words of a line join *rec* CTC
 * steps that spell "line" and one digit, a hash of the crop *orientation*  upright        *cls*  not turned
 *   *layout*       no region      *table*, *slanet*  two rows of two cells
 * Faults on demand, from the environment: PLATEN_FAKE_SLEEP_MS (each inference takes so long),
 * PLATEN_FAKE_CRASH_AT and PLATEN_FAKE_HANG_AT (the n-th inference of the process, from 1, aborts or never
 * ends).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/backend/ops.h"

#define INK 0.95f
#define PAPER 0.02f
#define JOIN_PX 10 /* darkness spreads so far to each side */
#define TABLE_STEPS 16

enum kind { KIND_DET, KIND_REC, KIND_ORIENTATION, KIND_CLS, KIND_LAYOUT, KIND_TABLE };

struct fake {
    struct backend base;
    long sleep_ms, crash_at, hang_at;
    atomic_long started;
};

struct fake_model {
    struct backend_model base;
    enum kind kind;
    const char *const *classes;
    size_t class_count;
};

struct fake_request {
    struct backend_request base;
    const struct fake_model *model;
    float *data; /* all outputs, one after the other */
    size_t cap;
};

static long number_of_env(const char *name)
{
    const char *s = getenv(name);
    return s != NULL ? strtol(s, NULL, 10) : 0;
}

static int open_backend(const struct backend_options *options, struct backend **ret, struct err *err)
{
    (void)options;
    (void)err;
    struct fake *f = xnew(struct fake);
    f->sleep_ms = number_of_env("PLATEN_FAKE_SLEEP_MS");
    f->crash_at = number_of_env("PLATEN_FAKE_CRASH_AT");
    f->hang_at = number_of_env("PLATEN_FAKE_HANG_AT");
    *ret = &f->base;
    return 0;
}

static void close_backend(struct backend *b)
{
    free(b);
}

static int load(struct backend *b, const char *name, const char *path, int streams,
                struct backend_model **ret, struct err *err)
{
    static const struct {
        const char *part;
        enum kind kind;
    } names[] = {
        {"layout", KIND_LAYOUT}, {"table", KIND_TABLE},
        {"slanet", KIND_TABLE},  {"orientation", KIND_ORIENTATION},
        {"cls", KIND_CLS},       {"rec", KIND_REC},
        {"det", KIND_DET}, /* last: picodet is a layout model */
    };
    (void)b;
    (void)streams;
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? err_fail(err, ERR_NOTFOUND, "%s: no such file: %s", name, path)
                               : err_errno(err, "%s", path);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(name, names[i].part) == NULL)
            continue;
        struct fake_model *m = xnew(struct fake_model);
        m->kind = names[i].kind;
        *ret = &m->base;
        return 0;
    }
    return err_fail(err, ERR_UNSUPPORTED, "the fake backend has no answer for a model called %s", name);
}

static void unload(struct backend_model *m)
{
    free(m);
}

static void set_classes(struct backend_model *base, const char *const *lines, size_t count)
{
    struct fake_model *m = (struct fake_model *)base;
    m->classes = lines;
    m->class_count = count;
}

static int request_new(struct backend_model *base, struct backend_request **ret, struct err *err)
{
    (void)err;
    struct fake_request *r = xnew(struct fake_request);
    r->model = (struct fake_model *)base;
    *ret = &r->base;
    return 0;
}

static void request_free(struct backend_request *base)
{
    struct fake_request *r = (struct fake_request *)base;
    free(r->data);
    free(r);
}

/* Zeroed room for n floats, kept until the next call. */
static int room(struct fake_request *r, size_t n, struct err *err)
{
    if (n > r->cap) {
        free(r->data);
        r->cap = 0;
        r->data = try_calloc(n, sizeof(float));
        if (r->data == NULL)
            return err_fail(err, ERR_MEMORY, "no memory for %zu output values", n);
        r->cap = n;
    }
    memset(r->data, 0, n * sizeof(float));
    return 0;
}

static int need_images(const struct tensor *in, struct err *err)
{
    if (in->rank != 4 || in->dims[1] != 3)
        return err_fail(err, ERR_ARG, "the model takes N x 3 x H x W");
    return 0;
}

/* Normalised pixels are below 0 when they are nearer to black than to white. */
static int answer_det(struct fake_request *r, const struct tensor *in, struct tensor *out, struct err *err)
{
    size_t n = (size_t)in->dims[0], h = (size_t)in->dims[2], w = (size_t)in->dims[3];
    int e = room(r, n * h * w, err);
    if (e < 0)
        return e;
    for (size_t row = 0; row < n * h; row++) {
        const float *px = in->data + (row / h) * 3 * h * w + (row % h) * w;
        float *to = r->data + row * w;
        for (size_t x = 0; x < w; x++)
            to[x] = PAPER;
        for (size_t x = 0; x < w; x++) {
            if (px[x] >= 0.0f)
                continue;
            for (size_t k = x > JOIN_PX ? x - JOIN_PX : 0; k <= MIN(x + JOIN_PX, w - 1); k++)
                to[k] = INK;
        }
    }
    *out = (struct tensor){.data = r->data, .rank = 4, .dims = {in->dims[0], 1, in->dims[2], in->dims[3]}};
    return 0;
}

static size_t class_of(const struct fake_model *m, const char *text, size_t otherwise)
{
    for (size_t i = 0; i < m->class_count; i++)
        if (strcmp(m->classes[i], text) == 0)
            return i;
    return otherwise;
}

/* The steps are: blank, letter, blank, letter, … A crop without a dark pixel has no text. Class 0 is the
 * blank, the last the space. */
static int answer_rec(struct fake_request *r, const struct tensor *in, struct tensor *out, struct err *err)
{
    size_t n = (size_t)in->dims[0], w = (size_t)in->dims[3], plane = (size_t)in->dims[2] * w;
    size_t steps = MAX(w / 8, 12), classes = r->model->class_count + 2;
    int e = room(r, n * steps * classes, err);
    if (e < 0)
        return e;
    for (size_t i = 0; i < n; i++) {
        const float *px = in->data + i * 3 * plane;
        unsigned hash = 0, dark = 0;
        for (size_t k = 0; k < plane; k++) {
            dark += px[k] < 0.0f;
            hash = hash * 31 + (px[k] < 0.0f);
        }
        char digit[2] = {(char)('0' + hash % 10), '\0'};
        const char *letters[5] = {"l", "i", "n", "e", digit};
        float *to = r->data + i * steps * classes;
        for (size_t s = 0; s < steps; s++) {
            size_t c = 0;
            if (dark > 0 && s % 2 == 1 && s / 2 < ARRAY_LEN(letters))
                c = class_of(r->model, letters[s / 2], 0) + 1;
            to[s * classes + c] = 0.99f;
        }
    }
    *out = (struct tensor){
        .data = r->data, .rank = 3, .dims = {in->dims[0], (int64_t)steps, (int64_t)classes}};
    return 0;
}

/* The first class wins: upright, not turned. */
static int answer_first_class(struct fake_request *r, const struct tensor *in, size_t classes,
                              struct tensor *out, struct err *err)
{
    int e = room(r, (size_t)in->dims[0] * classes, err);
    if (e < 0)
        return e;
    for (size_t i = 0; i < (size_t)in->dims[0]; i++)
        r->data[i * classes] = 1.0f;
    *out = (struct tensor){.data = r->data, .rank = 2, .dims = {in->dims[0], (int64_t)classes}};
    return 0;
}

/* Four scales of scores (all zero) and box offsets, as PicoDet has them. */
static int answer_layout(struct fake_request *r, const struct tensor *in, struct tensor *out, int max_outputs,
                         int *ret_count, struct err *err)
{
    size_t cells[4], total = 0;
    for (int s = 0; s < 4; s++) {
        int64_t stride = 8ll << s;
        cells[s] = (size_t)(((in->dims[2] + stride - 1) / stride) * ((in->dims[3] + stride - 1) / stride));
        total += cells[s] * (10 + 32);
    }
    int e = room(r, total, err);
    if (e < 0)
        return e;
    float *at = r->data;
    *ret_count = MIN(8, max_outputs);
    for (int i = 0; i < *ret_count; i++) {
        int64_t width = i < 4 ? 10 : 32, count = (int64_t)cells[i % 4];
        out[i] = (struct tensor){.data = at, .rank = 3, .dims = {1, count, width}};
        at += count * width;
    }
    return 0;
}

/* Tokens: start, the dictionary, stop. */
static int answer_table(struct fake_request *r, struct tensor *out, int max_outputs, int *ret_count,
                        struct err *err)
{
    static const char *const spelled[] = {"<tbody>", "<tr>",      "<td></td>", "<td></td>", "</tr>",
                                          "<tr>",    "<td></td>", "<td></td>", "</tr>",     "</tbody>"};
    const struct fake_model *m = r->model;
    size_t classes = m->class_count + 2;
    int e = room(r, TABLE_STEPS * (8 + classes), err);
    if (e < 0)
        return e;
    float *boxes = r->data, *tokens = r->data + TABLE_STEPS * 8;
    int cell = 0;
    for (size_t s = 0; s < TABLE_STEPS; s++) {
        bool is_end = s >= ARRAY_LEN(spelled);
        tokens[s * classes + (is_end ? classes - 1 : class_of(m, spelled[s], 0) + 1)] = 0.99f;
        if (is_end || strcmp(spelled[s], "<td></td>") != 0)
            continue;
        float x = (float)(cell % 2) * 0.5f, y = (float)(cell / 2) * 0.5f;
        const float quad[8] = {x, y, x + 0.5f, y, x + 0.5f, y + 0.5f, x, y + 0.5f};
        memcpy(boxes + s * 8, quad, sizeof(quad));
        cell++;
    }
    out[0] = (struct tensor){.data = boxes, .rank = 3, .dims = {1, TABLE_STEPS, 8}};
    if (max_outputs > 1)
        out[1] = (struct tensor){.data = tokens, .rank = 3, .dims = {1, TABLE_STEPS, (int64_t)classes}};
    *ret_count = MIN(2, max_outputs);
    return 0;
}

static void misbehave(struct fake *f)
{
    long n = atomic_fetch_add(&f->started, 1) + 1;
    if (n == f->crash_at)
        abort();
    while (n == f->hang_at)
        pause();
    if (f->sleep_ms > 0) {
        struct timespec t = {.tv_sec = f->sleep_ms / 1000, .tv_nsec = f->sleep_ms % 1000 * 1000000};
        while (nanosleep(&t, &t) != 0 && errno == EINTR)
            continue;
    }
}

static int infer(struct backend_request *base, const struct tensor *input, struct tensor *ret_outputs,
                 int max_outputs, int *ret_count, struct err *err)
{
    struct fake_request *r = (struct fake_request *)base;
    misbehave((struct fake *)base->backend);
    int e = need_images(input, err);
    if (e < 0)
        return e;
    if (max_outputs < 1)
        return err_fail(err, ERR_BUG, "no room for an output");
    *ret_count = 1;
    switch (r->model->kind) {
    case KIND_DET: return answer_det(r, input, ret_outputs, err);
    case KIND_REC: return answer_rec(r, input, ret_outputs, err);
    case KIND_ORIENTATION: return answer_first_class(r, input, 4, ret_outputs, err);
    case KIND_CLS: return answer_first_class(r, input, 2, ret_outputs, err);
    case KIND_LAYOUT: return answer_layout(r, input, ret_outputs, max_outputs, ret_count, err);
    case KIND_TABLE: return answer_table(r, ret_outputs, max_outputs, ret_count, err);
    }
    return err_fail(err, ERR_BUG, "a model of unknown kind");
}

const struct backend_ops backend_fake = {
    .name = "fake",
    .open = open_backend,
    .close = close_backend,
    .load = load,
    .unload = unload,
    .set_classes = set_classes,
    .request_new = request_new,
    .request_free = request_free,
    .infer = infer,
};
