/*
 * The characters of a page. What is common to a run of text (font, size, angle, render mode) is asked for
 * once per text object: a call per character for the font's name alone would cost more than PDFium's whole
 * text extraction. Order is PDFium's.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"
#include "worker/reader/pdf.h"

#define FONT_NAME_BYTES 256
#define BOLD_WEIGHT 600
#define LIGATURE_LETTERS 8

struct run { /* what all characters of a text object have in common */
    FPDF_PAGEOBJECT object;
    float size_pt, angle_rad;
    uint16_t font, flags;
};

struct text_reader {
    struct pdf *pdf;
    FPDF_TEXTPAGE text;
    struct reader_content *out;
    FPDF_FONT *font_ids; /* parallel to out->fonts */
    size_t font_id_cap, font_cap;
    struct run run;
};

static bool has_any(const char *name, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}
#define HAS_ANY(name, words) has_any((name), (words), ARRAY_LEN(words))

/* Words of font names; the short ones are TeX's (CMBX12: Computer Modern bold extended, SFTT0900:
 * typewriter). */
static const char *const bold_words[] = {"bold", "black",  "heavy", "demi",  "cmbx",
                                         "sfbx", "cmssbx", "cmb1",  "cmsy-b"};
static const char *const italic_words[] = {"ital", "obli",   "slanted", "cmti", "cmsl",
                                           "cmmi", "cmbxti", "sfti",    "sfsl", "sfbi"};
static const char *const mono_words[] = {"mono", "courier", "consol", "typewriter",
                                         "cmtt", "cmsltt",  "sftt",   "menlo"};
static const char *const serif_words[] = {"times",    "roman", "georgia", "garamond",
                                          "palatino", "cmr",   "sfrm",    "cambria"};

/* "-Medi" of the URW fonts is bold, "-Medium" of others is not. */
static bool is_medi(const char *name)
{
    const char *medi = strcasestr(name, "-medi");
    return medi && strncasecmp(medi, "-medium", 7) != 0;
}

static void describe_font(FPDF_FONT font, struct reader_font *f)
{
    char name[FONT_NAME_BYTES] = "";
    size_t bytes = font ? FPDFFont_GetBaseFontName(font, name, sizeof(name)) : 0;
    if (bytes == 0 || bytes > sizeof(name))
        name[0] = '\0';
    const char *base = name;
    if (strlen(name) > 7 && name[6] == '+') /* the tag of a subset: ABCDEF+Name */
        base += 7;
    f->name = utf8_valid(base, strlen(base)) ? xstrdup(base) : xstrdup("");

    int flags = font ? FPDFFont_GetFlags(font) : 0;
    int weight = font ? FPDFFont_GetWeight(font) : 0;
    int slant = 0;
    if (font)
        FPDFFont_GetItalicAngle(font, &slant);
    flags = flags < 0 ? 0 : flags;
    f->weight = weight >= 100 && weight <= 900 ? weight : 0;
    if (HAS_ANY(base, bold_words) || is_medi(base) || (flags & FPDF_FONT_FORCEBOLD))
        f->weight = MAX(f->weight, 700);
    f->italic = (flags & FPDF_FONT_ITALIC) || slant != 0 || HAS_ANY(base, italic_words);
    f->mono = (flags & FPDF_FONT_FIXED) || HAS_ANY(base, mono_words);
    f->serif = !f->mono && ((flags & FPDF_FONT_SERIF) || HAS_ANY(base, serif_words));
}

static uint16_t font_index(struct text_reader *t, FPDF_FONT font)
{
    struct reader_content *out = t->out;
    for (size_t i = out->font_count; i-- > 0;)
        if (t->font_ids[i] == font)
            return (uint16_t)i;
    if (out->font_count == LIMIT_PAGE_FONTS) /* later fonts are told as the last one */
        return (uint16_t)(out->font_count - 1);
    size_t ids = out->font_count;
    *VEC_PUSH(t->font_ids, ids, t->font_id_cap) = font;
    describe_font(font, VEC_PUSH(out->fonts, out->font_count, t->font_cap));
    return (uint16_t)(out->font_count - 1);
}

