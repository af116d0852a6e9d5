/*
 * Headers of PNG, WebP, BMP and GIF. Decoders allocate what a header claims, so the claim is read here first
 * and held against the limits; for GIF the end of the first picture is found too, because the decoder would
 * read all of an animation.
 */
#include <leptonica/allheaders.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "worker/reader/raster.h"

#define DPI_MIN 50.0
#define DPI_MAX 1200.0
#define METRES_PER_INCH 0.0254

static bool inside(const struct raster_bytes *b, size_t at, size_t len)
{
    return at <= b->len && len <= b->len - at;
}

uint32_t raster_u16(const struct raster_bytes *b, size_t at, int big_endian)
{
    if (!inside(b, at, 2))
        return 0;
    const uint8_t *p = b->data + at;
    return big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

uint32_t raster_u32(const struct raster_bytes *b, size_t at, int big_endian)
{
    if (!inside(b, at, 4))
        return 0;
    uint32_t first = raster_u16(b, at, big_endian), second = raster_u16(b, at + 2, big_endian);
    return big_endian ? first << 16 | second : second << 16 | first;
}

uint64_t raster_u64(const struct raster_bytes *b, size_t at, int big_endian)
{
    if (!inside(b, at, 8))
        return 0;
    uint64_t first = raster_u32(b, at, big_endian), second = raster_u32(b, at + 4, big_endian);
    return big_endian ? first << 32 | second : second << 32 | first;
}

float raster_sane_dpi(double dpi)
{
    return dpi >= DPI_MIN && dpi <= DPI_MAX ? (float)dpi : 0;
}

int png_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err)
{
    if (b->len < 33 || memcmp(b->data + 12, "IHDR", 4) != 0)
        return err_fail(err, ERR_FORMAT, "the PNG picture has no header");
    *ret = (struct raster_frame){
        .width = raster_u32(b, 16, true), .height = raster_u32(b, 20, true), .orientation = 1};
    size_t at = 8;
    while (inside(b, at, 12)) {
        size_t len = raster_u32(b, at, true);
        const uint8_t *type = b->data + at + 4;
        if (memcmp(type, "IDAT", 4) == 0 || !inside(b, at, len + 12))
            break;
        if (memcmp(type, "pHYs", 4) == 0 && len == 9 && b->data[at + 16] == 1)
            ret->dpi = raster_sane_dpi(raster_u32(b, at + 8, true) * METRES_PER_INCH);
        at += len + 12;
    }
    return 0;
}

int webp_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err)
{
    l_int32 width = 0, height = 0, samples = 0;
    if (readHeaderMemWebP(b->data, b->len, &width, &height, &samples) != 0 || width <= 0 || height <= 0)
        return err_fail(err, ERR_FORMAT, "the WebP picture is broken");
    *ret = (struct raster_frame){.width = (uint32_t)width, .height = (uint32_t)height, .orientation = 1};
    return 0;
}

int bmp_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err)
{
    if (b->len < 26)
        return err_fail(err, ERR_FORMAT, "the BMP picture is cut off in its header");
    *ret = (struct raster_frame){.orientation = 1};
    if (raster_u32(b, 14, false) == 12) {
        ret->width = raster_u16(b, 18, false);
        ret->height = raster_u16(b, 20, false);
        return 0;
    }
    if (b->len < 54)
        return err_fail(err, ERR_FORMAT, "the BMP picture is cut off in its header");
    int32_t height = (int32_t)raster_u32(b, 22, false);
    ret->width = raster_u32(b, 18, false);
    ret->height = height < 0 ? 0u - (uint32_t)height : (uint32_t)height; /* negative: rows from the top */
    ret->dpi = raster_sane_dpi(raster_u32(b, 38, false) * METRES_PER_INCH);
    if (raster_u32(b, 30, false) == 1 || raster_u32(b, 30, false) == 2)
        return err_fail(err, ERR_UNSUPPORTED, "run-length encoded BMP pictures are not supported");
    return 0;
}

/* The place after a chain of sub-blocks, or the end of the file. */
static size_t skip_sub_blocks(const struct raster_bytes *b, size_t at)
{
    while (at < b->len && b->data[at] != 0)
        at += 1u + b->data[at];
    return at < b->len ? at + 1 : b->len;
}

static size_t color_table_bytes(uint8_t packed)
{
    return packed & 0x80 ? (size_t)3 << ((packed & 7) + 1) : 0;
}

int gif_read_header(const struct raster_bytes *b, struct raster_frame *ret, size_t *ret_end, struct err *err)
{
    size_t at = 13;
    if (b->len < at)
        return err_fail(err, ERR_FORMAT, "the GIF picture is cut off in its header");
    at += color_table_bytes(b->data[10]);
    while (inside(b, at, 2) && b->data[at] == 0x21) /* extensions */
        at = skip_sub_blocks(b, at + 2);
    if (!inside(b, at, 11) || b->data[at] != 0x2c)
        return err_fail(err, ERR_FORMAT, "the GIF file holds no picture");
    /* leptonica yields the first picture, not the logical screen around it */
    *ret = (struct raster_frame){
        .width = raster_u16(b, at + 5, false), .height = raster_u16(b, at + 7, false), .orientation = 1};
    at += 10 + color_table_bytes(b->data[at + 9]);
    if (at >= b->len)
        return err_fail(err, ERR_FORMAT, "the GIF picture is cut off");
    *ret_end = skip_sub_blocks(b, at + 1);
    return 0;
}
