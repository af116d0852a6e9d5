/* Hull by Andrew's chain, smallest rectangle by trying each edge of the hull: hulls of text lines have few
 * corners. */
#include "engine/vision/geometry.h"

#include <math.h>
#include <stdlib.h>

static int point_order(const void *a, const void *b)
{
    const struct point *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return p->y < q->y ? -1 : p->y > q->y;
}

static double turn(struct point o, struct point a, struct point b)
{
    return ((double)a.x - o.x) * ((double)b.y - o.y) - ((double)a.y - o.y) * ((double)b.x - o.x);
}

size_t geometry_hull(struct point *points, size_t count, struct point *hull)
{
    qsort(points, count, sizeof(*points), point_order);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        while (n >= 2 && turn(hull[n - 2], hull[n - 1], points[i]) <= 0)
            n--;
        if (n == 0 || point_order(&hull[n - 1], &points[i]) != 0)
            hull[n++] = points[i];
    }
    size_t lower = n + 1;
    for (size_t i = count; i-- > 1;) {
        while (n >= lower && turn(hull[n - 2], hull[n - 1], points[i - 1]) <= 0)
            n--;
        if (point_order(&hull[n - 1], &points[i - 1]) != 0)
            hull[n++] = points[i - 1];
    }
    return n > 1 && point_order(&hull[n - 1], &hull[0]) == 0 ? n - 1 : n;
}

float geometry_distance(struct point a, struct point b)
{
    return hypotf(a.x - b.x, a.y - b.y);
}

/* The rectangle around the polygon with a side along u. */
static struct tilted rect_along(const struct point *hull, size_t count, struct point u)
{
    float low = INFINITY, high = -INFINITY, near = INFINITY, far = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        float a = hull[i].x * u.x + hull[i].y * u.y, b = hull[i].y * u.x - hull[i].x * u.y;
        low = fminf(low, a);
        high = fmaxf(high, a);
        near = fminf(near, b);
        far = fmaxf(far, b);
    }
    float a = (low + high) / 2, b = (near + far) / 2;
    return (struct tilted){
        .centre = {a * u.x - b * u.y, a * u.y + b * u.x},
        .along = u,
        .length = high - low,
        .breadth = far - near,
    };
}

struct tilted geometry_min_rect(const struct point *hull, size_t count)
{
    struct tilted best = rect_along(hull, count, (struct point){1, 0});
    for (size_t i = 0; i < count && count > 1; i++) {
        struct point a = hull[i], b = hull[(i + 1) % count];
        float len = geometry_distance(a, b);
        if (len == 0)
            continue;
        struct tilted t = rect_along(hull, count, (struct point){(b.x - a.x) / len, (b.y - a.y) / len});
        if (t.length * t.breadth < best.length * best.breadth)
            best = t;
    }
    return best;
}

void geometry_corners(const struct tilted *t, struct point ret[4])
{
    /* Turn the frame by quarters until its first side points to the right, within 45 degrees. */
    struct point u = t->along;
    float half = t->length / 2, half_across = t->breadth / 2;
    if (fabsf(u.x) < fabsf(u.y)) {
        u = (struct point){u.y, -u.x};
        half = t->breadth / 2;
        half_across = t->length / 2;
    }
    if (u.x < 0)
        u = (struct point){-u.x, -u.y};
    struct point a = {u.x * half, u.y * half}, b = {-u.y * half_across, u.x * half_across}, c = t->centre;
    ret[0] = (struct point){c.x - a.x - b.x, c.y - a.y - b.y};
    ret[1] = (struct point){c.x + a.x - b.x, c.y + a.y - b.y};
    ret[2] = (struct point){c.x + a.x + b.x, c.y + a.y + b.y};
    ret[3] = (struct point){c.x - a.x + b.x, c.y - a.y + b.y};
}