static void start_run(struct text_reader *t, FPDF_PAGEOBJECT object, int index)
{
    struct run *run = &t->run;
    run->object = object;
    run->font = font_index(t, FPDFTextObj_GetFont(object));
    const struct reader_font *f = &t->out->fonts[run->font];
    run->flags = (uint16_t)((f->weight >= BOLD_WEIGHT ? READER_CHAR_BOLD : 0) |
                            (f->italic ? READER_CHAR_ITALIC : 0) | (f->mono ? READER_CHAR_MONO : 0) |
                            (f->serif ? READER_CHAR_SERIF : 0));
    if (FPDFTextObj_GetTextRenderMode(object) == FPDF_TEXTRENDERMODE_INVISIBLE)
        run->flags |= READER_CHAR_INVISIBLE;

    float size = (float)FPDFText_GetFontSize(t->text, index);
    FS_MATRIX m;
    if (FPDFText_GetMatrix(t->text, index, &m)) {
        /* As drawn: the height of the em square across the writing direction (a slanted matrix does not grow
         * it). */
        float along = hypotf(m.a, m.b), area = fabsf(m.a * m.d - m.b * m.c);
        run->size_pt = fabsf(size) * (along > 0 ? area / along : hypotf(m.c, m.d));
        /* y grows downwards on our page: clockwise is positive, and so is /Rotate. A negative size writes
         * backwards. */
        float back = size < 0 ? -1.0f : 1.0f;
        float angle = atan2f(-m.b * back, m.a * back) + (float)M_PI_2 * (float)t->pdf->quarters;
        while (angle > (float)M_PI + 1e-4f)
            angle -= 2 * (float)M_PI;
        run->angle_rad = fabsf(angle) < 1e-5f ? 0 : angle;
    } else {
        run->size_pt = fabsf(size);
        run->angle_rad = 0;
    }
    if (!isfinite(run->size_pt))
        run->size_pt = 0;
}

static void read_places(struct text_reader *t, int index, struct reader_char *c)
{
    double left, right, bottom, top, x, y;
    FS_RECTF loose;
    if (FPDFText_GetCharBox(t->text, index, &left, &right, &bottom, &top))
        c->box = pdf_place_box(t->pdf, left, bottom, right, top);
    if (FPDFText_GetLooseCharBox(t->text, index, &loose))
        c->loose = pdf_place_box(t->pdf, (double)loose.left, (double)loose.bottom, (double)loose.right,
                                 (double)loose.top);
    else
        c->loose = c->box;
    if (FPDFText_GetCharOrigin(t->text, index, &x, &y))
        pdf_place(t->pdf, x, y, &c->origin_x, &c->origin_y);
}

static bool is_finite_box(const struct reader_box *b)
{
    return isfinite(b->left) && isfinite(b->top) && isfinite(b->right) && isfinite(b->bottom);
}

/* One character; its codepoint may be a surrogate half. */
static void read_char(struct text_reader *t, int index, struct reader_char *c)
{
    FPDF_PAGEOBJECT object = FPDFText_GetTextObject(t->text, index);
    if (object && object != t->run.object)
        start_run(t, object, index);
    c->codepoint = FPDFText_GetUnicode(t->text, index);
    c->font = t->run.font;
    c->flags = t->run.flags;
    c->size_pt = t->run.size_pt;
    c->angle_rad = t->run.angle_rad;
    read_places(t, index, c);
    if (!is_finite_box(&c->box) || !is_finite_box(&c->loose) || !isfinite(c->origin_x) ||
        !isfinite(c->origin_y)) {
        c->box = c->loose = (struct reader_box){0};
        c->origin_x = c->origin_y = 0;
    }
    if (!object || FPDFText_IsGenerated(t->text, index) == 1) {
        c->flags |= READER_CHAR_GENERATED;
        return;
    }
    if (FPDFText_IsHyphen(t->text, index) == 1) {
        c->flags |= READER_CHAR_HYPHEN;
        c->codepoint = '-'; /* PDFium's own mark for it is U+0002 */
    }
    if (FPDFText_HasUnicodeMapError(t->text, index) == 1)
        c->flags |= READER_CHAR_UNMAPPED;
    if (c->codepoint == 0 || c->codepoint > 0x10ffff) {
        c->codepoint = UTF8_REPLACEMENT;
        c->flags |= READER_CHAR_UNMAPPED;
    }
}

static bool same_place(const struct reader_char *a, const struct reader_char *b)
{
    return a->origin_x == b->origin_x && a->origin_y == b->origin_y &&
           memcmp(&a->box, &b->box, sizeof(a->box)) == 0;
}

static bool is_rtl(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8ff) || (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfeff);
}

/*
 * PDFium turns right-to-left text round letter by letter, the letters of a ligature too. The one ligature
 * that every Arabic font has is lam-alef; alef-lam does not exist, so the pair in one place tells that it was
 * turned.
 */
