/* Operations on page rasters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <leptonica/allheaders.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/image.h"

#define NEAR(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static struct image *make(int w, int h, enum image_format format)
{
    struct image *im = NULL;
    assert_int_equal(image_new(w, h, format, 150, &im, NULL), 0);
    return im;
}

static uint8_t *at(const struct image *im, int x, int y)
{
    return im->pixels + (size_t)y * im->stride_bytes + (size_t)x * im->format;
}

static void fill(struct image *im, int x0, int y0, int x1, int y1, int b, int g, int r)
{
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            uint8_t *p = at(im, x, y);
            p[0] = (uint8_t)b;
            if (im->format == IMAGE_BGR24)
                p[1] = (uint8_t)g, p[2] = (uint8_t)r;
        }
}

static void new_is_white_and_limited(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make(5, 3, IMAGE_BGR24);
    assert_true(im->stride_bytes >= 15 && im->dpi == 150.0f);
    assert_int_equal(*at(im, 4, 2), 255);
    struct image *none = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(image_new(10000, 5001, IMAGE_GREY8, 72, &none, &err), ERR_LIMIT);
    assert_int_equal(image_new(2147483647, 2147483647, IMAGE_BGR24, 72, &none, &err), ERR_LIMIT);
    assert_int_equal(image_new(0, 5, IMAGE_GREY8, 72, &none, &err), ERR_ARG);
    assert_int_equal(image_new(5, -5, IMAGE_GREY8, 72, &none, &err), ERR_ARG);
    assert_null(none);
}

static void grey_weighs_colours(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make(5, 1, IMAGE_BGR24);
    fill(im, 0, 0, 1, 1, 255, 0, 0);
    fill(im, 1, 0, 2, 1, 0, 255, 0);
    fill(im, 2, 0, 3, 1, 0, 0, 255);
    fill(im, 3, 0, 4, 1, 0, 0, 0);
    CLEANUP(image_freep) struct image *grey = NULL;
    assert_int_equal(image_to_grey(im, &grey, NULL), 0);
    NEAR(*at(grey, 0, 0), 0.114 * 255, 1);
    NEAR(*at(grey, 1, 0), 0.587 * 255, 1);
    NEAR(*at(grey, 2, 0), 0.299 * 255, 1);
    assert_int_equal(*at(grey, 3, 0), 0);
    assert_int_equal(*at(grey, 4, 0), 255);
    assert_true(grey->dpi == 150.0f);
}

static void check_quarter(enum image_format format)
{
    CLEANUP(image_freep) struct image *im = make(70, 45, format);
    fill(im, 3, 5, 4, 6, 10, 20, 30); /* one marked pixel */
    const struct {
        int degrees, w, h, x, y;
    } want[] = {
        {0, 70, 45, 3, 5}, {90, 45, 70, 44 - 5, 3}, {180, 70, 45, 69 - 3, 44 - 5}, {270, 45, 70, 5, 69 - 3}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        CLEANUP(image_freep) struct image *t = NULL;
        assert_int_equal(image_rotate_quarter(im, want[i].degrees, &t, NULL), 0);
        assert_int_equal(t->width_px, want[i].w);
        assert_int_equal(t->height_px, want[i].h);
        size_t dark = 0;
        for (int y = 0; y < t->height_px; y++)
            for (int x = 0; x < t->width_px; x++)
                dark += *at(t, x, y) < 255;
        assert_int_equal(dark, 1);
        assert_int_equal(*at(t, want[i].x, want[i].y), 10);
        if (format == IMAGE_BGR24)
            assert_int_equal(at(t, want[i].x, want[i].y)[2], 30);
    }
    struct image *none = NULL;
    assert_int_equal(image_rotate_quarter(im, 45, &none, NULL), ERR_ARG);
}

static void quarters_turn_clockwise(void **state UNUSED)
{
    check_quarter(IMAGE_GREY8);
    check_quarter(IMAGE_BGR24);
}

static void crop_takes_what_lies_inside(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make(20, 10, IMAGE_BGR24);
    fill(im, 5, 4, 6, 5, 1, 2, 3);
    CLEANUP(image_freep) struct image *part = NULL;
    assert_int_equal(image_crop(im, 5, 4, 100, 100, &part, NULL), 0);
    assert_int_equal(part->width_px, 15);
    assert_int_equal(part->height_px, 6);
    assert_int_equal(at(part, 0, 0)[2], 3);
    struct image *none = NULL;
    assert_int_equal(image_crop(im, 20, 0, 30, 10, &none, NULL), ERR_ARG);
    assert_int_equal(image_crop(im, 5, 5, 5, 9, &none, NULL), ERR_ARG);
    assert_int_equal(image_crop(im, -9, -9, 0, 5, &none, NULL), ERR_ARG);
}

