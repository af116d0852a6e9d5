/* Arithmetic on page boxes (points, y down). */
#ifndef PLATEN_WORKER_PIPELINE_GEOMETRY_H
#define PLATEN_WORKER_PIPELINE_GEOMETRY_H

#include <stdbool.h>

#include "base/macros.h"
#include "worker/document/document.h"

static inline float box_width(struct doc_box b)
{
    return b.right - b.left;
}

static inline float box_height(struct doc_box b)
{
    return b.bottom - b.top;
}

static inline float box_area(struct doc_box b)
{
    return MAX(box_width(b), 0.0f) * MAX(box_height(b), 0.0f);
}

static inline struct doc_box box_union(struct doc_box a, struct doc_box b)
{
    return (struct doc_box){MIN(a.left, b.left), MIN(a.top, b.top), MAX(a.right, b.right),
                            MAX(a.bottom, b.bottom)};
}

static inline float box_overlap_x(struct doc_box a, struct doc_box b)
{
    return MIN(a.right, b.right) - MAX(a.left, b.left);
}

static inline float box_overlap_y(struct doc_box a, struct doc_box b)
{
    return MIN(a.bottom, b.bottom) - MAX(a.top, b.top);
}

static inline float box_overlap_area(struct doc_box a, struct doc_box b)
{
    float w = box_overlap_x(a, b), h = box_overlap_y(a, b);
    return w > 0 && h > 0 ? w * h : 0.0f;
}

/* The share of a's area that lies in b; the centre decides for boxes without an area. */
static inline float box_share_in(struct doc_box a, struct doc_box b)
{
    float area = box_area(a);
    if (area > 0)
        return box_overlap_area(a, b) / area;
    float x = (a.left + a.right) / 2, y = (a.top + a.bottom) / 2;
    return x >= b.left && x <= b.right && y >= b.top && y <= b.bottom ? 1.0f : 0.0f;
}

static inline bool box_has_point(struct doc_box b, float x, float y)
{
    return x >= b.left && x <= b.right && y >= b.top && y <= b.bottom;
}

static inline struct doc_box box_grown(struct doc_box b, float by)
{
    return (struct doc_box){b.left - by, b.top - by, b.right + by, b.bottom + by};
}

#endif
