/*
 * Lines from glyphs. First runs are followed in the order of the content stream (which is the author's order
 * and keeps sub- and superscripts with their word), then runs on one base line are joined from left to right
 * when no wide gap lies between. Invariant: a line never spans a gap of more than GAP_EM, so that table cells
 * and columns are separate lines.
 */
#include "worker/pipeline/lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/text.h"

#define GAP_EM 1.0f        /* a wider gap ends a line */
#define SPACE_EM 0.18f     /* a wider gap between runs is a space */
#define MARKER_GAP_EM 4.0f /* a list marker may stand this far before its text */
#define LINE_MAX_BYTES (256 * 1024)

struct glyph {
    const struct reader_char *c;
    struct doc_box box; /* in reading frame: turned so that text runs to the right */
    float base;
    bool space_before;
};

struct run {
    size_t first, count; /* glyphs */
    struct doc_box box;
    float base, size;
    int turn;
    bool rtl;
};

struct builder {
    struct glyph *glyphs;
    size_t glyph_count;
    struct run *runs;
    size_t run_count, run_cap;
};

struct text_layer text_layer_count(const struct reader_content *c)
{
    struct text_layer t = {0};
    for (size_t i = 0; i < c->char_count; i++) {
        const struct reader_char *ch = &c->chars[i];
        if (ch->codepoint <= ' ' || (ch->flags & READER_CHAR_GENERATED))
            continue;
        t.chars++;
        t.unmapped += (ch->flags & READER_CHAR_UNMAPPED) || ch->codepoint == UTF8_REPLACEMENT ||
                      (ch->codepoint >= 0xe000 && ch->codepoint <= 0xf8ff && !text_is_bullet(ch->codepoint));
        t.invisible += (ch->flags & READER_CHAR_INVISIBLE) != 0;
    }
    return t;
}

static int quarter_of(float angle_rad)
{
    return (int)lroundf(angle_rad / 1.57079633f) & 3;
}

/* Into the frame in which text of this turn runs to the right; and back. Angles are clockwise quarter turns
 * on the page. */
static struct doc_box turn_box(struct doc_box b, int turn)
{
    switch (turn) {
    case 1: return (struct doc_box){b.top, -b.right, b.bottom, -b.left};
    case 2: return (struct doc_box){-b.right, -b.bottom, -b.left, -b.top};
    case 3: return (struct doc_box){-b.bottom, b.left, -b.top, b.right};
    default: return b;
    }
}

static struct doc_box of_reader_box(struct reader_box b)
{
    return (struct doc_box){b.left, b.top, b.right, b.bottom};
}

static float gap_between(struct doc_box a, struct doc_box b)
{
    return MAX(b.left - a.right, a.left - b.right);
}

/* Fake bold: the same glyph drawn again a hair away. */
static bool is_double(const struct builder *b, const struct run *r, const struct glyph *g)
{
    for (size_t k = 0; k < 2 && k < r->count; k++) {
        const struct glyph *o = &b->glyphs[r->first + r->count - 1 - k];
        float em = MAX(g->c->size_pt, 1.0f);
        if (o->c->codepoint == g->c->codepoint && fabsf(o->box.left - g->box.left) < 0.1f * em &&
            fabsf(o->base - g->base) < 0.1f * em)
            return true;
    }
    return false;
}

static bool continues(const struct builder *b, const struct run *r, const struct glyph *g, int turn)
{
    if (r->turn != turn || r->count == 0)
        return false;
    const struct glyph *last = &b->glyphs[r->first + r->count - 1];
    float em = MAX(r->size, g->c->size_pt), gap = gap_between(last->box, g->box),
          shift = fabsf(g->base - r->base);
    if (gap > GAP_EM * em || gap < -1.5f * em)
        return false;
    if (shift <= 0.2f * em)
        return true;
    /* Sub- or superscript: another size, close by, at least partly at the same height. */
    float small = MIN(r->size, g->c->size_pt);
    return shift < 0.62f * em && gap < 0.6f * em && small < 0.9f * em &&
           box_overlap_y(last->box, g->box) > 0.2f * MIN(box_height(last->box), box_height(g->box));
}

