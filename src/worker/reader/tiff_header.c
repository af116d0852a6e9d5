/*
 * TIFF directories, classic and BigTIFF, of files and of EXIF blocks. Offsets are hostile: every place is
 * checked, and the chain of directories may only visit a place once.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/reader/raster.h"

enum {
    TAG_SUBFILE = 254,
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_ORIENTATION = 274,
    TAG_SAMPLES = 277,
    TAG_X_RESOLUTION = 282,
    TAG_RESOLUTION_UNIT = 296,
};
enum { TYPE_SHORT = 3, TYPE_LONG = 4, TYPE_RATIONAL = 5 };

#define CM_PER_INCH 2.54

struct tiff_head {
    int big_endian, big_tiff;
    uint64_t first;
};

static int read_head(const struct raster_bytes *b, struct tiff_head *ret)
{
    if (b->len < 8)
        return -1;
    bool big_endian = b->data[0] == 'M';
    if (memcmp(b->data, big_endian ? "MM" : "II", 2) != 0)
        return -1;
    uint32_t version = raster_u16(b, 2, big_endian);
    if (version != 42 && version != 43)
        return -1;
    *ret = (struct tiff_head){.big_endian = big_endian, .big_tiff = version == 43};
    if (ret->big_tiff && b->len < 16)
        return -1;
    ret->first = ret->big_tiff ? raster_u64(b, 8, big_endian) : raster_u32(b, 4, big_endian);
    return 0;
}

/* An integer that stands in the entry itself. */
static uint32_t inline_value(const struct raster_bytes *b, size_t value_at, uint32_t type, int big_endian)
{
    return type == TYPE_SHORT ? raster_u16(b, value_at, big_endian) : raster_u32(b, value_at, big_endian);
}

static double rational(const struct raster_bytes *b, size_t value_at, int big_endian, int big_tiff)
{
    uint64_t at = big_tiff ? value_at
                           : raster_u32(b, value_at, big_endian); /* 8 bytes fit into a BigTIFF entry */
    if (at > b->len || b->len - at < 8)
        return 0;
    uint32_t below = raster_u32(b, (size_t)at + 4, big_endian);
    return below ? (double)raster_u32(b, (size_t)at, big_endian) / below : 0;
}

int tiff_read_directory(const struct raster_bytes *b, uint64_t at, int big_endian, int big_tiff,
                        struct tiff_tags *ret, uint64_t *ret_next)
{
    size_t count_bytes = big_tiff ? 8 : 2, entry_bytes = big_tiff ? 20 : 12, next_bytes = big_tiff ? 8 : 4;
    if (at > b->len || b->len - at < count_bytes)
        return -1;
    size_t pos = (size_t)at;
    uint64_t count = big_tiff ? raster_u64(b, pos, big_endian) : raster_u16(b, pos, big_endian);
    pos += count_bytes;
    if (count > 4096 || (b->len - pos) / entry_bytes < count)
        return -1;
    *ret = (struct tiff_tags){.orientation = 1};
    double resolution = 0;
    uint32_t unit = 2;
    for (uint64_t i = 0; i < count; i++, pos += entry_bytes) {
        uint32_t tag = raster_u16(b, pos, big_endian), type = raster_u16(b, pos + 2, big_endian);
        size_t value_at = pos + (big_tiff ? 12 : 8);
        uint32_t value = inline_value(b, value_at, type, big_endian);
        switch (tag) {
        case TAG_SUBFILE: ret->subfile = value; break;
        case TAG_WIDTH: ret->width = value; break;
        case TAG_HEIGHT: ret->height = value; break;
        case TAG_ORIENTATION: ret->orientation = value >= 1 && value <= 8 ? (int)value : 1; break;
        case TAG_SAMPLES: ret->samples = value; break;
        case TAG_X_RESOLUTION:
            resolution = type == TYPE_RATIONAL ? rational(b, value_at, big_endian, big_tiff) : 0;
            break;
        case TAG_RESOLUTION_UNIT: unit = value; break;
        default: break;
        }
    }
    ret->dpi = raster_sane_dpi(unit == 3 ? resolution * CM_PER_INCH : unit == 2 ? resolution : 0);
    *ret_next = b->len - pos < next_bytes ? 0
                : big_tiff                ? raster_u64(b, pos, big_endian)
                                          : raster_u32(b, pos, big_endian);
    return 0;
}

int tiff_read_first(const struct raster_bytes *b, struct tiff_tags *ret)
{
    struct tiff_head head;
    uint64_t next;
    if (read_head(b, &head) < 0)
        return -1;
    return tiff_read_directory(b, head.first, head.big_endian, head.big_tiff, ret, &next);
}

int tiff_read_header(const struct raster_bytes *b, size_t max_frames, struct raster_frame **ret,
                     size_t *ret_count, struct err *err)
{
    struct tiff_head head;
    if (read_head(b, &head) < 0)
        return err_fail(err, ERR_FORMAT, "the TIFF file has no usable header");
    CLEANUP(freep) struct raster_frame *frames = NULL;
    CLEANUP(freep) uint64_t *seen = NULL; /* reduced pictures are no frames, but count against loops */
    size_t count = 0, cap = 0, seen_count = 0, seen_cap = 0;
    uint64_t at = head.first;
    while (at != 0) {
        struct tiff_tags tags;
        uint64_t next;
        for (size_t i = 0; i < seen_count; i++)
            if (seen[i] == at)
                goto out;
        if (tiff_read_directory(b, at, head.big_endian, head.big_tiff, &tags, &next) < 0)
            break; /* what was found so far is good */
        if (seen_count == 2 * max_frames)
            return err_fail(err, ERR_LIMIT, "the TIFF file has more than %zu pages", max_frames);
        *VEC_PUSH(seen, seen_count, seen_cap) = at;
        /* A smaller copy of another page (a thumbnail) is no page, unless it is all there is. */
        bool reduced = tags.subfile & 1;
        at = next;
        if (reduced && (count > 0 || next != 0))
            continue;
        if (count == max_frames)
            return err_fail(err, ERR_LIMIT, "the TIFF file has more than %zu pages", max_frames);
        struct raster_frame *f = VEC_PUSH(frames, count, cap);
        f->offset = (size_t)seen[seen_count - 1];
        f->width = tags.width;
        f->height = tags.height;
        f->orientation = tags.orientation;
        f->dpi = tags.dpi;
        f->rgba = tags.samples >= 3;
    }
out:
    if (count == 0)
        return err_fail(err, ERR_FORMAT, "the TIFF file holds no picture");
    *ret = take_ptr(&frames);
    *ret_count = count;
    return 0;
}
