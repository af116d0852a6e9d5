/* PDF reading: places on upright and rotated pages, styles, rules, pictures, links, outline, passwords,
 * limits, broken files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "make_pdf.h"
#include "worker/reader/reader.h"

#define A4 "/MediaBox [0 0 600 800]"
#define NEAR(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static const struct reader_limits no_limits;

static struct reader *open_pdf(int fd)
{
    struct err err = ERR_INIT;
    struct reader *r = NULL;
    if (reader_open(fd, READER_PDF, NULL, &no_limits, &r, &err) < 0)
        fail_msg("%s", err.message);
    return r;
}

static void read_page(struct reader *r, int page, struct reader_content *c)
{
    struct err err = ERR_INIT;
    if (reader_read_content(r, page, c, &err) < 0)
        fail_msg("%s", err.message);
}

static void text_has_places_and_styles(void **state UNUSED)
{
    CLEANUP(fd_closep)
    int fd = make_pdf_page(A4,
                           "BT /F1 20 Tf 100 700 Td (Hi) Tj ET BT /F2 10 Tf 2 0 0 2 100 600 Tm (code) Tj ET"
                           " BT 3 Tr /F1 12 Tf 100 500 Td (X) Tj ET");
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    assert_int_equal(reader_page_count(r), 1);
    float w, h;
    assert_int_equal(reader_page_size(r, 0, &w, &h, NULL), 0);
    NEAR(w, 600, 0.01);
    NEAR(h, 800, 0.01);
    assert_true(reader_page_native_dpi(r, 0) == 0.0f);
    struct reader_content c;
    read_page(r, 0, &c);
    char text[64] = "";
    size_t at[3] = {0};
    for (size_t i = 0, n = 0; i < c.char_count && n < sizeof(text) - 1; i++)
        if (!(c.chars[i].flags & READER_CHAR_GENERATED)) {
            if (n == 0 || n == 2 || n == 6)
                at[n == 0 ? 0 : n == 2 ? 1 : 2] = i;
            text[n++] = (char)c.chars[i].codepoint;
            text[n] = '\0';
        }
    assert_string_equal(text, "HicodeX");

    const struct reader_char *H = &c.chars[at[0]], *code = &c.chars[at[1]], *X = &c.chars[at[2]];
    NEAR(H->origin_x, 100, 0.01);
    NEAR(H->origin_y, 100, 0.01);
    NEAR(H->box.bottom, 100, 0.5);
    NEAR(H->box.top, 100 - 0.72 * 20, 1);
    assert_true(H->loose.top < H->box.top && H->loose.bottom > H->box.bottom);
    NEAR(H->size_pt, 20, 0.01);
    NEAR(H->angle_rad, 0, 1e-6);
    assert_int_equal(H->flags, 0);
    assert_string_equal(c.fonts[H->font].name, "Helvetica");

    NEAR(code->size_pt, 20, 0.01); /* 10 points under a matrix that doubles */
    assert_int_equal(code->flags, READER_CHAR_BOLD | READER_CHAR_ITALIC | READER_CHAR_MONO);
    assert_true(X->flags & READER_CHAR_INVISIBLE);
    assert_false(H->flags & READER_CHAR_INVISIBLE);
    reader_content_done(&c);
}

/* The same mark, page turned by /Rotate: its box on the upright page, and black pixels inside that box of the
 * picture. */
