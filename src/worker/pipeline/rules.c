/*
 * Tables with ruling lines. Connected horizontal and vertical rules form a lattice; where a rule is missing
 * between two places of the lattice, they are one cell. Open sides (many books rule no outer border) are
 * closed at the extent of the other rules.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/tables.h"

#define RULE_MIN_PT 8.0f
#define TOUCH_PT 3.5f
#define RULES_MAX 3000
#define SIDE_MAX 200 /* rows or columns of a lattice */
#define PLACES_MAX 6000

struct rule {
    float at, low, high; /* horizontal: y, x0, x1; vertical: x, y0, y1 */
    int group;
};

struct rule_set {
    struct rule *items;
    size_t count, cap;
};

static int compare_rules(const void *pa, const void *pb)
{
    const struct rule *a = pa, *b = pb;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Pieces of one stroke (cells drawn one by one, double strokes) become one rule. */
static void merge_collinear(struct rule_set *s)
{
    if (s->count < 2)
        return;
    qsort(s->items, s->count, sizeof(*s->items), compare_rules);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        bool merged = false;
        for (size_t k = kept; k > 0 && s->items[i].at - s->items[k - 1].at < 1.6f; k--) {
            struct rule *r = &s->items[k - 1];
            if (s->items[i].low <= r->high + TOUCH_PT && s->items[i].high >= r->low - TOUCH_PT) {
                r->low = MIN(r->low, s->items[i].low);
                r->high = MAX(r->high, s->items[i].high);
                merged = true;
                break;
            }
        }
        if (!merged)
            s->items[kept++] = s->items[i];
    }
    s->count = kept;
}

static void collect(const struct page *p, struct rule_set *h, struct rule_set *v)
{
    for (size_t i = 0; i < p->rule_count && h->count + v->count < RULES_MAX; i++) {
        const struct reader_segment *s = &p->rules[i];
        bool horizontal = s->x1 - s->x0 >= s->y1 - s->y0;
        struct rule_set *set = horizontal ? h : v;
        if (!isfinite(s->x0 + s->x1 + s->y0 + s->y1))
            continue;
        struct rule *r = VEC_PUSH(set->items, set->count, set->cap);
        *r = horizontal ? (struct rule){(s->y0 + s->y1) / 2, s->x0, s->x1, 0}
                        : (struct rule){(s->x0 + s->x1) / 2, s->y0, s->y1, 0};
    }
    merge_collinear(h);
    merge_collinear(v);
    struct rule_set *sets[] = {h, v};
    for (int k = 0; k < 2; k++) {
        size_t kept = 0;
        for (size_t i = 0; i < sets[k]->count; i++)
            if (sets[k]->items[i].high - sets[k]->items[i].low >= RULE_MIN_PT)
                sets[k]->items[kept++] = sets[k]->items[i];
        sets[k]->count = kept;
    }
}

static bool touch(const struct rule *h, const struct rule *v)
{
    return v->at >= h->low - TOUCH_PT && v->at <= h->high + TOUCH_PT && h->at >= v->low - TOUCH_PT &&
           h->at <= v->high + TOUCH_PT;
}

/* Numbers connected rules alike, from 1; returns the number of groups. */
static int group_rules(struct rule_set *h, struct rule_set *v)
{
    int groups = 0;
    size_t *stack = xnew_array(size_t, h->count + v->count + 1);
    for (size_t s = 0; s < h->count; s++) {
        if (h->items[s].group)
            continue;
        size_t top = 0;
        h->items[s].group = ++groups;
        stack[top++] = s;
        while (top > 0) {
            size_t i = stack[--top];
            bool is_h = i < h->count;
            struct rule_set *other = is_h ? v : h;
            const struct rule *r = is_h ? &h->items[i] : &v->items[i - h->count];
            for (size_t k = 0; k < other->count; k++) {
                struct rule *o = &other->items[k];
                if (o->group || !(is_h ? touch(r, o) : touch(o, r)))
                    continue;
                o->group = groups;
                stack[top++] = is_h ? h->count + k : k;
            }
        }
    }
    free(stack);
    return groups;
}