static void follow_stream(struct builder *b, const struct reader_content *c, bool use_invisible)
{
    bool space = false, generated = false;
    struct run *r = NULL;
    for (size_t i = 0; i < c->char_count; i++) {
        const struct reader_char *ch = &c->chars[i];
        if (ch->codepoint == ' ' || ch->codepoint == 0xa0 || ch->codepoint == '\t' ||
            ch->codepoint == 0x3000) {
            space = true;
            generated = (ch->flags & READER_CHAR_GENERATED) != 0;
            continue;
        }
        if (ch->codepoint < ' ' || ch->codepoint == 0xfeff ||
            (ch->codepoint >= 0x7f && ch->codepoint < 0xa0 && ch->codepoint != 0x85)) {
            space |= ch->codepoint == '\n' || ch->codepoint == '\r';
            continue;
        }
        if (((ch->flags & READER_CHAR_INVISIBLE) && !use_invisible) || !isfinite(ch->loose.left) ||
            !isfinite(ch->loose.top))
            continue;
        int turn = quarter_of(ch->angle_rad);
        struct glyph g = {.c = ch, .space_before = space};
        struct doc_box loose = of_reader_box(ch->loose);
        struct doc_box origin = turn_box(
            (struct doc_box){ch->origin_x, ch->origin_y, ch->origin_x, ch->origin_y}, turn);
        g.box = turn_box(loose, turn);
        g.base = origin.top;
        if (r && r->turn == turn && is_double(b, r, &g))
            continue;
        /* Letters set on a grid look spaced out to PDFium; on the grid of a type-writer face a space is a
         * whole letter wide. */
        if (space && generated && (ch->flags & READER_CHAR_MONO) && b->glyph_count > 0 &&
            gap_between(b->glyphs[b->glyph_count - 1].box, g.box) < 0.4f * ch->size_pt)
            g.space_before = false;
        if (!r || !continues(b, r, &g, turn)) {
            r = VEC_PUSH(b->runs, b->run_count, b->run_cap);
            *r = (struct run){.first = b->glyph_count,
                              .box = g.box,
                              .base = g.base,
                              .size = ch->size_pt,
                              .turn = turn,
                              .rtl = text_is_rtl(ch->codepoint)};
        }
        if (ch->size_pt > r->size * 1.15f) { /* began with a superscript */
            r->size = ch->size_pt;
            r->base = g.base;
        }
        r->rtl |= text_is_rtl(ch->codepoint);
        r->box = box_union(r->box, g.box);
        b->glyphs[b->glyph_count++] = g;
        r->count++;
        space = false;
    }
}

static int compare_runs(const void *pa, const void *pb)
{
    const struct run *a = pa, *b = pb;
    if (a->turn != b->turn)
        return a->turn < b->turn ? -1 : 1;
    if (a->base != b->base)
        return a->base < b->base ? -1 : 1;
    return a->box.left < b->box.left ? -1 : a->box.left > b->box.left;
}

