/*
 * JPEG markers: size, resolution, EXIF orientation, and the number of scans. A progressive file of a few
 * kilobytes can ask for thousands of passes over a large picture; nothing in the decoder stops that.
 */
#include <string.h>

#include "conf/limits.h"
#include "worker/reader/raster.h"

enum {
    SOF0 = 0xc0,
    DHT = 0xc4,
    SOI = 0xd8,
    JPG = 0xc8,
    DAC = 0xcc,
    SOF15 = 0xcf,
    RST0 = 0xd0,
    EOI = 0xd9,
    SOS = 0xda,
    APP0 = 0xe0,
    APP1 = 0xe1,
    TEM = 0x01,
};

#define CM_PER_INCH 2.54

static void read_jfif(const struct raster_bytes *body, struct raster_frame *ret)
{
    if (body->len < 12 || memcmp(body->data, "JFIF", 5) != 0 || ret->dpi > 0)
        return;
    double density = raster_u16(body, 8, 1);
    if (body->data[7] == 1)
        ret->dpi = raster_sane_dpi(density);
    else if (body->data[7] == 2)
        ret->dpi = raster_sane_dpi(density * CM_PER_INCH);
}

static void read_exif(const struct raster_bytes *body, struct raster_frame *ret)
{
    if (body->len < 14 || memcmp(body->data, "Exif\0", 6) != 0)
        return;
    struct raster_bytes tiff = {body->data + 6, body->len - 6};
    struct tiff_tags tags;
    if (tiff_read_first(&tiff, &tags) < 0)
        return;
    ret->orientation = tags.orientation;
    if (tags.dpi > 0)
        ret->dpi = tags.dpi;
}

/* The place of the next marker after entropy-coded data. */
static size_t skip_scan(const struct raster_bytes *b, size_t at)
{
    while (at + 1 < b->len) {
        const uint8_t *ff = memchr(b->data + at, 0xff, b->len - at - 1);
        if (!ff)
            break;
        at = (size_t)(ff - b->data);
        uint8_t next = ff[1];
        if (next != 0 && next != 0xff && !(next >= RST0 && next <= RST0 + 7))
            return at;
        at += next == 0xff ? 1 : 2;
    }
    return b->len;
}

int jpeg_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err)
{
    struct raster_frame frame = {.orientation = 1, .cut_off = true};
    size_t at = 2;
    int scans = 0;
    while (at + 2 <= b->len) {
        if (b->data[at] != 0xff) { /* libjpeg too skips garbage between segments */
            at++;
            continue;
        }
        uint8_t marker = b->data[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        if (marker == EOI) {
            frame.cut_off = false;
            break;
        }
        if (marker == SOI || marker == TEM || marker == 0 || (marker >= RST0 && marker <= RST0 + 7)) {
            at += 2;
            continue;
        }
        size_t len = raster_u16(b, at + 2, 1);
        if (len < 2 || len > b->len - at - 2)
            break;
        struct raster_bytes body = {b->data + at + 4, len - 2};
        if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC &&
            body.len >= 6 && frame.width == 0) {
            frame.height = raster_u16(&body, 1, 1);
            frame.width = raster_u16(&body, 3, 1);
        } else if (marker == APP0) {
            read_jfif(&body, &frame);
        } else if (marker == APP1) {
            read_exif(&body, &frame);
        }
        at += 2 + len;
        if (marker == SOS) {
            if (++scans > LIMIT_JPEG_SCANS)
                return err_fail(err, ERR_LIMIT, "the JPEG picture has more than %d scans", LIMIT_JPEG_SCANS);
            at = skip_scan(b, at);
        }
    }
    if (frame.width == 0 || frame.height == 0)
        return err_fail(err, ERR_FORMAT, "the JPEG picture has no usable header");
    *ret = frame;
    return 0;
}
