/*
 * Tables without a lattice: rows of text whose pieces line up in columns, between horizontal rules (the way
 * of books) or by themselves. The columns are the gaps that the fullest rows leave open; a piece that crosses
 * gaps spans them. What reads like columns of prose is refused.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/tables.h"
#include "worker/pipeline/text.h"

#define COLUMNS_MAX 60
#define ROWS_MAX 2000

struct text_row {
    size_t first, count; /* into the sorted list of lines */
    float top, bottom, baseline;
};

struct area {
    struct line **lines; /* sorted by row, then from the left */
    size_t count;
    struct text_row *rows;
    size_t row_count, row_cap;
    float left[COLUMNS_MAX], right[COLUMNS_MAX];
    int cols;
    float em;
};

static void area_done(struct area *a)
{
    free(a->lines);
    free(a->rows);
}

static int compare_top(const void *pa, const void *pb)
{
    const struct line *a = *(struct line *const *)pa, *b = *(struct line *const *)pb;
    return a->baseline_pt < b->baseline_pt ? -1 : a->baseline_pt > b->baseline_pt;
}

static int compare_left(const void *pa, const void *pb)
{
    const struct line *a = *(struct line *const *)pa, *b = *(struct line *const *)pb;
    return a->box.left < b->box.left ? -1 : a->box.left > b->box.left;
}

/* The free upright lines of a box, in rows. */
static struct area area_of(struct page *p, struct doc_box box)
{
    struct area a = {.lines = xnew_array(struct line *, p->lines.count + 1)};
    float size = 0;
    for (size_t i = 0; i < p->lines.count; i++) {
        struct line *l = &p->lines.items[i];
        if (!l->taken && l->turn == 0 && box_share_in(l->box, box) > 0.6f) {
            a.lines[a.count++] = l;
            size += l->size_pt;
        }
    }
    a.em = a.count > 0 ? size / (float)a.count : 10.0f;
    qsort(a.lines, a.count, sizeof(*a.lines), compare_top);
    for (size_t i = 0; i < a.count; i++) {
        struct line *l = a.lines[i];
        struct text_row *r = a.row_count > 0 ? &a.rows[a.row_count - 1] : NULL;
        if (r && l->baseline_pt - r->baseline < 0.45f * MIN(l->size_pt, a.em)) {
            r->count++;
            r->top = MIN(r->top, l->box.top);
            r->bottom = MAX(r->bottom, l->box.bottom);
        } else {
            r = VEC_PUSH(a.rows, a.row_count, a.row_cap);
            *r = (struct text_row){i, 1, l->box.top, l->box.bottom, l->baseline_pt};
        }
    }
    for (size_t i = 0; i < a.row_count; i++)
        qsort(a.lines + a.rows[i].first, a.rows[i].count, sizeof(*a.lines), compare_left);
    return a;
}

/* Columns: what the rows with the most pieces leave free. */
static void find_columns(struct area *a)
{
    size_t most = 0;
    for (size_t i = 0; i < a->row_count; i++)
        most = MAX(most, a->rows[i].count);
    a->cols = 0;
    if (most < 2)
        return;
    struct line **pieces = xnew_array(struct line *, a->count);
    size_t n = 0;
    for (size_t i = 0; i < a->row_count; i++)
        if (a->rows[i].count * 5 >= most * 3)
            for (size_t k = 0; k < a->rows[i].count; k++)
                pieces[n++] = a->lines[a->rows[i].first + k];
    qsort(pieces, n, sizeof(*pieces), compare_left);
    for (size_t i = 0; i < n && a->cols <= COLUMNS_MAX; i++) {
        int c = a->cols - 1;
        if (c >= 0 && pieces[i]->box.left < a->right[c] + 0.25f * a->em) {
            a->right[c] = MAX(a->right[c], pieces[i]->box.right);
        } else {
            if (a->cols == COLUMNS_MAX) {
                a->cols = 0;
                break;
            }
            a->left[a->cols] = pieces[i]->box.left;
            a->right[a->cols++] = pieces[i]->box.right;
        }
    }
    free(pieces);
}

