/* From text maps to quads: shapes, thresholds, edges, and maps made to be nasty. */
#include "cm.h"

#include "base/mem.h"
#include "engine/vision/db.h"

#define W 96
#define H 64

static const struct db_options plain = {
    .threshold = 0.3f, .box_threshold = 0.5f, .unclip = 1.5f, .min_side_px = 3};

static void fill(float *map, int left, int top, int right, int bottom, float v)
{
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            map[y * W + x] = v;
}

static void test_one_box_grows_by_the_unclip_distance(void **state)
{
    (void)state;
    float *map = xnew_array(float, W *H);
    fill(map, 20, 20, 61, 31, 0.9f); /* pixel centres span 40 x 10 */
    struct vision_quads q = {0};
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 1);
    assert_near(q.items[0].score, 0.9, 1e-5);
    float grow = 40.0f * 10 * 1.5f / 100;
    const float want[8] = {20.5f - grow, 20.5f - grow, 60.5f + grow, 20.5f - grow,
                           60.5f + grow, 30.5f + grow, 20.5f - grow, 30.5f + grow};
    for (int i = 0; i < 8; i++)
        assert_near(q.items[0].quad[i], want[i], 1e-3);
    vision_quads_done(&q);
    free(map);
}

static void test_faint_thin_and_far_regions(void **state)
{
    (void)state;
    float *map = xnew_array(float, W *H);
    fill(map, 2, 2, 40, 10, 0.4f);   /* above the pixel threshold, below the box threshold */
    fill(map, 2, 20, 40, 22, 0.9f);  /* too thin */
    fill(map, 50, 2, 90, 12, 0.8f);  /* good */
    fill(map, 50, 40, 90, 50, 0.8f); /* good */
    struct vision_quads q = {0};
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 2);
    vision_quads_done(&q);
    free(map);
}

/* A U is one region although its arms meet only at the bottom; a diagonal touch joins too. */
static void test_regions_join_from_below_and_diagonally(void **state)
{
    (void)state;
    float *map = xnew_array(float, W *H);
    fill(map, 10, 5, 20, 30, 1);
    fill(map, 30, 5, 40, 30, 1);
    fill(map, 10, 30, 40, 36, 1);
    fill(map, 60, 10, 70, 20, 1);
    fill(map, 70, 20, 80, 30, 1); /* touches the one above at a corner only */
    struct db_options o = plain;
    o.box_threshold = 0.1f;
    struct vision_quads q = {0};
    assert_int_equal(db_quads(map, W, H, &o, &q, NULL), 0);
    assert_int_equal(q.count, 2);
    vision_quads_done(&q);
    free(map);
}

static void test_dilation_bridges_one_pixel(void **state)
{
    (void)state;
    float *map = xnew_array(float, W *H);
    fill(map, 10, 10, 30, 20, 1);
    fill(map, 31, 10, 50, 20, 1);
    struct vision_quads q = {0};
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 2);
    vision_quads_done(&q);
    struct db_options o = plain;
    o.dilate = true;
    assert_int_equal(db_quads(map, W, H, &o, &q, NULL), 0);
    assert_int_equal(q.count, 1);
    vision_quads_done(&q);
    free(map);
}

static void test_full_empty_checkered_and_nan_maps(void **state)
{
    (void)state;
    float *map = xnew_array(float, W *H);
    struct vision_quads q = {0};
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 0);
    fill(map, 0, 0, W, H, 1);
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 1);
    for (int i = 0; i < 8; i++)
        assert_true(q.items[0].quad[i] >= 0 && q.items[0].quad[i] <= (i % 2 ? H : W)); /* clipped */
    vision_quads_done(&q);
    for (int i = 0; i < W * H; i++)
        map[i] = (float)((i % W + i / W) % 2);
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    vision_quads_done(&q);
    for (int i = 0; i < W * H; i++)
        map[i] = NAN;
    assert_int_equal(db_quads(map, W, H, &plain, &q, NULL), 0);
    assert_int_equal(q.count, 0);
    assert_int_equal(db_quads(map, 1, 1, &plain, &q, NULL), 0);
    assert_int_equal(db_quads(map, 0, 1, &plain, &q, NULL), ERR_ARG);
    vision_quads_done(&q);
    free(map);
}

static void test_candidates_have_a_ceiling(void **state)
{
    (void)state;
    const int side = 800; /* 160 x 160 islands of 4 px */
    float *map = xnew_array(float, (size_t)side *(size_t)side);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            map[y * side + x] = x % 5 < 4 && y % 5 < 4 ? 1.0f : 0.0f;
    struct vision_quads q = {0};
    struct db_options o = plain;
    o.min_side_px = 1;
    assert_int_equal(db_quads(map, side, side, &o, &q, NULL), 0);
    assert_int_equal(q.count, DB_MAX_CANDIDATES);
    vision_quads_done(&q);
    free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_box_grows_by_the_unclip_distance),
        cmocka_unit_test(test_faint_thin_and_far_regions),
        cmocka_unit_test(test_regions_join_from_below_and_diagonally),
        cmocka_unit_test(test_dilation_bridges_one_pixel),
        cmocka_unit_test(test_full_empty_checkered_and_nan_maps),
        cmocka_unit_test(test_candidates_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
