/*
 * Rules and pictures of a page, from its drawing operators. Forms are walked into with their matrices.
 * Everything is counted against the ceilings of the limits table, because a page of a few bytes can name a
 * form a million times.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/pdf.h"

#define RULE_LENGTH_PT 3.0f    /* shorter strokes are parts of drawings or letters */
#define RULE_THICKNESS_PT 3.0f /* thicker filled rectangles are areas */
#define RULE_SLOPE 0.01f
#define PICTURE_SIDE_PT 1.0f
#define SUBPATH_POINTS 6

struct walk {
    const struct pdf *pdf;
    struct reader_content *out;
    size_t segment_cap, picture_cap;
    size_t objects_left, points_left;
};

struct point {
    float x, y;
};

static const FS_MATRIX identity = {1, 0, 0, 1, 0, 0};

static struct point place(const struct walk *w, const FS_MATRIX *m, float x, float y)
{
    struct point p;
    pdf_place(w->pdf, (double)(x * m->a + y * m->c + m->e), (double)(x * m->b + y * m->d + m->f), &p.x, &p.y);
    return p;
}

static void add_rule(struct walk *w, float x0, float y0, float x1, float y1, float thickness)
{
    struct reader_content *out = w->out;
    x0 = MAX(x0, 0.0f), y0 = MAX(y0, 0.0f);
    x1 = MIN(x1, w->pdf->width_pt), y1 = MIN(y1, w->pdf->height_pt);
    /* also false for NaN */
    if (!(x1 >= x0 && y1 >= y0 && (x1 - x0 >= RULE_LENGTH_PT || y1 - y0 >= RULE_LENGTH_PT)))
        return;
    if (out->segment_count == LIMIT_PAGE_RULES)
        return;
    *VEC_PUSH(out->segments, out->segment_count, w->segment_cap) = (struct reader_segment){
        .x0 = x0, .y0 = y0, .x1 = x1, .y1 = y1, .thickness_pt = thickness};
}

static void add_stroke(struct walk *w, struct point a, struct point b, float thickness)
{
    float dx = fabsf(b.x - a.x), dy = fabsf(b.y - a.y);
    float left = MIN(a.x, b.x), right = MAX(a.x, b.x), top = MIN(a.y, b.y), bottom = MAX(a.y, b.y);
    if (dy <= dx * RULE_SLOPE)
        add_rule(w, left, (top + bottom) / 2, right, (top + bottom) / 2, thickness);
    else if (dx <= dy * RULE_SLOPE)
        add_rule(w, (left + right) / 2, top, (left + right) / 2, bottom, thickness);
}

/* A filled part of a path: a rule if it is a thin upright rectangle. */
static void add_filled(struct walk *w, const struct point *p, size_t count)
{
    if (count < 4 || count > 5)
        return;
    float left = p[0].x, right = p[0].x, top = p[0].y, bottom = p[0].y;
    for (size_t i = 1; i < count; i++) {
        left = MIN(left, p[i].x), right = MAX(right, p[i].x);
        top = MIN(top, p[i].y), bottom = MAX(bottom, p[i].y);
    }
    float width = right - left, height = bottom - top, slack = 0.05f;
    for (size_t i = 0; i < count; i++)
        if ((p[i].x - left > slack && right - p[i].x > slack) ||
            (p[i].y - top > slack && bottom - p[i].y > slack))
            return;
    if (height <= RULE_THICKNESS_PT && width > 2 * height)
        add_rule(w, left, (top + bottom) / 2, right, (top + bottom) / 2, height);
    else if (width <= RULE_THICKNESS_PT && height > 2 * width)
        add_rule(w, (left + right) / 2, top, (left + right) / 2, bottom, width);
}

struct subpath {
    struct point points[SUBPATH_POINTS];
    size_t count; /* points, stops counting at SUBPATH_POINTS */
    bool curved;
};

static void end_subpath(struct walk *w, struct subpath *s, bool fill)
{
    if (fill && !s->curved)
        add_filled(w, s->points, s->count);
    s->count = 0;
    s->curved = false;
}

static bool is_seen(FPDF_PAGEOBJECT object,
                    int (*color)(FPDF_PAGEOBJECT, unsigned *, unsigned *, unsigned *, unsigned *))
{
    unsigned r, g, b, a;
    return !color(object, &r, &g, &b, &a) || a > 0;
}