static bool is_number(const char *s)
{
    size_t digits = 0, others = 0;
    for (; *s; s++) {
        if (isdigit((unsigned char)*s))
            digits++;
        else if (!strchr(" .,%$+-()/*:<>", *s) && !((unsigned char)*s & 0x80))
            others++;
    }
    return digits > 0 && digits >= others;
}

/* Prose set in columns has full lines and few numbers; cells are short, or numbers. */
static bool reads_like_table(const struct area *a, bool sure)
{
    size_t rows = 0, pieces = 0, numbers = 0, full = 0, chars = 0;
    if (a->cols < 2 || a->row_count < 2)
        return false;
    for (size_t i = 0; i < a->row_count; i++) {
        rows += a->rows[i].count >= 2;
        for (size_t k = 0; k < a->rows[i].count; k++) {
            const struct line *l = a->lines[a->rows[i].first + k];
            pieces++;
            numbers += is_number(l->text);
            chars += utf8_count(l->text, strlen(l->text));
            for (int c = 0; c < a->cols; c++)
                if (l->box.left >= a->left[c] - 2 && l->box.right <= a->right[c] + 2)
                    full += box_width(l->box) > 0.85f * (a->right[c] - a->left[c]) &&
                            box_width(l->box) > 8 * a->em;
        }
    }
    if (sure)
        return rows >= 2 && rows * 3 >= a->row_count;
    if (rows < 3 || rows * 5 < a->row_count * 3 || chars > pieces * 30)
        return false;
    return numbers * 4 >= pieces && full * 3 < pieces && (a->cols >= 3 || numbers * 3 >= pieces);
}

static void span_of(const struct area *a, const struct line *l, int *ret_first, int *ret_last)
{
    int first = -1, last = -1, near = 0;
    float best = 1e9f;
    for (int c = 0; c < a->cols; c++) {
        float d = MAX(MAX(a->left[c] - l->box.right, l->box.left - a->right[c]), 0.0f);
        float overlap = MIN(a->right[c], l->box.right) - MAX(a->left[c], l->box.left);
        if (d < best) {
            best = d;
            near = c;
        }
        if (overlap > 0.5f * a->em || overlap > 0.4f * (a->right[c] - a->left[c])) {
            first = first < 0 ? c : first;
            last = c;
        }
    }
    *ret_first = first < 0 ? near : first;
    *ret_last = last < 0 ? near : last;
}

static void add_text(struct grid_cell *c, const char *text)
{
    if (!c->text || c->text[0] == '\0') {
        free(c->text);
        c->text = xstrdup(text);
        return;
    }
    struct buf b = BUF_INIT(1024 * 1024);
    buf_puts(&b, c->text);
    text_join_line(&b, text);
    free(c->text);
    c->text = buf_take(&b);
}

static int compare_segments(const void *pa, const void *pb)
{
    const struct reader_segment *a = pa, *b = pb;
    if (fabsf(a->y0 - b->y0) > 1.5f)
        return a->y0 < b->y0 ? -1 : 1;
    return a->x0 < b->x0 ? -1 : a->x0 > b->x0;
}

/*
 * Horizontal rules from the top, the pieces of one (drawn column by column) put together: those up to 36 pt
 * apart at one height, when most of the length is drawn.
 */
static struct reader_segment *find_levels(const struct page *p, size_t *ret_count)
{
    struct reader_segment *h = xnew_array(struct reader_segment, p->rule_count + 1);
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < p->rule_count && n < 4000; i++)
        if (p->rules[i].x1 - p->rules[i].x0 > 4 && p->rules[i].y1 - p->rules[i].y0 < 4)
            h[n++] = p->rules[i];
    qsort(h, n, sizeof(*h), compare_segments);
    float drawn = 0;
    for (size_t i = 0; i < n; i++) {
        struct reader_segment *last = kept > 0 ? &h[kept - 1] : NULL;
        float len = h[i].x1 - h[i].x0;
        if (last && fabsf(h[i].y0 - last->y0) < 1.6f && h[i].x0 - last->x1 < 36 &&
            drawn + len > 0.75f * (MAX(h[i].x1, last->x1) - last->x0)) {
            drawn += MAX(h[i].x1 - MAX(last->x1, h[i].x0), 0.0f);
            last->x1 = MAX(last->x1, h[i].x1);
        } else {
            h[kept++] = h[i];
            drawn = len;
        }
    }
    *ret_count = kept;
    return h;
}

