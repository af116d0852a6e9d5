/* Plane geometry for text lines: convex hull, smallest rectangle around points, quads. x to the right, y
 * down. */
#ifndef PLATEN_ENGINE_VISION_GEOMETRY_H
#define PLATEN_ENGINE_VISION_GEOMETRY_H

#include <stddef.h>

struct point {
    float x, y;
};

/* A rectangle at any angle: centre, unit vector along its first side, lengths of both sides. */
struct tilted {
    struct point centre;
    struct point along; /* unit */
    float length;       /* along `along` */
    float breadth;      /* across it */
};

/* Sorts the points (by x, then y) and writes the hull, which has no three points in a line; its size. hull
 * must hold count + 1 points. */
size_t geometry_hull(struct point *points, size_t count, struct point *hull);

/* The rectangle of least area around a convex polygon (1 or 2 points: breadth 0). */
struct tilted geometry_min_rect(const struct point *hull, size_t count);

/* Corners in the order top left, top right, bottom right, bottom left, as seen on the page (not in reading
 * direction). */
void geometry_corners(const struct tilted *t, struct point ret[4]);

float geometry_distance(struct point a, struct point b);

#endif