static void check_rotated(int degrees, float width, float height, struct reader_box want, float angle)
{
    char entries[128];
    snprintf(entries, sizeof(entries), "/MediaBox [10 20 610 820] /Rotate %d", degrees);
    CLEANUP(fd_closep) int fd = make_pdf_page(entries, "BT /F1 40 Tf 110 720 Td (I) Tj ET 200 700 30 1 re f");
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    float w, h;
    assert_int_equal(reader_page_size(r, 0, &w, &h, NULL), 0);
    NEAR(w, width, 0.01);
    NEAR(h, height, 0.01);
    struct reader_content c;
    read_page(r, 0, &c);
    NEAR(c.chars[0].origin_x, want.left, 0.01);
    NEAR(c.chars[0].origin_y, want.top, 0.01);
    NEAR(c.chars[0].angle_rad, angle, 1e-4);
    NEAR(c.chars[0].size_pt, 40, 0.01);
    assert_int_equal(c.segment_count, 1);
    NEAR(c.segments[0].thickness_pt, 1, 0.01);
    float dx = c.segments[0].x1 - c.segments[0].x0, dy = c.segments[0].y1 - c.segments[0].y0;
    NEAR(MAX(dx, dy), 30, 0.01);
    NEAR(MIN(dx, dy), 0, 0.01);
    assert_true((dx > dy) == (degrees % 180 == 0));

    CLEANUP(image_freep) struct image *im = NULL;
    assert_int_equal(reader_render(r, 0, 72, &im, NULL), 0);
    assert_int_equal(im->width_px, (int)width);
    assert_int_equal(im->height_px, (int)height);
    int dark_in = 0, dark_out = 0;
    struct reader_box b = c.chars[0].box,
                      s = {c.segments[0].x0, c.segments[0].y0, c.segments[0].x1, c.segments[0].y1};
    for (int y = 0; y < im->height_px; y++)
        for (int x = 0; x < im->width_px; x++)
            if (im->pixels[(size_t)y * im->stride_bytes + 3 * (size_t)x] < 128) {
                float fx = (float)x + 0.5f, fy = (float)y + 0.5f;
                bool in = (fx > b.left - 1 && fx < b.right + 1 && fy > b.top - 1 && fy < b.bottom + 1) ||
                          (fx > s.left - 1 && fx < s.right + 1 && fy > s.top - 1 && fy < s.bottom + 1);
                in ? dark_in++ : dark_out++;
            }
    assert_true(dark_in > 60);
    assert_int_equal(dark_out, 0);
    reader_content_done(&c);
}

static void rotation_is_applied_everywhere(void **state UNUSED)
{
    check_rotated(0, 600, 800, (struct reader_box){100, 100, 0, 0}, 0);
    check_rotated(90, 800, 600, (struct reader_box){700, 100, 0, 0}, (float)M_PI_2);
    check_rotated(180, 600, 800, (struct reader_box){500, 700, 0, 0}, (float)M_PI);
    check_rotated(270, 800, 600, (struct reader_box){100, 500, 0, 0}, (float)-M_PI_2);
}

static void rules_and_pictures_are_found(void **state UNUSED)
{
    CLEANUP(fd_closep)
    int fd = make_pdf_page(
        A4, "2 w 100 700 m 300 700 l S 100 700 m 100 600 l S" /* two rules */
            " 100 500 m 300 550 l S"                          /* slanted: none */
            " 50 300 200 100 re f"                            /* an area: none */
            " 400 300 0.5 90 re f"                            /* a thin one: a rule */
            " 400 100 100 50 re S"                            /* a frame: four */
            " q 100 0 0 50 200 200 cm /I1 Do Q"
            " q 100 200 50 50 re W n 100 0 0 50 100 200 cm /I1 Do Q" /* half of it is clipped away */
            " q 100 0 0 100 550 750 cm /I1 Do Q"                     /* over the edge */
            " q 1 0 0 1 300 400 cm /X1 Do Q");
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    struct reader_content c;
    read_page(r, 0, &c);
    assert_int_equal(c.segment_count, 2 + 1 + 4 + 1);
    NEAR(c.segments[0].x0, 100, 0.01);
    NEAR(c.segments[0].x1, 300, 0.01);
    NEAR(c.segments[0].y0, 100, 0.01);
    NEAR(c.segments[0].y1, 100, 0.01);
    NEAR(c.segments[0].thickness_pt, 2, 0.01);
    NEAR(c.segments[1].y1, 200, 0.01);
    NEAR(c.segments[2].x0, 400.25, 0.01);
    NEAR(c.segments[2].y0, 800 - 390, 0.01);
    const struct reader_segment *in_form = &c.segments[7];
    NEAR(in_form->x0, 310, 0.01);
    NEAR(in_form->x1, 360, 0.01);
    NEAR(in_form->y0, 800 - 420, 0.01);

    assert_int_equal(c.picture_count, 4);
    NEAR(c.pictures[0].box.left, 200, 0.01);
    NEAR(c.pictures[0].box.top, 550, 0.01);
    NEAR(c.pictures[0].box.right, 300, 0.01);
    NEAR(c.pictures[1].box.right, 150, 0.01);
    NEAR(c.pictures[2].box.right, 600, 0.01);
    NEAR(c.pictures[2].box.top, 0, 0.01);
    NEAR(c.pictures[3].box.left, 310, 0.01);
    NEAR(c.pictures[3].box.bottom, 800 - 430, 0.01);
    reader_content_done(&c);
}