static void scale_averages_and_interpolates(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make(8, 8, IMAGE_GREY8);
    fill(im, 0, 0, 2, 2, 0, 0, 0);
    fill(im, 2, 0, 3, 1, 0, 0, 0); /* a quarter of its 2 x 2 block */
    CLEANUP(image_freep) struct image *half = NULL;
    assert_int_equal(image_scale(im, 0.5f, &half, NULL), 0);
    assert_int_equal(half->width_px, 4);
    assert_true(half->dpi == 75.0f);
    assert_int_equal(*at(half, 0, 0), 0);
    NEAR(*at(half, 1, 0), 191, 1);
    assert_int_equal(*at(half, 3, 3), 255);
    CLEANUP(image_freep) struct image *twice = NULL;
    assert_int_equal(image_scale(half, 2, &twice, NULL), 0);
    assert_int_equal(twice->width_px, 8);
    assert_int_equal(*at(twice, 0, 0), 0);
    assert_int_equal(*at(twice, 7, 7), 255);
    assert_true(*at(twice, 1, 0) > 0 && *at(twice, 1, 0) < *at(twice, 2, 0));

    /* a colour that fills the picture stays that colour, at any ratio */
    CLEANUP(image_freep) struct image *flat = make(97, 61, IMAGE_BGR24);
    fill(flat, 0, 0, 97, 61, 11, 101, 201);
    const float factors[] = {0.013f, 0.37f, 0.99f, 1, 1.01f, 3.7f};
    for (size_t i = 0; i < ARRAY_LEN(factors); i++) {
        CLEANUP(image_freep) struct image *s = NULL;
        assert_int_equal(image_scale(flat, factors[i], &s, NULL), 0);
        for (int y = 0; y < s->height_px; y++)
            for (int x = 0; x < s->width_px; x++)
                if (at(s, x, y)[0] != 11 || at(s, x, y)[1] != 101 || at(s, x, y)[2] != 201)
                    fail_msg("factor %g changes the colour", (double)factors[i]);
    }
    struct image *none = NULL;
    assert_int_equal(image_scale(im, 0, &none, NULL), ERR_ARG);
    assert_int_equal(image_scale(im, NAN, &none, NULL), ERR_ARG);
    assert_int_equal(image_scale(im, 65, &none, NULL), ERR_ARG);
    CLEANUP(image_freep) struct image *large = make(1000, 1000, IMAGE_GREY8);
    assert_int_equal(image_scale(large, 8, &none, NULL), ERR_LIMIT);
}

/* Rows of short strokes, as print looks from afar. */
static struct image *make_text(int w, int h)
{
    struct image *im = make(w, h, IMAGE_BGR24);
    unsigned seed = 7;
    for (int y = 100; y + 120 < h; y += 28)
        for (int x = 100; x + 120 < w;) {
            seed = seed * 1103515245u + 12345u;
            int len = 4 + (int)(seed >> 16) % 9;
            fill(im, x, y + (int)(seed >> 20) % 3, x + len, y + 14, 0, 0, 0);
            x += len + 5;
        }
    return im;
}

static void skew_is_found_and_undone(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make_text(1240, 1754);
    const float angles[] = {-14, -5, -0.7f, 0, 1.5f, 8, 13};
    for (size_t i = 0; i < ARRAY_LEN(angles); i++) {
        CLEANUP(image_freep) struct image *turned = NULL;
        assert_int_equal(image_rotate_small(im, angles[i], &turned, NULL), 0);
        assert_int_equal(turned->width_px, im->width_px);
        assert_int_equal(turned->height_px, im->height_px);
        float confidence = 0;
        float skew = image_find_skew(turned, &confidence);
        if (confidence < 2 || fabsf(skew + angles[i]) > 0.25f)
            fail_msg("turned by %g: found %g, confidence %g", (double)angles[i], (double)skew,
                     (double)confidence);
    }
    CLEANUP(image_freep) struct image *blank = make(600, 600, IMAGE_GREY8);
    float confidence = 9;
    assert_true(image_find_skew(blank, &confidence) == 0.0f);
    assert_true(confidence < 2);
    CLEANUP(image_freep) struct image *tiny = make(1, 1, IMAGE_BGR24);
    assert_true(image_find_skew(tiny, &confidence) == 0.0f);
}