/* For every text row its table row: header rows between two rules are one row; so are rows that only go on
 * with a wrapped cell. */
static int number_rows(const struct page *p, const struct area *a, struct doc_box box, int *ret,
                       int *ret_header_rows)
{
    size_t level_count = 0, header_end = 0;
    struct reader_segment *levels = find_levels(p, &level_count);
    float cut = 0;
    int n = 0;
    /* The first rule over (nearly) the whole width below the first row ends the header. */
    for (size_t i = 0; i < level_count && cut <= 0; i++) {
        const struct reader_segment *s = &levels[i];
        float covered = MIN(s->x1, box.right) - MAX(s->x0, box.left);
        if (covered > 0.8f * box_width(box) && s->y0 > a->rows[0].baseline)
            cut = s->y0;
    }
    for (size_t i = 0; i < a->row_count; i++)
        if (a->rows[i].baseline < cut)
            header_end = i + 1;
    if (header_end > 8 || header_end == a->row_count)
        header_end = 0;
    *ret_header_rows = 0;
    for (size_t i = 0; i < a->row_count; i++) {
        bool new_row = i == 0 || i >= header_end;
        for (size_t k = 0; k < level_count && !new_row;
             k++) { /* a partial rule between header rows separates them */
            const struct reader_segment *s = &levels[k];
            new_row = s->y0 > a->rows[i - 1].baseline && s->y0 < a->rows[i].baseline &&
                      s->x1 - s->x0 > 1.5f * a->em && s->x0 >= box.left - 3 && s->x1 <= box.right + 3;
        }
        n += new_row;
        ret[i] = n - 1;
        if (i < header_end)
            *ret_header_rows = n;
    }
    free(levels);
    return n;
}

/* A heading of the lower header row with nothing above it stands for all header rows. */
static void stretch_header(struct grid *g, int header_rows)
{
    for (size_t i = 0; i < g->count; i++) {
        struct grid_cell *c = &g->cells[i];
        bool free_above = header_rows > 1 && c->row == header_rows - 1;
        for (size_t k = 0; k < g->count && free_above; k++) {
            const struct grid_cell *o = &g->cells[k];
            free_above = o->row >= c->row || o->col >= c->col + c->col_span || o->col + o->col_span <= c->col;
        }
        if (free_above) {
            c->row_span += c->row;
            c->row = 0;
        }
        c->header = c->row < header_rows;
    }
}

static struct grid_cell *find_cell(struct grid *g, int row, int col)
{
    for (size_t i = g->count; i > 0 && g->cells[i - 1].row >= row; i--)
        if (g->cells[i - 1].row == row && col >= g->cells[i - 1].col &&
            col < g->cells[i - 1].col + g->cells[i - 1].col_span)
            return &g->cells[i - 1];
    return NULL;
}