static bool is_turned_lam_alef(const struct reader_char *c)
{
    uint32_t first = c[0].codepoint;
    return c[1].codepoint == 0x644 && (first == 0x622 || first == 0x623 || first == 0x625 || first == 0x627);
}

/*
 * A ligature that stands for several letters comes as letters with one box between them: share it out, or
 * whoever orders by place would find them on top of each other. first..last are such letters, upright or
 * along a quarter turn.
 */
static void share_box(struct reader_char *first, size_t count)
{
    struct reader_box box = first->box, loose = first->loose;
    float turn = cosf(2 * first->angle_rad);
    bool across = turn > 0.5f;
    bool backwards = (across ? cosf(first->angle_rad) : sinf(first->angle_rad)) < 0;
    if (is_rtl(first->codepoint))
        backwards = !backwards;
    if (fabsf(turn) < 0.5f)
        return;
    for (size_t i = 0; i < count; i++) {
        size_t slot = backwards ? count - 1 - i : i;
        float from = (float)slot / (float)count, to = (float)(slot + 1) / (float)count;
        struct reader_box *boxes[2] = {&first[i].box, &first[i].loose};
        const struct reader_box *wholes[2] = {&box, &loose};
        for (int k = 0; k < 2; k++) {
            const struct reader_box *w = wholes[k];
            if (across) {
                boxes[k]->left = w->left + (w->right - w->left) * from;
                boxes[k]->right = w->left + (w->right - w->left) * to;
            } else {
                boxes[k]->top = w->top + (w->bottom - w->top) * from;
                boxes[k]->bottom = w->top + (w->bottom - w->top) * to;
            }
        }
    }
}

static void share_ligatures(struct reader_content *out)
{
    size_t i = 0;
    while (i + 1 < out->char_count) {
        struct reader_char *c = &out->chars[i];
        size_t n = 1;
        bool differ = false;
        while (i + n < out->char_count && !(c[n].flags & READER_CHAR_GENERATED) && same_place(c, &c[n])) {
            differ |= c[n].codepoint != c->codepoint;
            n++;
        }
        if (n > 1 && n <= LIGATURE_LETTERS && (differ || n == 2) && !(c->flags & READER_CHAR_GENERATED)) {
            if (n == 2 && is_turned_lam_alef(c)) {
                c[1].codepoint = c[0].codepoint;
                c[0].codepoint = 0x644;
            }
            share_box(c, n);
        }
        i += n;
    }
}

int pdf_read_text(struct pdf *pdf, struct reader_content *ret, struct err *err)
{
    FPDF_TEXTPAGE text = FPDFText_LoadPage(pdf->page);
    if (!text)
        return err_fail(err, ERR_FORMAT, "page %d: its text cannot be read", pdf->loaded + 1);
    int count = FPDFText_CountChars(text), rc = 0;
    struct text_reader t = {.pdf = pdf, .text = text, .out = ret};
    if (count > LIMIT_PAGE_CHARS) {
        rc = err_fail(err, ERR_LIMIT, "page %d: %d characters, the limit is %d", pdf->loaded + 1, count,
                      LIMIT_PAGE_CHARS);
        count = 0;
    }
    if (count > 0) {
        ret->chars = try_calloc((size_t)count, sizeof(*ret->chars));
        if (!ret->chars) {
            rc = err_fail(err, ERR_MEMORY, "page %d: no memory for %d characters", pdf->loaded + 1, count);
            count = 0;
        } else {
            font_index(&t, NULL); /* fonts[0]: what a character without a text object belongs to */
        }
    }
    for (int i = 0; i < count; i++) {
        struct reader_char *c = &ret->chars[ret->char_count];
        read_char(&t, i, c);
        struct reader_char *high = c - 1;
        if (c->codepoint >= 0xdc00 && c->codepoint < 0xe000 && ret->char_count > 0 &&
            high->codepoint >= 0xd800 && high->codepoint < 0xdc00) {
            high->codepoint = 0x10000 + ((high->codepoint - 0xd800) << 10) + (c->codepoint - 0xdc00);
            memset(c, 0, sizeof(*c));
            continue;
        }
        ret->char_count++;
    }
    for (size_t i = 0; i < ret->char_count; i++)
        if (ret->chars[i].codepoint >= 0xd800 &&
            ret->chars[i].codepoint < 0xe000) { /* half of a pair, alone */
            ret->chars[i].codepoint = UTF8_REPLACEMENT;
            ret->chars[i].flags |= READER_CHAR_UNMAPPED;
        }
    share_ligatures(ret);
    free(t.font_ids);
    FPDFText_ClosePage(text);
    return rc;
}