static int compare_left(const void *pa, const void *pb)
{
    const struct run *a = pa, *b = pb;
    if (a->box.left != b->box.left)
        return a->box.left < b->box.left ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static void put_codepoint(struct buf *b, uint32_t cp)
{
    static const char *const ligatures[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
    if (cp >= 0xfb00 && cp <= 0xfb06)
        buf_puts(b, ligatures[cp - 0xfb00]);
    else if (cp == 0xad || cp == 0x2 || cp == 0xfffe)
        buf_putc(b, '-'); /* kept only at a line's end, where the join takes it out */
    else if (cp >= 0x2000 && cp <= 0x200a)
        buf_putc(b, ' ');
    else if (cp != 0x200b)
        buf_put_utf8(b, cp);
}

static void end_word(struct line *l, struct buf *b, uint32_t *start, struct doc_box box)
{
    if (b->len <= *start)
        return;
    struct word *w = VEC_PUSH(l->words, l->word_count, l->word_cap);
    w->offset = *start;
    w->len = (uint32_t)b->len - *start;
    w->box = box;
    *start = (uint32_t)b->len;
}

/* The line of several runs, in reading order. */
static void emit_line(const struct builder *b, struct run *runs, size_t count, struct lines *ret)
{
    struct line *l = lines_push(ret);
    CLEANUP(buf_done) struct buf text = BUF_INIT(LINE_MAX_BYTES);
    size_t glyphs = 0, bold = 0, italic = 0, mono = 0, rtl = 0;
    struct doc_box box = runs[0].box, word_box = {0}, prev = {0};
    uint32_t start = 0;
    float size = 0, base = runs[0].base;
    size_t weight = 0;
    for (size_t k = 0; k < count; k++)
        rtl += runs[k].rtl ? runs[k].count : 0;
    for (size_t k = 0; k < count; k++)
        glyphs += runs[k].count;
    bool is_rtl = rtl * 2 > glyphs;
    for (size_t k = 0; k < count; k++) {
        const struct run *r = &runs[is_rtl ? count - 1 - k : k];
        box = box_union(box, r->box);
        if (r->count > weight) {
            weight = r->count;
            size = r->size;
            base = r->base;
        }
        for (size_t i = r->first; i < r->first + r->count; i++) {
            const struct glyph *g = &b->glyphs[i];
            bool cjk = text_is_cjk(g->c->codepoint) && text.len > 0 && text_is_cjk(text_last(text.data));
            bool gap = i == r->first && k > 0 && gap_between(prev, g->box) > SPACE_EM * r->size;
            if (text.len > 0 &&
                (gap || (g->space_before &&
                         !(i == r->first && k > 0 && gap_between(prev, g->box) < 0.05f * r->size))) &&
                !cjk) {
                end_word(l, &text, &start, word_box);
                buf_putc(&text, ' ');
                start = (uint32_t)text.len;
            }
            word_box = text.len == start ? g->box : box_union(word_box, g->box);
            put_codepoint(&text, g->c->codepoint);
            bold += (g->c->flags & READER_CHAR_BOLD) != 0;
            italic += (g->c->flags & READER_CHAR_ITALIC) != 0;
            mono += (g->c->flags & READER_CHAR_MONO) != 0;
            prev = g->box;
        }
    }
    end_word(l, &text, &start, word_box);
    l->turn = runs[0].turn;
    int back = (4 - l->turn) & 3;
    l->box = turn_box(box, back);
    for (size_t i = 0; i < l->word_count; i++)
        l->words[i].box = turn_box(l->words[i].box, back);
    l->baseline_pt = l->turn == 0 ? base : l->box.bottom;
    l->size_pt = size;
    l->score = 1.0f;
    l->flags = (bold * 10 >= glyphs * 8 ? LINE_BOLD : 0u) | (italic * 10 >= glyphs * 8 ? LINE_ITALIC : 0u) |
               (mono * 10 >= glyphs * 8 ? LINE_MONO : 0u) | (is_rtl ? LINE_RTL : 0u);
    l->text = buf_take(&text);
}

static bool is_marker(const struct builder *b, const struct run *r)
{
    char text[16] = "";
    size_t n = 0;
    if (r->count > 4)
        return false;
    for (size_t i = r->first; i < r->first + r->count; i++)
        n += utf8_encode(b->glyphs[i].c->codepoint, text + n > text + 11 ? text : text + n);
    memcpy(text + MIN(n, 12u), " x", 3);
    bool enumerated;
    int value;
    return text_marker(text, &enumerated, &value) > 0;
}

static bool same_text(const struct builder *b, const struct run *p, const struct run *q)
{
    if (p->count != q->count ||
        gap_between(p->box, q->box) > -0.8f * MIN(box_width(p->box), box_width(q->box)))
        return false;
    for (size_t i = 0; i < p->count; i++)
        if (b->glyphs[p->first + i].c->codepoint != b->glyphs[q->first + i].c->codepoint)
            return false;
    return true;
}

/* One row of runs on a common base line, sorted from the left: cut at wide gaps. */
static void emit_row(const struct builder *b, struct run *runs, size_t count, struct lines *ret)
{
    qsort(runs, count, sizeof(*runs), compare_left);
    size_t start = 0;
    float right = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) /* overprinted runs */
        if (kept == 0 || !same_text(b, &runs[kept - 1], &runs[i]))
            runs[kept++] = runs[i];
    for (size_t i = 0; i < kept; i++) {
        float em = i > 0 ? MAX(runs[i].size, runs[i - 1].size) : 1.0f;
        bool lone_marker = i == start + 1 && !runs[i].rtl && is_marker(b, &runs[start]) && runs[i].count > 4;
        if (i > start && runs[i].box.left - right > (lone_marker ? MARKER_GAP_EM : GAP_EM) * em) {
            emit_line(b, runs + start, i - start, ret);
            start = i;
        }
        right = i == start ? runs[i].box.right : MAX(right, runs[i].box.right);
    }
    if (kept > start)
        emit_line(b, runs + start, kept - start, ret);
}

void lines_of_content(const struct reader_content *c, struct lines *ret)
{
    if (c->char_count == 0)
        return;
    struct text_layer layer = text_layer_count(c);
    struct builder b = {.glyphs = xnew_array(struct glyph, c->char_count)};
    follow_stream(&b, c, layer.invisible * 2 > layer.chars);
    if (b.run_count > 1)
        qsort(b.runs, b.run_count, sizeof(*b.runs), compare_runs);
    size_t start = 0;
    for (size_t i = 1; i <= b.run_count; i++) {
        const struct run *s = &b.runs[start], *r = i < b.run_count ? &b.runs[i] : NULL;
        if (r && r->turn == s->turn && r->base - s->base <= 0.3f * MIN(r->size, s->size))
            continue;
        emit_row(&b, b.runs + start, i - start, ret);
        start = i;
    }
    free(b.glyphs);
    free(b.runs);
}

void lines_of_ocr(const struct ipc_lines *in, float pt_per_px, unsigned extra_flags, struct lines *ret)
{
    for (size_t i = 0; i < in->count; i++) {
        const struct ipc_line *o = &in->items[i];
        if (!o->text || o->text[strspn(o->text, " ")] == '\0')
            continue;
        struct doc_box box = {o->quad[0], o->quad[1], o->quad[0], o->quad[1]};
        for (int k = 1; k < 4; k++)
            box = box_union(box, (struct doc_box){o->quad[2 * k], o->quad[2 * k + 1], o->quad[2 * k],
                                                  o->quad[2 * k + 1]});
        float side = hypotf(o->quad[6] - o->quad[0], o->quad[7] - o->quad[1]);
        float dx = o->quad[2] - o->quad[0], dy = o->quad[3] - o->quad[1];
        struct line *l = lines_push(ret);
        l->box = (struct doc_box){box.left * pt_per_px, box.top * pt_per_px, box.right * pt_per_px,
                                  box.bottom * pt_per_px};
        l->turn = fabsf(dy) > fabsf(dx) ? (dy > 0 ? 1 : 3) : 0;
        l->size_pt = side * pt_per_px * 0.72f; /* a detected line is about 1.4 em high */
        l->baseline_pt = l->box.bottom - 0.22f * side * pt_per_px;
        l->score = o->score;
        l->flags = LINE_OCR | extra_flags;
        l->text = xstrdup(o->text);
        size_t rtl = 0, chars = 0;
        for (const char *s = l->text; *s; chars++) {
            uint32_t cp = 0;
            size_t n = utf8_decode(s, strlen(s), &cp);
            rtl += text_is_rtl(cp);
            s += MAX(n, 1u);
        }
        l->flags |= rtl * 2 > chars ? LINE_RTL : 0u;
        line_split_words(l);
    }
}
