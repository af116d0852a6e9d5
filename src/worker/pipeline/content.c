/* Decisions about a page's text layer and its bitmaps. */
#include "worker/pipeline/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/lines.h"

#define FEW_CHARS 60 /* a stamp or a page number on a scan */
#define BITMAP_MIN_SHARE 0.05f
#define FIGURE_MIN_SHARE 0.004f
#define FIGURES_MAX 500

static struct doc_box of_reader_box(struct reader_box b)
{
    return (struct doc_box){b.left, b.top, b.right, b.bottom};
}

static float largest_picture(const struct reader_content *c)
{
    float area = 0;
    for (size_t i = 0; i < c->picture_count; i++)
        area = MAX(area, box_area(of_reader_box(c->pictures[i].box)));
    return area;
}

bool content_needs_reading(const struct reader_content *c, float width_pt, float height_pt)
{
    struct text_layer t = text_layer_count(c);
    if (t.chars == 0 || t.unmapped * 10 > t.chars * 3)
        return true;
    return t.chars < FEW_CHARS && largest_picture(c) > 0.6f * width_pt * height_pt;
}

static void add_figure(struct page *p, struct doc_box box)
{
    for (size_t i = 0; i < p->figures.count; i++)
        if (box_overlap_area(p->figures.items[i].box, box_grown(box, 2)) > 0) { /* tiles of one picture */
            p->figures.items[i].box = box_union(p->figures.items[i].box, box);
            return;
        }
    if (p->figures.count == FIGURES_MAX)
        return;
    struct figure *f = VEC_PUSH(p->figures.items, p->figures.count, p->figures.cap);
    f->box = box;
}

static void find_figures(const struct reader_content *c, struct page *p)
{
    float page = p->width_pt * p->height_pt;
    for (size_t i = 0; i < c->picture_count; i++) {
        struct doc_box box = of_reader_box(c->pictures[i].box);
        if (box_area(box) < 0.85f * page) /* else a background */
            add_figure(p, box);
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->figures.count; i++) {
        struct doc_box b = p->figures.items[i].box;
        if (box_area(b) >= FIGURE_MIN_SHARE * page && MIN(box_width(b), box_height(b)) > 10)
            p->figures.items[kept++] = p->figures.items[i];
    }
    p->figures.count = kept;
}

void content_to_page(const struct reader_content *c, struct page *p)
{
    lines_of_content(c, &p->lines);
    p->rules = xnew_array(struct reader_segment, c->segment_count + 1);
    if (c->segment_count > 0)
        memcpy(p->rules, c->segments, c->segment_count * sizeof(*p->rules));
    p->rule_count = c->segment_count;
    for (size_t i = 0; i < c->link_count; i++) {
        struct link *l = VEC_PUSH(p->links.items, p->links.count, p->links.cap);
        l->box = of_reader_box(c->links[i].box);
        l->uri = xstrdup(c->links[i].uri);
    }
    find_figures(c, p);
    struct text_layer t = text_layer_count(c);
    if (t.chars > 0)
        p->parse_score = 1.0f - (float)t.unmapped / (float)t.chars;
}

void content_find_bitmaps(const struct reader_content *c, const struct page *p, struct doc_box **ret,
                          size_t *ret_count)
{
    *ret = xnew_array(struct doc_box, c->picture_count + 1);
    *ret_count = 0;
    for (size_t i = 0; i < c->picture_count && *ret_count < FIGURES_MAX; i++) {
        struct doc_box box = of_reader_box(c->pictures[i].box);
        size_t chars = 0;
        if (box_area(box) < BITMAP_MIN_SHARE * p->width_pt * p->height_pt)
            continue;
        for (size_t k = 0; k < c->char_count && chars < 5; k++) {
            struct doc_box b = of_reader_box(c->chars[k].box);
            chars += c->chars[k].codepoint > ' ' &&
                     box_has_point(box, (b.left + b.right) / 2, (b.top + b.bottom) / 2);
        }
        if (chars < 5)
            (*ret)[(*ret_count)++] = box;
    }
}
