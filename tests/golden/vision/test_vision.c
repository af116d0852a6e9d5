/*
 * The vision code with the real models against what the reference implementations saw in the same pictures
 * (reference.json, made by make.py). Boxes may differ by how a picture is scaled, so they are compared by
 * overlap; texts, labels and grids must be equal.
 */
#include <leptonica/allheaders.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "engine/vision/vision.h"

#define MAX_PATH_BYTES 4096

static struct vision_lane lane;
static json_t *reference;

struct picture {
    uint8_t *pixels;
    struct vision_image image;
};

/* channels 3: the grey value in each, as the reference implementations were given it. */
static struct picture picture_of(PIX *pix, int channels)
{
    struct picture p = {0};
    int width = pixGetWidth(pix), height = pixGetHeight(pix);
    p.pixels = xmalloc((size_t)width * (size_t)height * (size_t)channels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            l_uint32 v = 0;
            assert_int_equal(pixGetPixel(pix, x, y, &v), 0);
            for (int c = 0; c < channels; c++)
                p.pixels[((size_t)y * (size_t)width + (size_t)x) * (size_t)channels + (size_t)c] = (uint8_t)v;
        }
    p.image = (struct vision_image){.pixels = p.pixels,
                                    .width_px = width,
                                    .height_px = height,
                                    .stride_bytes = (size_t)width * (size_t)channels,
                                    .channels = channels};
    return p;
}

static PIX *pix_open(const char *name)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    PIX *pix = pixRead(path);
    assert_non_null(pix);
    assert_int_equal(pixGetDepth(pix), 8);
    return pix;
}

static struct picture picture_open(const char *name, int channels)
{
    PIX *pix = pix_open(name);
    struct picture p = picture_of(pix, channels);
    pixDestroy(&pix);
    return p;
}

static float number(const json_t *array, size_t i)
{
    return (float)json_number_value(json_array_get(array, i));
}

static struct ipc_box quad_box(const float q[8])
{
    struct ipc_box b = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        b.left = fminf(b.left, q[2 * i]);
        b.right = fmaxf(b.right, q[2 * i]);
        b.top = fminf(b.top, q[2 * i + 1]);
        b.bottom = fmaxf(b.bottom, q[2 * i + 1]);
    }
    return b;
}

static struct ipc_box json_quad_box(const json_t *quad)
{
    float q[8];
    for (size_t i = 0; i < 8; i++)
        q[i] = number(quad, i);
    return quad_box(q);
}

static struct ipc_box json_box(const json_t *box)
{
    return (struct ipc_box){number(box, 0), number(box, 1), number(box, 2), number(box, 3)};
}

static float box_overlap(struct ipc_box a, struct ipc_box b)
{
    float w = fminf(a.right, b.right) - fmaxf(a.left, b.left),
          h = fminf(a.bottom, b.bottom) - fmaxf(a.top, b.top);
    if (w <= 0 || h <= 0)
        return 0;
    return w * h /
           ((a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top) - w * h);
}

static void test_detection(void **state)
{
    (void)state;
    struct picture p = picture_open("lines.png", 3);
    struct vision_quads q = {0};
    assert_int_equal(vision_detect(&lane, &p.image, false, &q, NULL), 0);
    const json_t *want = json_object_get(reference, "detection");
    assert_int_equal(q.count, json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *w = json_array_get(want, i);
        struct ipc_box box = json_quad_box(json_object_get(w, "quad"));
        size_t best = 0;
        for (size_t k = 1; k < q.count; k++)
            if (box_overlap(box, quad_box(q.items[k].quad)) > box_overlap(box, quad_box(q.items[best].quad)))
                best = k;
        assert_true(box_overlap(box, quad_box(q.items[best].quad)) > 0.85f);
        assert_true(fabs((double)q.items[best].score - json_number_value(json_object_get(w, "score"))) < 0.1);
    }
    vision_quads_done(&q);
    free(p.pixels);
}

static void lines_read(const struct vision_image *im, enum ipc_read_mode mode, bool cls,
                       struct ipc_lines *ret)
{
    struct vision_quads q = {0};
    struct err err = ERR_INIT;
    if (vision_detect(&lane, im, mode == IPC_READ_SMALL, &q, &err) != 0)
        fail_msg("%s", err.message);
    ret->items = xnew_array(struct ipc_line, q.count + 1);
    ret->count = q.count;
    if (vision_read(&lane, im, q.items, q.count, mode, cls, ret->items, &err) != 0)
        fail_msg("%s", err.message);
    vision_quads_done(&q);
}

/* Every line of the reference is there, with its text. */
static void expect_texts(const struct ipc_lines *lines, bool boxes)
{
    const json_t *want = json_object_get(reference, "reading");
    assert_int_equal(lines->count, json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *w = json_array_get(want, i);
        const char *text = json_string_value(json_object_get(w, "text"));
        size_t k = 0;
        while (k < lines->count && strcmp(lines->items[k].text, text) != 0)
            k++;
        if (k == lines->count)
            fail_msg("no line reads \"%s\"", text);
        double score = json_number_value(json_object_get(w, "score"));
        assert_true(fabs((double)lines->items[k].score - score) < 0.04);
        if (boxes)
            assert_true(box_overlap(json_quad_box(json_object_get(w, "quad")),
                                    quad_box(lines->items[k].quad)) > 0.7f);
    }
}

