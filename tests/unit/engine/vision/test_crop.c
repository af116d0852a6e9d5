/* Scaling into planes, and quads cut from an image at any angle. */
#include "cm.h"

#include "base/mem.h"
#include "engine/vision/crop.h"
#include "engine/vision/infer.h"

static const struct norm as_is = {.mul = {1, 1, 1}, .add = {0, 0, 0}};

static struct vision_image grey(uint8_t *px, int width, int height)
{
    return (struct vision_image){
        .pixels = px, .width_px = width, .height_px = height, .stride_bytes = (size_t)width, .channels = 1};
}

static void test_same_size_is_a_copy_and_grey_fills_three_planes(void **state)
{
    (void)state;
    uint8_t px[12];
    for (int i = 0; i < 12; i++)
        px[i] = (uint8_t)(i * 20);
    struct vision_image im = grey(px, 4, 3);
    struct planes p;
    assert_int_equal(input_new(4, 3, &p, NULL), 0);
    assert_int_equal(resize_into(&im, 0, 0, 4, 3, &as_is, &p, NULL), 0);
    for (int i = 0; i < 36; i++)
        assert_near(p.data[i], px[i % 12], 1e-4);
    free(p.data);
}

static void test_shrinking_keeps_the_mean(void **state)
{
    (void)state;
    uint8_t px[35 * 21];
    double mean = 0;
    for (int i = 0; i < 35 * 21; i++) {
        px[i] = (uint8_t)(i * 37 % 251);
        mean += px[i] / (35.0 * 21);
    }
    struct vision_image im = grey(px, 35, 21);
    struct planes p;
    assert_int_equal(input_new(4, 5, &p, NULL), 0);
    assert_int_equal(resize_into(&im, 0, 0, 35, 21, &as_is, &p, NULL), 0);
    double got = 0;
    for (int i = 0; i < 20; i++)
        got += (double)p.data[i] / 20;
    assert_near(got, mean, 0.01);
    free(p.data);
}

static void test_enlarging_stays_within_the_part(void **state)
{
    (void)state;
    uint8_t px[9] = {255, 255, 255, 255, 100, 255, 255, 255, 255};
    struct vision_image im = grey(px, 3, 3);
    struct planes p;
    assert_int_equal(input_new(7, 7, &p, NULL), 0);
    assert_int_equal(resize_into(&im, 1, 1, 1, 1, &as_is, &p, NULL), 0);
    for (int i = 0; i < 49; i++)
        assert_near(p.data[i], 100, 1e-3);
    free(p.data);
}

static void test_colours_keep_their_planes(void **state)
{
    (void)state;
    uint8_t px[2 * 2 * 3];
    for (int i = 0; i < 4; i++)
        memcpy(px + 3 * i, (const uint8_t[]){10, 20, 30}, 3);
    struct vision_image im = {.pixels = px, .width_px = 2, .height_px = 2, .stride_bytes = 6, .channels = 3};
    struct planes p;
    assert_int_equal(input_new(5, 3, &p, NULL), 0);
    assert_int_equal(resize_into(&im, 0, 0, 2, 2, &as_is, &p, NULL), 0);
    const float tilted[8] = {0.5f, 0.1f, 1.9f, 0.9f, 1.2f, 1.9f, 0, 1.1f};
    for (int round = 0; round < 2; round++) {
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 15; i++)
                assert_near(p.data[c * 15 + i], 10 * (c + 1), 1e-3);
        assert_int_equal(crop_into(&im, tilted, &as_is, &p, NULL), 0);
    }
    free(p.data);
}

static void test_parts_outside_are_refused(void **state)
{
    (void)state;
    uint8_t px[4] = {0};
    struct vision_image im = grey(px, 2, 2);
    struct planes p;
    assert_int_equal(input_new(2, 2, &p, NULL), 0);
    assert_int_equal(resize_into(&im, 1, 0, 2, 1, &as_is, &p, NULL), ERR_ARG);
    assert_int_equal(resize_into(&im, -1, 0, 1, 1, &as_is, &p, NULL), ERR_ARG);
    assert_int_equal(resize_into(&im, 0, 0, 0, 1, &as_is, &p, NULL), ERR_ARG);
    im.channels = 2;
    assert_int_equal(resize_into(&im, 0, 0, 1, 1, &as_is, &p, NULL), ERR_ARG);
    const float tilted[8] = {0, 0, 2, 1, 2, 2, 0, 1};
    assert_int_equal(crop_into(&im, tilted, &as_is, &p, NULL), ERR_ARG);
    free(p.data);
}

/* The same ramp seen through quads turned by quarters and by a small angle. */
static void test_quads_are_put_upright(void **state)
{
    (void)state;
    uint8_t *px = xmalloc(100 * 100);
    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 100; x++)
            px[y * 100 + x] = (uint8_t)(x + y);
    struct vision_image im = grey(px, 100, 100);
    const float quad[8] = {20, 30, 60, 30, 60, 50, 20, 50};
    float turned[8];
    struct planes p;
    assert_int_equal(input_new(40, 20, &p, NULL), 0);
    assert_int_equal(crop_into(&im, quad, &as_is, &p, NULL), 0);
    assert_near(p.data[0], 50, 0.1);
    assert_near(p.data[39], 89, 0.1);
    crop_turn(quad, 2, turned); /* upside down: begins at the bottom right */
    assert_int_equal(crop_into(&im, turned, &as_is, &p, NULL), 0);
    assert_near(p.data[0], 59 + 49, 0.1);
    assert_near(p.data[20 * 40 - 1], 50, 0.1);
    const float slanted[8] = {20, 30, 60, 34, 58, 54, 18, 50};
    assert_int_equal(crop_into(&im, slanted, &as_is, &p, NULL), 0);
    for (int i = 0; i < 20; i++) { /* the ramp is linear, so bilinear samples are exact */
        float u = ((float)i + 0.5f) / 40, v = 0.5f / 20;
        assert_near(p.data[i], 20 + 40 * u - 2 * v - 0.5f + 30 + 4 * u + 20 * v - 0.5f, 0.05);
    }
    free(p.data);
    free(px);
}

static void test_quads_outside_and_without_area_read_no_foreign_memory(void **state)
{
    (void)state;
    uint8_t *px = xcalloc(8, 8); /* on the heap: the address sanitizer watches its ends */
    struct vision_image im = grey(px, 8, 8);
    const float quads[][8] = {
        {-50, -50, -10, -50, -10, -20, -50, -20},
        {100, 100, 200, 100, 200, 120, 100, 120},
        {3, 3, 3, 3, 3, 3, 3, 3},
        {-5, 2, 20, 9, 19, 30, -6, 12},
        {8, 8, 8, 8, 8, 8, 8, 8},
        {-1e30f, 0, 1e30f, 5, 1e30f, 9, -1e30f, 3},
    };
    struct planes p;
    assert_int_equal(input_new(32, 48, &p, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(quads); i++)
        assert_int_equal(crop_into(&im, quads[i], &as_is, &p, NULL), 0);
    free(p.data);
    free(px);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_size_is_a_copy_and_grey_fills_three_planes),
        cmocka_unit_test(test_shrinking_keeps_the_mean),
        cmocka_unit_test(test_enlarging_stays_within_the_part),
        cmocka_unit_test(test_colours_keep_their_planes),
        cmocka_unit_test(test_parts_outside_are_refused),
        cmocka_unit_test(test_quads_are_put_upright),
        cmocka_unit_test(test_quads_outside_and_without_area_read_no_foreign_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