static void links_and_outline_are_read(void **state UNUSED)
{
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>");
    make_pdf_object(&m,
                    "<< /Type /Page /Parent 2 0 R " A4 " /Annots ["
                    "<< /Type /Annot /Subtype /Link /Rect [100 700 200 720] /A << /S /URI /URI "
                    "(https://a.example/x) >> >>"
                    "<< /Type /Annot /Subtype /Link /Rect [0 0 10 10] /A << /S /GoTo /D [4 0 R /Fit] >> >>"
                    "<< /Type /Annot /Subtype /Link /Rect [0 0 10 10] /A << /S /URI /URI (a\\nb) >> >>"
                    "] >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R " A4 " >>");
    make_pdf_object(&m, "<< /Type /Outlines /First 6 0 R /Last 8 0 R /Count 3 >>");
    make_pdf_object(
        &m, "<< /Title (One) /Parent 5 0 R /Next 8 0 R /First 7 0 R /Last 7 0 R /Dest [3 0 R /Fit] >>");
    make_pdf_object(&m,
                    "<< /Title <FEFF00E40020D83DDE00> /Parent 6 0 R /A << /S /GoTo /D [4 0 R /Fit] >> >>");
    make_pdf_object(&m, "<< /Title (Two) /Parent 5 0 R /Next 6 0 R >>"); /* and round again */
    CLEANUP(fd_closep) int fd = make_pdf_finish(&m);
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    struct reader_content c;
    read_page(r, 0, &c);
    assert_int_equal(c.link_count, 1);
    assert_string_equal(c.links[0].uri, "https://a.example/x");
    NEAR(c.links[0].box.left, 100, 0.01);
    NEAR(c.links[0].box.top, 80, 0.01);
    NEAR(c.links[0].box.bottom, 100, 0.01);
    reader_content_done(&c);

    struct reader_outline_entry *o;
    size_t n;
    assert_int_equal(reader_outline(r, &o, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_string_equal(o[0].title, "One");
    assert_int_equal(o[0].level, 1);
    assert_int_equal(o[0].page, 0);
    assert_string_equal(o[1].title, "\xc3\xa4 \xf0\x9f\x98\x80");
    assert_int_equal(o[1].level, 2);
    assert_int_equal(o[1].page, 1);
    assert_int_equal(o[2].page, -1);
    reader_outline_free(o, n);
}

static void expect_open(int fd, const char *password, const struct reader_limits *limits, int kind,
                        const char *words)
{
    struct err err = ERR_INIT;
    CLEANUP(reader_freep) struct reader *r = NULL;
    int rc = reader_open(fd, READER_PDF, password, limits, &r, &err);
    if (rc != kind || (words && !strstr(err.message, words)))
        fail_msg("%d \"%s\", not %d \"%s\"", rc, err.message, kind, words ? words : "");
    assert_true((r != NULL) == (kind == 0));
    fd_closep(&fd);
}

static void bad_files_are_typed(void **state UNUSED)
{
    expect_open(make_file("", 0), NULL, &no_limits, ERR_FORMAT, "the file is empty");
    expect_open(make_file("no, this is text", 16), NULL, &no_limits, ERR_FORMAT, "not a PDF");
    expect_open(make_file("%PDF-1.7\n", 9), NULL, &no_limits, ERR_FORMAT, "broken");
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [] /Count 0 >>");
    expect_open(make_pdf_finish(&m), NULL, &no_limits, ERR_FORMAT, "no page");
    struct err err = ERR_INIT;
    CLEANUP(reader_freep) struct reader *r = NULL;
    CLEANUP(fd_closep) int fd = make_file("a,b\n", 4);
    assert_int_equal(reader_open(fd, READER_CSV, NULL, &no_limits, &r, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "csv"));
    assert_int_equal(reader_open(fd, READER_UNKNOWN, NULL, &no_limits, &r, &err), ERR_UNSUPPORTED);
}

static void limits_are_held(void **state UNUSED)
{
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R] /Count 3 >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R " A4 " >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 2000000000 2000000000] >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 14400 14400] >>");
    int fd = make_pdf_finish(&m);
    struct reader_limits two = {.max_pages = 2};
    struct err err = ERR_INIT;
    CLEANUP(reader_freep) struct reader *r = NULL;
    assert_int_equal(reader_open(fd, READER_PDF, NULL, &two, &r, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "3 pages"));
    assert_non_null(strstr(err.message, "limit is 2"));

    assert_int_equal(reader_open(fd, READER_PDF, NULL, &no_limits, &r, &err), 0);
    float w, h;
    struct reader_content c;
    struct image *im = NULL;
    assert_int_equal(reader_page_size(r, 0, &w, &h, &err), 0);
    assert_int_equal(reader_page_size(r, 1, &w, &h, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "page 2"));
    assert_int_equal(reader_read_content(r, 1, &c, &err), ERR_LIMIT);
    assert_int_equal(reader_render(r, 1, 72, &im, &err), ERR_LIMIT);
    /* 14400 points at 300 dpi are 3.6 gigapixels: drawn smaller */
    assert_int_equal(reader_render(r, 2, 300, &im, &err), 0);
    assert_true((size_t)im->width_px * (size_t)im->height_px <= LIMIT_PAGE_PIXELS);
    assert_true(im->width_px > 7000 && im->dpi < 36 && im->dpi > 35);
    image_free(im);
    assert_int_equal(reader_page_size(r, 3, &w, &h, &err), ERR_ARG);
    assert_int_equal(reader_read_content(r, -1, &c, &err), ERR_ARG);
    assert_int_equal(reader_render(r, 0, 0, &im, &err), ERR_ARG);
    assert_int_equal(reader_render(r, 0, NAN, &im, &err), ERR_ARG);
    fd_closep(&fd);
}

