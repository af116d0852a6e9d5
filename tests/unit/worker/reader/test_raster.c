/* Raster files: every format and orientation, several pages, limits before decoding, broken files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <leptonica/allheaders.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "make_pdf.h"
#include "worker/reader/reader.h"

#define W 60
#define H 40

static const struct reader_limits no_limits;

/* White, with a black block in the top left corner that is wider than high, and a red one below it. */
static PIX *make_pix(void)
{
    PIX *pix = pixCreate(W, H, 32);
    pixSetAll(pix);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 24; x++)
            pixSetRGBPixel(pix, x, y, 0, 0, 0);
    for (int y = 8; y < 24; y++)
        for (int x = 0; x < 8; x++)
            pixSetRGBPixel(pix, x, y, 255, 0, 0);
    return pix;
}

static struct reader *open_image(int fd)
{
    struct err err = ERR_INIT;
    struct reader *r = NULL;
    assert_int_equal(reader_sniff(fd, NULL), READER_IMAGE);
    if (reader_open(fd, READER_IMAGE, NULL, &no_limits, &r, &err) < 0)
        fail_msg("%s", err.message);
    return r;
}

/* 'K' black, 'R' red, 'W' white, '?' else. */
static char colour(const struct image *im, int x, int y)
{
    const uint8_t *p = im->pixels + (size_t)y * im->stride_bytes + 3 * (size_t)x;
    bool b = p[0] > 150, g = p[1] > 150, r = p[2] > 150;
    return !b && !g && !r ? 'K' : !b && !g && r ? 'R' : b && g && r ? 'W' : '?';
}