/* A page of 100 dpi: its rows are few pixels high, and must not be halved before the search. */
static void skew_of_small_print(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *large = make_text(3000, 3800);
    CLEANUP(image_freep) struct image *im = NULL;
    assert_int_equal(image_scale(large, 0.4f, &im, NULL), 0);
    const float angles[] = {-14, -7, 12};
    for (size_t i = 0; i < ARRAY_LEN(angles); i++) {
        CLEANUP(image_freep) struct image *turned = NULL;
        assert_int_equal(image_rotate_small(im, angles[i], &turned, NULL), 0);
        float confidence = 0, skew = image_find_skew(turned, &confidence);
        if (confidence < 2 || fabsf(skew + angles[i]) > 0.3f)
            fail_msg("turned by %g: found %g, confidence %g", (double)angles[i], (double)skew,
                     (double)confidence);
    }
}

static void small_rotation_is_clockwise_on_white(void **state UNUSED)
{
    for (int k = 0; k < 2; k++) {
        CLEANUP(image_freep) struct image *im = make(200, 200, k ? IMAGE_GREY8 : IMAGE_BGR24);
        fill(im, 170, 98, 180, 103, 0, 0, 0); /* right of the centre: clockwise moves it down */
        CLEANUP(image_freep) struct image *t = NULL;
        assert_int_equal(image_rotate_small(im, 10, &t, NULL), 0);
        int sum_y = 0, n = 0;
        for (int y = 0; y < 200; y++)
            for (int x = 0; x < 200; x++)
                if (*at(t, x, y) < 128)
                    sum_y += y, n++;
        assert_true(n > 20);
        NEAR((float)sum_y / (float)n, 100 + 75 * 0.1736, 2);
        assert_int_equal(*at(t, 0, 0), 255);
        struct image *none = NULL;
        assert_int_equal(image_rotate_small(im, 16, &none, NULL), ERR_ARG);
        assert_int_equal(image_rotate_small(im, NAN, &none, NULL), ERR_ARG);
    }
}

static void rules_are_lines_and_nothing_else(void **state UNUSED)
{
    CLEANUP(image_freep) struct image *im = make_text(800, 800);
    fill(im, 50, 60, 750, 62, 0, 0, 0);    /* across */
    fill(im, 60, 50, 62, 750, 0, 0, 0);    /* down, crossing it */
    fill(im, 400, 30, 500, 32, 0, 0, 0);   /* too short */
    fill(im, 300, 700, 700, 790, 0, 0, 0); /* an area */
    struct image_rule *rules;
    size_t n;
    assert_int_equal(image_find_rules(im, 200, &rules, &n, NULL), 0);
    assert_int_equal(n, 2);
    NEAR(rules[0].x0, 50, 4);
    NEAR(rules[0].x1, 750, 4);
    NEAR(rules[0].y0, 61, 2);
    assert_true(rules[0].y0 == rules[0].y1);
    NEAR(rules[1].y0, 50, 4);
    NEAR(rules[1].y1, 750, 4);
    NEAR(rules[1].x0, 61, 2);
    free(rules);
    assert_int_equal(image_find_rules(im, 0, &rules, &n, NULL), ERR_ARG);
}

static void png_holds_the_pixels(void **state UNUSED)
{
    for (int k = 0; k < 2; k++) {
        CLEANUP(image_freep) struct image *im = make(33, 17, k ? IMAGE_GREY8 : IMAGE_BGR24);
        fill(im, 3, 4, 6, 7, 10, 20, 30);
        uint8_t *png;
        size_t len;
        assert_int_equal(image_encode_png(im, &png, &len, NULL), 0);
        PIX *pix = pixReadMemPng(png, len);
        free(png);
        assert_non_null(pix);
        assert_int_equal(pixGetWidth(pix), 33);
        assert_int_equal(pixGetHeight(pix), 17);
        assert_int_equal(pixGetXRes(pix), 150);
        l_uint32 v = 0;
        pixGetPixel(pix, 4, 5, &v);
        assert_int_equal(k ? v : v >> 8, k ? 10 : 30 << 16 | 20 << 8 | 10);
        pixDestroy(&pix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_is_white_and_limited),
        cmocka_unit_test(grey_weighs_colours),
        cmocka_unit_test(quarters_turn_clockwise),
        cmocka_unit_test(crop_takes_what_lies_inside),
        cmocka_unit_test(scale_averages_and_interpolates),
        cmocka_unit_test(skew_is_found_and_undone),
        cmocka_unit_test(skew_of_small_print),
        cmocka_unit_test(small_rotation_is_clockwise_on_white),
        cmocka_unit_test(rules_are_lines_and_nothing_else),
        cmocka_unit_test(png_holds_the_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