static void rule_count_has_a_ceiling(void **state UNUSED)
{
    struct buf b = BUF_INIT(4u << 20);
    for (int i = 0; i < LIMIT_PAGE_RULES + 500; i++)
        buf_printf(&b, "10 %d m 90 %d l S\n", i % 700, i % 700);
    CLEANUP(fd_closep) int fd = make_pdf_page(A4, buf_str(&b));
    buf_done(&b);
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    struct reader_content c;
    read_page(r, 0, &c);
    assert_int_equal(c.segment_count, LIMIT_PAGE_RULES);
    reader_content_done(&c);
}

/* Each form draws the next: deeper than we walk. The rule of the innermost is not reached, nothing else
 * happens. */
static void form_depth_has_a_ceiling(void **state UNUSED)
{
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R " A4
                        " /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>");
    make_pdf_stream(&m, "", "/X Do");
    for (int i = 5; i < 5 + LIMIT_PDF_FORM_DEPTH + 8; i++) {
        char dict[160];
        snprintf(
            dict, sizeof(dict),
            "/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /X %d 0 R >> >>",
            i + 1);
        make_pdf_stream(&m, dict, "10 10 m 90 10 l S /X Do");
    }
    CLEANUP(fd_closep) int fd = make_pdf_finish(&m);
    CLEANUP(reader_freep) struct reader *r = open_pdf(fd);
    struct reader_content c;
    read_page(r, 0, &c);
    assert_true(c.segment_count > 1 && c.segment_count <= LIMIT_PDF_FORM_DEPTH);
    reader_content_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_places_and_styles),   cmocka_unit_test(rotation_is_applied_everywhere),
        cmocka_unit_test(rules_and_pictures_are_found), cmocka_unit_test(links_and_outline_are_read),
        cmocka_unit_test(bad_files_are_typed),          cmocka_unit_test(limits_are_held),
        cmocka_unit_test(rule_count_has_a_ceiling),     cmocka_unit_test(form_depth_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