/* The picture stands upright: block, red, white where they belong. */
static void check_upright(int fd, int page, bool has_red)
{
    CLEANUP(reader_freep) struct reader *r = open_image(fd);
    float w, h;
    struct err err = ERR_INIT;
    assert_int_equal(reader_page_size(r, page, &w, &h, NULL), 0);
    assert_true(w == (float)W && h == (float)H);
    assert_true(reader_page_native_dpi(r, page) == 72.0f);
    CLEANUP(image_freep) struct image *im = NULL;
    if (reader_render(r, page, 72, &im, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(im->width_px, W);
    assert_int_equal(im->height_px, H);
    assert_int_equal(colour(im, 3, 3), 'K');
    assert_int_equal(colour(im, 20, 3), 'K');
    assert_int_equal(colour(im, 3, 20), has_red ? 'R' : 'K');
    assert_int_equal(colour(im, 20, 20), 'W');
    assert_int_equal(colour(im, 50, 30), 'W');
    struct reader_content c;
    assert_int_equal(reader_read_content(r, page, &c, NULL), 0);
    assert_int_equal(c.char_count + c.picture_count, 0);
    struct reader_outline_entry *o;
    size_t n = 1;
    assert_int_equal(reader_outline(r, &o, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static int write_pix(PIX *pix, int format)
{
    l_uint8 *bytes = NULL;
    size_t len = 0;
    if (pixWriteMem(&bytes, &len, pix, format) != 0)
        fail_msg("leptonica cannot write format %d", format);
    int fd = make_file(bytes, len);
    lept_free(bytes);
    return fd;
}

static void all_formats_are_read(void **state UNUSED)
{
    PIX *pix = make_pix(), *map = pixOctreeColorQuant(pix, 128, 0), *grey = pixConvertTo8(pix, 0);
    PIX *bits = pixThresholdToBinary(grey, 128);
    const int color[] = {IFF_PNG,      IFF_JFIF_JPEG, IFF_TIFF, IFF_TIFF_LZW,
                         IFF_TIFF_ZIP, IFF_BMP,       IFF_WEBP, IFF_GIF};
    for (size_t i = 0; i < ARRAY_LEN(color); i++) {
        CLEANUP(fd_closep) int fd = write_pix(color[i] == IFF_GIF ? map : pix, color[i]);
        check_upright(fd, 0, true);
    }
    const int mapped[] = {IFF_PNG, IFF_TIFF, IFF_BMP};
    for (size_t i = 0; i < ARRAY_LEN(mapped); i++) {
        CLEANUP(fd_closep) int fd = write_pix(map, mapped[i]);
        check_upright(fd, 0, true);
    }
    const int mono[] = {IFF_PNG, IFF_TIFF_G4, IFF_TIFF_G3, IFF_TIFF_PACKBITS, IFF_BMP};
    for (size_t i = 0; i < ARRAY_LEN(mono); i++) {
        CLEANUP(fd_closep) int fd = write_pix(bits, mono[i]);
        check_upright(fd, 0, false);
    }
    CLEANUP(fd_closep) int fd = write_pix(grey, IFF_JFIF_JPEG);
    check_upright(fd, 0, false);
    pixDestroy(&pix);
    pixDestroy(&map);
    pixDestroy(&bits);
    pixDestroy(&grey);
}

/* Transparent means white. */
static void alpha_lies_on_white(void **state UNUSED)
{
    PIX *pix = make_pix();
    pixSetSpp(pix, 4);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            l_uint32 v;
            pixGetPixel(pix, x, y, &v);
            bool paper = v >> 8 == 0xffffff;
            pixSetPixel(pix, x, y, paper ? 0 : v | 0xff); /* transparent black */
        }
    const int formats[] = {IFF_PNG, IFF_WEBP};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        CLEANUP(fd_closep) int fd = write_pix(pix, formats[i]);
        check_upright(fd, 0, true);
    }
    pixDestroy(&pix);
}

/* ---- TIFF and EXIF, written by hand in either byte order ---- */

struct tiff {
    struct buf b;
    bool big;
};

static void put16(struct tiff *t, unsigned v)
{
    buf_putc(&t->b, (char)(t->big ? v >> 8 : v));
    buf_putc(&t->b, (char)(t->big ? v : v >> 8));
}

static void put32(struct tiff *t, unsigned v)
{
    put16(t, t->big ? v >> 16 : v & 0xffff);
    put16(t, t->big ? v & 0xffff : v >> 16);
}

static void put_entry(struct tiff *t, unsigned tag, unsigned type, unsigned count, unsigned value)
{
    put16(t, tag);
    put16(t, type);
    put32(t, count);
    if (type == 3 && count == 1) {
        put16(t, value);
        put16(t, 0);
    } else {
        put32(t, value);
    }
}

static void tiff_start(struct tiff *t, bool big)
{
    *t = (struct tiff){.b = BUF_INIT(1u << 20), .big = big};
    buf_append(&t->b, big ? "MM" : "II", 2);
    put16(t, 42);
    put32(t, 8);
}

/* A directory of `entries` follows at the end of the buffer; its pixels behind it. samples: 3 or 4 (with
 * associated alpha). */
static void tiff_page(struct tiff *t, unsigned w, unsigned h, unsigned samples, unsigned orientation,
                      const uint8_t *pixels, unsigned next, unsigned subfile)
{
    unsigned count = 13 + (samples == 4), after = (unsigned)t->b.len + 2 + 12 * count + 4;
    unsigned bits_at = after, dpi_at = after + 8, pixels_at = after + 16,
             bytes = pixels ? w * h * samples : 0;
    put16(t, count);
    put_entry(t, 254, 4, 1, subfile);
    put_entry(t, 256, 4, 1, w);
    put_entry(t, 257, 4, 1, h);
    put_entry(t, 258, 3, samples, bits_at);
    put_entry(t, 259, 3, 1, 1);
    put_entry(t, 262, 3, 1, 2);
    put_entry(t, 273, 4, 1, pixels_at);
    put_entry(t, 274, 3, 1, orientation);
    put_entry(t, 277, 3, 1, samples);
    put_entry(t, 278, 4, 1, h);
    put_entry(t, 279, 4, 1, bytes);
    put_entry(t, 282, 5, 1, dpi_at);
    put_entry(t, 296, 3, 1, 2);
    if (samples == 4)
        put_entry(t, 338, 3, 1, 1);
    put32(t, next == 1 ? pixels_at + bytes : next); /* 1: right behind this page */
    for (int i = 0; i < 4; i++)
        put16(t, 8);
    put32(t, 300);
    put32(t, 1);
    buf_append(&t->b, pixels ? (const void *)pixels : "", bytes);
}

static int tiff_finish(struct tiff *t)
{
    int fd = make_file(buf_str(&t->b), t->b.len);
    buf_done(&t->b);
    return fd;
}

/* Where the upright picture's pixel (x, y) is stored, for EXIF orientations 1..8. */
static void stored_place(int orientation, int x, int y, int *sx, int *sy)
{
    const int right = W - 1 - x, bottom = H - 1 - y;
    const int places[9][2] = {{0, 0}, {x, y},     {right, y},      {right, bottom}, {x, bottom},
                              {y, x}, {y, right}, {bottom, right}, {bottom, x}};
    *sx = places[orientation][0];
    *sy = places[orientation][1];
}

/* The upright picture as stored bytes of this orientation, *w x *h. */
static uint8_t *store(int orientation, int samples, unsigned *w, unsigned *h)
{
    PIX *pix = make_pix();
    bool sideways = orientation >= 5;
    *w = sideways ? H : W;
    *h = sideways ? W : H;
    uint8_t *bytes = xmalloc((size_t)W * H * (size_t)samples);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int sx, sy, r, g, b;
            stored_place(orientation, x, y, &sx, &sy);
            pixGetRGBPixel(pix, x, y, &r, &g, &b);
            uint8_t *p = bytes + ((size_t)sy * *w + (size_t)sx) * (size_t)samples;
            bool paper = r && g && b && samples == 4; /* transparent; multiplied in, so black */
            p[0] = (uint8_t)(paper ? 0 : r), p[1] = (uint8_t)(paper ? 0 : g), p[2] = (uint8_t)(paper ? 0 : b);
            if (samples == 4)
                p[3] = paper ? 0 : 255;
        }
    pixDestroy(&pix);
    return bytes;
}

static void tiff_orientations_and_alpha(void **state UNUSED)
{
    for (int o = 1; o <= 8; o++)
        for (int samples = 3; samples <= 4; samples++) {
            unsigned w, h;
            CLEANUP(freep) uint8_t *pixels = store(o, samples, &w, &h);
            struct tiff t;
            tiff_start(&t, o % 2);
            tiff_page(&t, w, h, (unsigned)samples, (unsigned)o, pixels, 0, 0);
            CLEANUP(fd_closep) int fd = tiff_finish(&t);
            check_upright(fd, 0, true);
        }
}

static void jpeg_orientations(void **state UNUSED)
{
    for (int o = 1; o <= 8; o++) {
        unsigned w, h;
        CLEANUP(freep) uint8_t *pixels = store(o, 3, &w, &h);
        PIX *pix = pixCreate((int)w, (int)h, 32);
        for (unsigned y = 0; y < h; y++)
            for (unsigned x = 0; x < w; x++) {
                const uint8_t *p = pixels + 3 * ((size_t)y * w + x);
                pixSetRGBPixel(pix, (int)x, (int)y, p[0], p[1], p[2]);
            }
        l_uint8 *jpeg = NULL;
        size_t len = 0;
        assert_int_equal(pixWriteMemJpeg(&jpeg, &len, pix, 95, 0), 0);
        pixDestroy(&pix);
        struct tiff t; /* EXIF is a TIFF structure without pixels */
        tiff_start(&t, o % 2 == 0);
        put16(&t, 1);
        put_entry(&t, 274, 3, 1, (unsigned)o);
        put32(&t, 0);
        struct buf file = BUF_INIT(1u << 20);
        size_t segment = 2 + 6 + t.b.len;
        const char head[] = {
            (char)0xff, (char)0xd8, (char)0xff, (char)0xe1, (char)(segment >> 8), (char)segment, 'E', 'x',
            'i',        'f',        0,          0};
        buf_append(&file, head, sizeof(head));
        buf_append(&file, buf_str(&t.b), t.b.len);
        buf_append(&file, jpeg + 2, len - 2);
        lept_free(jpeg);
        CLEANUP(fd_closep) int fd = make_file(buf_str(&file), file.len);
        buf_done(&file);
        buf_done(&t.b);
        check_upright(fd, 0, true);
    }
}

static void tiff_pages_and_loops(void **state UNUSED)
{
    unsigned w, h;
    CLEANUP(freep) uint8_t *pixels = store(1, 3, &w, &h);
    struct tiff t;
    tiff_start(&t, false);
    tiff_page(&t, w, h, 3, 1, pixels, 1, 0);
    tiff_page(&t, w, h, 3, 1, pixels, 1, 1);       /* a thumbnail: no page */
    tiff_page(&t, 60000, 60000, 3, 1, NULL, 1, 0); /* over the limit: costs this page only */
    tiff_page(&t, w, h, 3, 1, pixels, 8, 0);       /* and back to the first */
    CLEANUP(fd_closep) int fd = tiff_finish(&t);
    CLEANUP(reader_freep) struct reader *r = open_image(fd);
    assert_int_equal(reader_page_count(r), 3);
    assert_true(reader_page_scan_dpi(r, 0) == 300.0f);
    check_upright(fd, 0, true);
    check_upright(fd, 2, true);
    struct err err = ERR_INIT;
    struct image *im = NULL;
    assert_int_equal(reader_render(r, 1, 72, &im, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "page 2"));

    struct reader_limits two = {.max_pages = 2};
    struct reader *none = NULL;
    assert_int_equal(reader_open(fd, READER_IMAGE, NULL, &two, &none, &err), ERR_LIMIT);

    tiff_start(&t, false);
    for (int i = 0; i <= LIMIT_IMAGE_FRAMES; i++)
        tiff_page(&t, 1, 1, 3, 1, pixels, i < LIMIT_IMAGE_FRAMES ? 1 : 0, 0);
    CLEANUP(fd_closep) int many = tiff_finish(&t);
    assert_int_equal(reader_open(many, READER_IMAGE, NULL, &no_limits, &none, &err), ERR_LIMIT);
    assert_null(none);
}

static void expect_open(const void *bytes, size_t len, int kind, const char *words)
{
    CLEANUP(fd_closep) int fd = make_file(bytes, len);
    CLEANUP(reader_freep) struct reader *r = NULL;
    struct err err = ERR_INIT;
    int rc = reader_open(fd, READER_IMAGE, NULL, &no_limits, &r, &err);
    if (rc != kind || !strstr(err.message, words))
        fail_msg("%d \"%s\", not %d \"%s\"", rc, err.message, kind, words);
}
#define EXPECT_OPEN(literal, kind, words) expect_open((literal), sizeof(literal) - 1, (kind), (words))

static void limits_hold_before_decoding(void **state UNUSED)
{
    EXPECT_OPEN("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x01\0\0\0\0abcd\0\0\0\0", ERR_LIMIT,
                "60000 x 60000");
    EXPECT_OPEN("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\0\0\0\0\0\x01\x01\0\0\0\0abcd\0\0\0\0", ERR_LIMIT,
                "65500 a side");
    EXPECT_OPEN("GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\xe0\xff\xe0\xff\0\x02\0;", ERR_LIMIT, "a side");
    EXPECT_OPEN("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\xff\x7f\0\0\0\x80\x01\0\x18\0"
                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                ERR_LIMIT, "2147483648");
    /* a progressive picture of more scans than allowed */
    struct buf b = BUF_INIT(1u << 20);
    const char head[] = "\xff\xd8\xff\xc2\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0";
    buf_append(&b, head, sizeof(head) - 1);
    for (int i = 0; i <= LIMIT_JPEG_SCANS; i++)
        buf_append(&b, "\xff\xda\0\x08\x01\x01\0\0\0\0\x12\xff\0\x34", 14);
    expect_open(buf_str(&b), b.len, ERR_LIMIT, "scans");
    buf_done(&b);
}

static void broken_files_are_typed(void **state UNUSED)
{
    EXPECT_OPEN("", ERR_FORMAT, "empty");
    EXPECT_OPEN("text", ERR_FORMAT, "not a picture");
    EXPECT_OPEN("\x89PNG\r\n\x1a\n", ERR_FORMAT, "no header");
    EXPECT_OPEN("\xff\xd8\xff\xd9", ERR_FORMAT, "no usable header");
    EXPECT_OPEN("\xff\xd8\xff\xe1\xff\xff", ERR_FORMAT, "no usable header");
    EXPECT_OPEN("II*\0\xff\xff\xff\xff", ERR_FORMAT, "holds no picture");
    EXPECT_OPEN("II*\0\x08\0\0\0\xff\xff", ERR_FORMAT, "holds no picture");
    EXPECT_OPEN("GIF89a\x01\0\x01\0\0\0\0", ERR_FORMAT, "no picture");
    EXPECT_OPEN("GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\x87\0", ERR_FORMAT, "cut off");
    EXPECT_OPEN("RIFF\x10\0\0\0WEBPVP8 ", ERR_FORMAT, "WebP");
    EXPECT_OPEN("\0\0\0\x0cjP  \r\n\x87\n", ERR_UNSUPPORTED, "image/jp2");

    /* cut anywhere, a file gives an error or a picture, and half a JPEG gives no picture */
    PIX *pix = make_pix();
    l_uint8 *bytes = NULL;
    size_t len = 0;
    assert_int_equal(pixWriteMemJpeg(&bytes, &len, pix, 90, 0), 0);
    for (size_t cut = 1; cut < len; cut += 7) {
        CLEANUP(fd_closep) int fd = make_file(bytes, cut);
        CLEANUP(reader_freep) struct reader *r = NULL;
        CLEANUP(image_freep) struct image *im = NULL;
        struct err err = ERR_INIT;
        int rc = reader_open(fd, READER_IMAGE, NULL, &no_limits, &r, &err);
        if (rc == 0)
            rc = reader_render(r, 0, 72, &im, &err);
        assert_int_equal(rc, ERR_FORMAT);
    }
    lept_free(bytes);
    pixDestroy(&pix);
}

static void renders_at_other_resolutions(void **state UNUSED)
{
    PIX *pix = make_pix();
    CLEANUP(fd_closep) int fd = write_pix(pix, IFF_PNG);
    pixDestroy(&pix);
    CLEANUP(reader_freep) struct reader *r = open_image(fd);
    CLEANUP(image_freep) struct image *half = NULL;
    CLEANUP(image_freep) struct image *twice = NULL;
    assert_int_equal(reader_render(r, 0, 36, &half, NULL), 0);
    assert_int_equal(half->width_px, W / 2);
    assert_true(half->dpi == 36.0f);
    assert_int_equal(colour(half, 1, 10), 'R');
    assert_int_equal(reader_render(r, 0, 144, &twice, NULL), 0);
    assert_int_equal(twice->height_px, 2 * H);
    assert_int_equal(colour(twice, 40, 6), 'K');
    assert_true(reader_page_scan_dpi(r, 0) == 0.0f);
    CLEANUP(image_freep) struct image *none = NULL;
    assert_int_equal(reader_render(r, 1, 72, &none, NULL), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_formats_are_read),        cmocka_unit_test(alpha_lies_on_white),
        cmocka_unit_test(tiff_orientations_and_alpha), cmocka_unit_test(jpeg_orientations),
        cmocka_unit_test(tiff_pages_and_loops),        cmocka_unit_test(limits_hold_before_decoding),
        cmocka_unit_test(broken_files_are_typed),      cmocka_unit_test(renders_at_other_resolutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
