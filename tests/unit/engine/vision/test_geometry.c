/* Hulls and smallest rectangles, degenerate ones too. */
#include "cm.h"

#include "engine/vision/geometry.h"

static void test_hull_of_square_with_inner_points(void **state)
{
    (void)state;
    struct point p[] = {{0, 0}, {4, 0}, {4, 4}, {0, 4}, {2, 2}, {2, 0}, {4, 2}, {1, 3}, {0, 0}};
    struct point hull[10];
    assert_int_equal(geometry_hull(p, 9, hull), 4);
}

static void test_hull_of_one_point_and_of_a_line(void **state)
{
    (void)state;
    struct point one[] = {{3, 5}, {3, 5}}, hull[8];
    assert_int_equal(geometry_hull(one, 2, hull), 1);
    struct tilted t = geometry_min_rect(hull, 1);
    assert_near(t.length, 0, 0);
    assert_near(t.centre.x, 3, 1e-6);
    struct point line[] = {{0, 0}, {1, 1}, {2, 2}, {3, 3}};
    size_t n = geometry_hull(line, 4, hull);
    assert_int_equal(n, 2);
    t = geometry_min_rect(hull, n);
    assert_near(t.length * t.breadth, 0, 1e-5);
    assert_near(fmaxf(t.length, t.breadth), 3 * sqrtf(2), 1e-5);
}

static void test_rect_of_tilted_points(void **state)
{
    (void)state;
    for (int deg = -44; deg <= 44; deg += 4) {
        float a = (float)deg * 3.14159265f / 180, c = cosf(a), s = sinf(a);
        struct point p[4], hull[5], corner[4];
        const float local[4][2] = {{-20, -3}, {20, -3}, {20, 3}, {-20, 3}};
        for (int i = 0; i < 4; i++)
            p[i] = (struct point){50 + local[i][0] * c - local[i][1] * s,
                                  60 + local[i][0] * s + local[i][1] * c};
        struct point want[4];
        memcpy(want, p, sizeof(p));
        size_t n = geometry_hull(p, 4, hull);
        struct tilted t = geometry_min_rect(hull, n);
        assert_near(t.length * t.breadth, 240, 0.05);
        geometry_corners(&t, corner);
        for (int i = 0; i < 4; i++) {
            assert_near(corner[i].x, want[i].x, 0.01);
            assert_near(corner[i].y, want[i].y, 0.01);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hull_of_square_with_inner_points),
        cmocka_unit_test(test_hull_of_one_point_and_of_a_line),
        cmocka_unit_test(test_rect_of_tilted_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