static void test_reading_grey_and_colour(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        struct picture p = picture_open("lines.png", channels);
        struct ipc_lines lines = {0};
        lines_read(&p.image, IPC_READ_SMALL, false, &lines);
        expect_texts(&lines, true);
        ipc_lines_done(&lines);
        free(p.pixels);
    }
}

/* The same page on its head, read with the text line classifier; and on its side, where lines run downwards
 * or upwards. */
static void test_reading_turned(void **state)
{
    (void)state;
    PIX *pix = pix_open("lines.png");
    for (int quarters = 1; quarters <= 3; quarters++) {
        PIX *turned = pixRotateOrth(pix, quarters);
        struct picture p = picture_of(turned, 1);
        struct ipc_lines lines = {0};
        lines_read(&p.image, IPC_READ_SMALL, quarters == 2, &lines);
        size_t found = 0;
        for (size_t i = 0; i < lines.count; i++)
            found += strcmp(lines.items[i].text, "Melt sand, soda and lime, and let it cool slowly.") == 0 ||
                     strcmp(lines.items[i].text, "A Short History of Glass") == 0 ||
                     strcmp(lines.items[i].text, "玻璃是一种透明的固体材料") == 0;
        assert_int_equal(found, 3);
        ipc_lines_done(&lines);
        free(p.pixels);
        pixDestroy(&turned);
    }
    pixDestroy(&pix);
}

static void test_orientation(void **state)
{
    (void)state;
    const json_t *want = json_object_get(reference, "orientation");
    PIX *pix = pix_open("page.png");
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *w = json_array_get(want, i);
        int turned = (int)json_integer_value(json_object_get(w, "turned_clockwise"));
        int label = (int)json_integer_value(json_object_get(w, "label"));
        PIX *t = pixRotateOrth(pix, turned / 90);
        struct picture p = picture_of(t, 1);
        struct ipc_orientation o = {0};
        assert_int_equal(vision_orient(&lane, &p.image, &o, NULL), 0);
        assert_int_equal((o.degrees + label) % 360, 0);
        assert_true(o.score > 0.5f && o.score <= 1);
        free(p.pixels);
        pixDestroy(&t);
    }
    pixDestroy(&pix);
}

static void test_layout(void **state)
{
    (void)state;
    static const char *const labels[IPC_REGION_LABEL_COUNT] = {
        "text",          "title",  "figure", "figure_caption", "table",
        "table_caption", "header", "footer", "reference",      "equation"};
    struct picture p = picture_open("page.png", 1);
    struct ipc_regions regions = {0};
    assert_int_equal(vision_layout(&lane, &p.image, &regions, NULL), 0);
    const json_t *want = json_object_get(reference, "layout");
    assert_int_equal(regions.count, json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *w = json_array_get(want, i);
        struct ipc_box box = json_box(json_object_get(w, "box"));
        bool found = false;
        for (size_t k = 0; k < regions.count; k++)
            found |= strcmp(labels[regions.items[k].label], json_string_value(json_object_get(w, "label"))) ==
                         0 &&
                     box_overlap(regions.items[k].box, box) > 0.9f &&
                     fabs((double)regions.items[k].score - json_number_value(json_object_get(w, "score"))) <
                         0.05;
        assert_true(found);
    }
    ipc_regions_done(&regions);
    free(p.pixels);
}

static void test_table(void **state)
{
    (void)state;
    struct picture p = picture_open("page.png", 1);
    const json_t *want = json_object_get(reference, "table"), *cells = json_object_get(want, "cells");
    struct ipc_grid g = {0};
    assert_int_equal(vision_table(&lane, &p.image, json_box(json_object_get(want, "box")), &g, NULL), 0);
    assert_int_equal(g.rows, json_integer_value(json_object_get(want, "rows")));
    assert_int_equal(g.count, json_array_size(cells));
    for (size_t i = 0; i < g.count; i++) {
        const json_t *c = json_array_get(cells, i);
        assert_int_equal(g.items[i].row, json_integer_value(json_object_get(c, "row")));
        assert_int_equal(g.items[i].col, json_integer_value(json_object_get(c, "col")));
        assert_int_equal(g.items[i].row_span, json_integer_value(json_object_get(c, "row_span")));
        assert_int_equal(g.items[i].col_span, json_integer_value(json_object_get(c, "col_span")));
        /* The two packages' models draw cells differently (the text, or the whole cell); ours must lie in the
         * right cell. */
        struct ipc_box cell = json_box(json_object_get(c, "box")), got = g.items[i].box;
        float x = (got.left + got.right) / 2, y = (got.top + got.bottom) / 2;
        assert_true(x > cell.left && x < cell.right && y > cell.top && y < cell.bottom);
    }
    ipc_grid_done(&g);
    free(p.pixels);
}

int main(void)
{
    struct err err = ERR_INIT;
    struct backend *backend;
    const struct backend_options options = {.lanes = 1};
    reference = json_load_file(GOLDEN_DIR "/reference.json", 0, NULL);
    if (!reference || backend_new("openvino", &options, &backend, &err) ||
        models_open(PLATEN_SDK_MODELS, backend, 1, &lane.models, &err)) {
        fprintf(stderr, "cannot start: %s\n", reference ? err.message : "no reference.json");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detection),      cmocka_unit_test(test_reading_grey_and_colour),
        cmocka_unit_test(test_reading_turned), cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_layout),         cmocka_unit_test(test_table),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    models_free(lane.models);
    backend_free(backend);
    json_decref(reference);
    return failed;
}