/* Distinct positions of a group's rules in one direction, with the extent of the crossing ones added. */
static int positions(const struct rule_set *s, const struct rule_set *crossing, int group, float *out)
{
    int n = 0;
    float low = 1e9f, high = -1e9f;
    for (size_t i = 0; i < crossing->count; i++)
        if (crossing->items[i].group == group) {
            low = MIN(low, crossing->items[i].low);
            high = MAX(high, crossing->items[i].high);
        }
    for (size_t i = 0; i < s->count; i++) /* sorted by position */
        if (s->items[i].group == group) {
            if (n > 0 && s->items[i].at - out[n - 1] < TOUCH_PT)
                continue;
            if (n == SIDE_MAX)
                return 0;
            out[n++] = s->items[i].at;
        }
    if (n > 0 && n < SIDE_MAX - 1 && low < out[0] - 2 * TOUCH_PT) {
        memmove(out + 1, out, (size_t)n * sizeof(*out));
        out[0] = low;
        n++;
    }
    if (n > 0 && n < SIDE_MAX && high > out[n - 1] + 2 * TOUCH_PT)
        out[n++] = high;
    return n;
}

/* Is there a rule at `at` over most of low..high? */
static bool is_ruled(const struct rule_set *s, int group, float at, float low, float high)
{
    float covered = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct rule *r = &s->items[i];
        if (r->group == group && fabsf(r->at - at) < TOUCH_PT)
            covered += MAX(MIN(r->high, high) - MAX(r->low, low), 0.0f);
    }
    return covered > 0.6f * (high - low);
}

struct lattice {
    float xs[SIDE_MAX], ys[SIDE_MAX];
    int cols, rows;
    int *root; /* rows * cols: the cell that this place belongs to */
};

static int find_root(const struct lattice *l, int i)
{
    while (l->root[i] != i)
        i = l->root[i];
    return i;
}

static void unite(struct lattice *l, int a, int b)
{
    a = find_root(l, a);
    b = find_root(l, b);
    l->root[MAX(a, b)] = MIN(a, b);
}

/* Places without a rule between them are united, then grown to rectangles. */
static void unite_places(struct lattice *l, const struct rule_set *h, const struct rule_set *v, int group)
{
    for (int i = 0; i < l->rows * l->cols; i++)
        l->root[i] = i;
    for (int r = 0; r < l->rows; r++)
        for (int c = 0; c < l->cols; c++) {
            if (c + 1 < l->cols && !is_ruled(v, group, l->xs[c + 1], l->ys[r], l->ys[r + 1]))
                unite(l, r * l->cols + c, r * l->cols + c + 1);
            if (r + 1 < l->rows && !is_ruled(h, group, l->ys[r + 1], l->xs[c], l->xs[c + 1]))
                unite(l, r * l->cols + c, (r + 1) * l->cols + c);
        }
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < l->rows * l->cols; i++) {
            if (find_root(l, i) == i)
                continue;
            int a = find_root(l, i), r0 = MIN(a / l->cols, i / l->cols), r1 = MAX(a / l->cols, i / l->cols);
            int c0 = MIN(a % l->cols, i % l->cols), c1 = MAX(a % l->cols, i % l->cols);
            for (int r = r0; r <= r1; r++)
                for (int c = c0; c <= c1; c++)
                    if (find_root(l, r * l->cols + c) != find_root(l, a)) {
                        unite(l, a, r * l->cols + c);
                        changed = true;
                    }
        }
    }
}