static void read_path(struct walk *w, FPDF_PAGEOBJECT object, const FS_MATRIX *m)
{
    int fill = 0, stroke = 0;
    if (!FPDFPath_GetDrawMode(object, &fill, &stroke))
        return;
    fill = fill && is_seen(object, FPDFPageObj_GetFillColor);
    stroke = stroke && is_seen(object, FPDFPageObj_GetStrokeColor);
    int count = FPDFPath_CountSegments(object);
    if ((!fill && !stroke) || count <= 1)
        return;
    float thickness = 0;
    FPDFPageObj_GetStrokeWidth(object, &thickness);
    thickness *= sqrtf(fabsf(m->a * m->d - m->b * m->c));

    struct subpath s = {0};
    struct point start = {0}, last = {0};
    for (int i = 0; i < count && w->points_left > 0; i++, w->points_left--) {
        FPDF_PATHSEGMENT segment = FPDFPath_GetPathSegment(object, i);
        float x, y;
        if (!segment || !FPDFPathSegment_GetPoint(segment, &x, &y))
            return;
        struct point p = place(w, m, x, y);
        switch (FPDFPathSegment_GetType(segment)) {
        case FPDF_SEGMENT_MOVETO:
            end_subpath(w, &s, fill);
            start = p;
            break;
        case FPDF_SEGMENT_LINETO:
            if (stroke)
                add_stroke(w, last, p, thickness);
            break;
        default: s.curved = true; break;
        }
        if (s.count < SUBPATH_POINTS)
            s.points[s.count++] = p;
        if (stroke && FPDFPathSegment_GetClose(segment))
            add_stroke(w, p, start, thickness);
        last = p;
    }
    end_subpath(w, &s, fill);
}

/* Narrows box by the bounds of the object's clip paths (their intersection can only be smaller than each). */
static void apply_clip(struct walk *w, FPDF_PAGEOBJECT object, const FS_MATRIX *parent,
                       struct reader_box *box)
{
    FPDF_CLIPPATH clip = FPDFPageObj_GetClipPath(object);
    int paths = clip ? FPDFClipPath_CountPaths(clip) : 0;
    for (int i = 0; i < paths; i++) {
        int segments = FPDFClipPath_CountPathSegments(clip, i);
        struct reader_box bounds = {INFINITY, INFINITY, -INFINITY, -INFINITY};
        int k = 0;
        for (; k < segments && w->points_left > 0; k++, w->points_left--) {
            float x, y;
            FPDF_PATHSEGMENT segment = FPDFClipPath_GetPathSegment(clip, i, k);
            if (!segment || !FPDFPathSegment_GetPoint(segment, &x, &y))
                break;
            struct point p = place(w, parent, x, y);
            bounds.left = MIN(bounds.left, p.x), bounds.right = MAX(bounds.right, p.x);
            bounds.top = MIN(bounds.top, p.y), bounds.bottom = MAX(bounds.bottom, p.y);
        }
        if (k < segments || segments <= 0)
            continue; /* not known whole: no reason to narrow */
        box->left = MAX(box->left, bounds.left), box->right = MIN(box->right, bounds.right);
        box->top = MAX(box->top, bounds.top), box->bottom = MIN(box->bottom, bounds.bottom);
    }
}

/* A picture is the unit square under its matrix. */
static void read_picture(struct walk *w, FPDF_PAGEOBJECT object, const FS_MATRIX *m, const FS_MATRIX *parent)
{
    struct reader_content *out = w->out;
    struct reader_box box = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        struct point p = place(w, m, (float)(i & 1), (float)(i >> 1));
        box.left = MIN(box.left, p.x), box.right = MAX(box.right, p.x);
        box.top = MIN(box.top, p.y), box.bottom = MAX(box.bottom, p.y);
    }
    apply_clip(w, object, parent, &box);
    box.left = MAX(box.left, 0.0f), box.top = MAX(box.top, 0.0f);
    box.right = MIN(box.right, w->pdf->width_pt), box.bottom = MIN(box.bottom, w->pdf->height_pt);
    if (!(box.right - box.left >= PICTURE_SIDE_PT && box.bottom - box.top >= PICTURE_SIDE_PT))
        return;
    if (out->picture_count < LIMIT_PAGE_PICTURES)
        VEC_PUSH(out->pictures, out->picture_count, w->picture_cap)->box = box;
}

static void read_object(struct walk *w, FPDF_PAGEOBJECT object, const FS_MATRIX *parent, int depth)
{
    if (!object || w->objects_left == 0)
        return;
    w->objects_left--;
    int type = FPDFPageObj_GetType(object);
    if (type != FPDF_PAGEOBJ_PATH && type != FPDF_PAGEOBJ_IMAGE && type != FPDF_PAGEOBJ_FORM)
        return;
    FS_MATRIX own;
    if (!FPDFPageObj_GetMatrix(object, &own))
        return;
    FS_MATRIX m = pdf_concat(&own, parent);
    if (type == FPDF_PAGEOBJ_PATH) {
        read_path(w, object, &m);
    } else if (type == FPDF_PAGEOBJ_IMAGE) {
        read_picture(w, object, &m, parent);
    } else if (depth < LIMIT_PDF_FORM_DEPTH) {
        int count = FPDFFormObj_CountObjects(object);
        for (int i = 0; i < count && w->objects_left > 0; i++)
            read_object(w, FPDFFormObj_GetObject(object, (unsigned long)i), &m, depth + 1);
    }
}

void pdf_read_objects(struct pdf *pdf, struct reader_content *ret)
{
    struct walk w = {
        .pdf = pdf, .out = ret, .objects_left = LIMIT_PAGE_OBJECTS, .points_left = LIMIT_PAGE_PATH_POINTS};
    int count = FPDFPage_CountObjects(pdf->page);
    for (int i = 0; i < count && w.objects_left > 0; i++)
        read_object(&w, FPDFPage_GetObject(pdf->page, i), &identity, 0);
}
