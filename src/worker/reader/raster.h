/* What the headers of raster files say, read by our own code before any decoder sees the file. */
#ifndef PLATEN_WORKER_READER_RASTER_H
#define PLATEN_WORKER_READER_RASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum raster_kind { RASTER_PNG, RASTER_JPEG, RASTER_TIFF, RASTER_WEBP, RASTER_BMP, RASTER_GIF };

struct raster_frame {
    size_t offset;          /* TIFF: of its directory */
    uint32_t width, height; /* as stored */
    int orientation;        /* EXIF's 1..8; 1 upright */
    float dpi;              /* 0 unknown */
    bool rgba;    /* TIFF: three samples a pixel or more, which libtiff turns into premultiplied RGBA */
    bool cut_off; /* JPEG: there is no end marker */
};

struct raster_bytes {
    const uint8_t *data;
    size_t len;
};

/* Integers at a place; 0 beyond the end (the callers' bounds checks come first, this is the net below). */
uint32_t raster_u16(const struct raster_bytes *b, size_t at, int big_endian);
uint32_t raster_u32(const struct raster_bytes *b, size_t at, int big_endian);
uint64_t raster_u64(const struct raster_bytes *b, size_t at, int big_endian);
/* 0 when it is not finite or outside 50..1200. */
float raster_sane_dpi(double dpi);

/* Each fills one frame. ERR_FORMAT; ERR_LIMIT for a JPEG of too many scans. */
int png_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err);
int jpeg_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err);
int webp_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err);
int bmp_read_header(const struct raster_bytes *b, struct raster_frame *ret, struct err *err);
/* *ret_end: where the first picture of the animation ends. */
int gif_read_header(const struct raster_bytes *b, struct raster_frame *ret, size_t *ret_end, struct err *err);
/* All pages, malloced. ERR_LIMIT above max_frames; a chain that loops ends where it would repeat. */
int tiff_read_header(const struct raster_bytes *b, size_t max_frames, struct raster_frame **ret,
                     size_t *ret_count, struct err *err);

/* The orientation and resolution tags of a TIFF structure (a TIFF file's directory, or EXIF's). */
struct tiff_tags {
    uint32_t width, height, subfile, samples;
    int orientation;
    float dpi;
};
/* Reads the directory at `at` of a TIFF structure that spans b; *ret_next is the place of the next one, 0
 * none. */
int tiff_read_directory(const struct raster_bytes *b, uint64_t at, int big_endian, int big_tiff,
                        struct tiff_tags *ret, uint64_t *ret_next);
/* The first directory of the TIFF structure in b: 0, or -1 when there is none. */
int tiff_read_first(const struct raster_bytes *b, struct tiff_tags *ret);

#endif