static void lattice_cells(const struct lattice *l, struct grid *g)
{
    int n = l->rows * l->cols;
    int *slot = xnew_array(int, (size_t)n); /* root → index of its cell + 1 */
    for (int k = 0; k < n; k++) {
        int root = find_root(l, k), r = k / l->cols, c = k % l->cols;
        if (slot[root] == 0) {
            grid_push(g, r, c, 1, 1, (struct doc_box){0});
            slot[root] = (int)g->count;
        }
        struct grid_cell *cell = &g->cells[slot[root] - 1];
        int r1 = MAX(cell->row + cell->row_span, r + 1), c1 = MAX(cell->col + cell->col_span, c + 1);
        cell->row = MIN(cell->row, r);
        cell->col = MIN(cell->col, c);
        cell->row_span = r1 - cell->row;
        cell->col_span = c1 - cell->col;
        cell->box = (struct doc_box){l->xs[cell->col], l->ys[cell->row], l->xs[c1], l->ys[r1]};
    }
    free(slot);
}

/* A body that is ruled only around (rows of numbers inside one tall cell per column) is no lattice of cells:
 * leave it to columns.c. */
static bool hides_rows(const struct grid *g, const struct lines *lines)
{
    size_t tall = 0, filled = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t n = 0, narrow = 0;
        for (size_t k = 0; k < lines->count; k++) {
            const struct line *l = &lines->items[k];
            if (l->taken || l->turn != 0 || box_share_in(l->box, g->cells[i].box) < 0.6f)
                continue;
            n++;
            narrow += box_width(l->box) < 0.6f * box_width(g->cells[i].box);
        }
        filled += n > 0;
        tall += n >= 4 && narrow * 3 > n * 2;
    }
    return tall >= 2 && tall * 3 >= filled;
}

static void table_of_group(struct page *p, const struct rule_set *h, const struct rule_set *v, int group)
{
    struct lattice *l = xnew(struct lattice);
    struct grid g = {0};
    int nx = positions(v, h, group, l->xs), ny = positions(h, v, group, l->ys);
    l->cols = nx - 1;
    l->rows = ny - 1;
    if (nx >= 2 && ny >= 2 && l->cols * l->rows >= 2 && l->cols * l->rows <= PLACES_MAX &&
        l->cols + l->rows >= 3) {
        l->root = xnew_array(int, (size_t)(l->rows * l->cols));
        unite_places(l, h, v, group);
        g.box = (struct doc_box){l->xs[0], l->ys[0], l->xs[l->cols], l->ys[l->rows]};
        g.rows = l->rows;
        g.cols = l->cols;
        g.score = 0.95f;
        lattice_cells(l, &g);
        size_t lines_in = 0, cells_in = 0;
        for (size_t k = 0; k < p->lines.count; k++)
            lines_in += !p->lines.items[k].taken && box_share_in(p->lines.items[k].box, g.box) > 0.5f;
        for (size_t i = 0; i < g.count; i++)
            for (size_t k = 0; k < p->lines.count; k++)
                if (!p->lines.items[k].taken && box_share_in(p->lines.items[k].box, g.cells[i].box) > 0.4f) {
                    cells_in++;
                    break;
                }
        bool page_frame = box_area(g.box) > 0.85f * p->width_pt * p->height_pt && g.count < 6;
        if (g.count >= 2 && g.cols >= 2 && cells_in >= 2 && cells_in * 4 >= g.count && lines_in >= 2 &&
            !page_frame) {
            if (hides_rows(&g, &p->lines)) {
                struct doc_box box = g.box;
                grid_done(&g);
                table_in_box(p, box);
            } else {
                grid_fill(&g, &p->lines);
                grid_mark_header(&g);
                struct grid *slot = VEC_PUSH(p->tables.items, p->tables.count, p->tables.cap);
                *slot = g;
                g = (struct grid){0};
            }
        }
    }
    grid_done(&g);
    free(l->root);
    free(l);
}

void tables_of_rules(struct page *p)
{
    struct rule_set h = {0}, v = {0};
    collect(p, &h, &v);
    if (h.count > 1 && v.count > 0) {
        int groups = group_rules(&h, &v);
        for (int g = 1; g <= groups; g++)
            table_of_group(p, &h, &v, g);
    }
    free(h.items);
    free(v.items);
}