static void make_table(struct page *p, struct area *a, struct doc_box box)
{
    struct grid g = {.box = box, .cols = a->cols, .score = 0.8f};
    int *row_of = xnew_array(int, a->row_count + 1);
    int header_rows = 0;
    g.rows = number_rows(p, a, box, row_of, &header_rows);
    for (size_t i = 0; i < a->row_count; i++)
        for (size_t k = 0; k < a->rows[i].count; k++) {
            struct line *l = a->lines[a->rows[i].first + k];
            int first, last;
            span_of(a, l, &first, &last);
            struct grid_cell *c = find_cell(&g, row_of[i], first);
            if (!c) {
                for (int s = first + 1; s <= last; s++)
                    if (find_cell(&g, row_of[i], s))
                        last = s - 1;
                c = grid_push(&g, row_of[i], first, 1, last - first + 1, l->box);
            }
            c->box = box_union(c->box, l->box);
            add_text(c, l->text);
            l->taken = true;
        }
    stretch_header(&g, header_rows);
    /* Empty places are cells too. */
    size_t made = g.count;
    bool *seen = xnew_array(bool, (size_t)g.rows *(size_t)g.cols);
    for (size_t i = 0; i < made; i++)
        for (int r = g.cells[i].row; r < g.cells[i].row + g.cells[i].row_span; r++)
            for (int c = g.cells[i].col; c < g.cells[i].col + g.cells[i].col_span; c++)
                seen[r * g.cols + c] = true;
    for (int i = 0; i < g.rows * g.cols; i++)
        if (!seen[i])
            grid_push(&g, i / g.cols, i % g.cols, 1, 1, box)->text = xstrdup("");
    free(seen);
    free(row_of);
    if (header_rows == 0)
        grid_mark_header(&g);
    struct grid *slot = VEC_PUSH(p->tables.items, p->tables.count, p->tables.cap);
    *slot = g;
}

static bool try_box(struct page *p, struct doc_box box, bool sure)
{
    struct area a = area_of(p, box);
    find_columns(&a);
    bool ok = a.row_count <= ROWS_MAX && reads_like_table(&a, sure);
    if (ok) {
        struct doc_box tight = a.lines[0]->box;
        for (size_t i = 1; i < a.count; i++)
            tight = box_union(tight, a.lines[i]->box);
        make_table(p, &a, tight);
    }
    area_done(&a);
    return ok;
}

bool table_in_box(struct page *p, struct doc_box box)
{
    return try_box(p, box, true);
}

/* Long horizontal rules of equal extent, one below the other, frame a table. */
static void between_rules(struct page *p)
{
    size_t n = 0;
    struct reader_segment *h = find_levels(p, &n);
    for (size_t i = 0; i < n; i++) {
        bool done = false;
        for (size_t k = n; k > i + 1 && !done && h[i].x1 - h[i].x0 > 60; k--) {
            const struct reader_segment *e = &h[k - 1];
            if (fabsf(e->x0 - h[i].x0) >= 8 || fabsf(e->x1 - h[i].x1) >= 8 ||
                e->y0 - h[i].y0 > 0.75f * p->height_pt || e->y0 - h[i].y0 < 20)
                continue;
            struct doc_box box = {h[i].x0 - 3, h[i].y0 - 1, h[i].x1 + 3, e->y0 + 1};
            done = try_box(p, box, false);
            if (done)
                while (i + 1 < k)
                    i++;
        }
    }
    free(h);
}

/* Runs of rows with three or more pieces, a row with fewer between them allowed. */
static void by_alignment(struct page *p)
{
    struct area a = area_of(p, (struct doc_box){-1e6f, -1e6f, 1e6f, 1e6f});
    for (size_t i = 0; i < a.row_count; i++) {
        if (a.rows[i].count < 3)
            continue;
        size_t end = i + 1, last = i, poor = 0;
        while (end < a.row_count && a.rows[end].baseline - a.rows[end - 1].baseline < 3.2f * a.em &&
               poor < 2) {
            if (a.rows[end].count >= 3) {
                last = end;
                poor = 0;
            } else {
                poor++;
            }
            end++;
        }
        if (last - i >= 2) {
            struct doc_box box = a.lines[a.rows[i].first]->box;
            for (size_t k = a.rows[i].first; k < a.rows[last].first + a.rows[last].count; k++)
                box = box_union(box, a.lines[k]->box);
            try_box(p, box_grown(box, 0.5f), false);
        }
        i = last;
    }
    area_done(&a);
}

void tables_of_columns(struct page *p)
{
    between_rules(p);
    by_alignment(p);
}
