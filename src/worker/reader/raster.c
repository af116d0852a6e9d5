/*
 * Raster files through leptonica. A page is a frame (one, or as many as a TIFF has); a point of the page is a
 * pixel of the frame, so boxes in the output are pixels, as with docling. Headers are read by our own code
 * first, and no decoder runs above the limits. The file is mapped, not copied. One decoded frame is kept,
 * because a page is often asked for at two resolutions.
 */
#include "worker/reader/raster.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/pix.h"

#define POINTS_PER_INCH 72.0f

struct raster {
    enum raster_kind kind;
    struct raster_bytes bytes;
    struct raster_frame *frames;
    size_t frame_count;
    size_t gif_end;
    int cached; /* the frame in `frame`; -1 none */
    struct image *frame;
};

static const char *kind_name(enum raster_kind kind)
{
    static const char *const names[] = {"PNG", "JPEG", "TIFF", "WebP", "BMP", "GIF"};
    return names[kind];
}

static void raster_free(void *doc)
{
    struct raster *r = doc;
    if (!r)
        return;
    if (r->bytes.data)
        munmap((void *)(uintptr_t)r->bytes.data, r->bytes.len);
    image_free(r->frame);
    free(r->frames);
    free(r);
}

static void raster_freep(struct raster **r)
{
    raster_free(*r);
    *r = NULL;
}

/* Orientations 5 to 8 lie on their side. */
static bool is_sideways(const struct raster_frame *f)
{
    return f->orientation >= 5;
}

static int check_frame(const struct raster *r, int page, struct err *err)
{
    const struct raster_frame *f = &r->frames[page];
    if (f->width == 0 || f->height == 0)
        return err_fail(err, ERR_FORMAT, "page %d: the picture has no size", page + 1);
    if (f->width > LIMIT_IMAGE_SIDE_PX || f->height > LIMIT_IMAGE_SIDE_PX)
        return err_fail(err, ERR_LIMIT, "page %d: a picture of %u x %u pixels, the limit is %d a side",
                        page + 1, f->width, f->height, LIMIT_IMAGE_SIDE_PX);
    if ((uint64_t)f->width * f->height > LIMIT_IMAGE_PIXELS)
        return err_fail(err, ERR_LIMIT, "page %d: a picture of %u x %u pixels, the limit is %u megapixels",
                        page + 1, f->width, f->height, LIMIT_IMAGE_PIXELS / 1000000);
    return 0;
}

static int raster_page_size(void *doc, int page, float *ret_width_pt, float *ret_height_pt, struct err *err)
{
    struct raster *r = doc;
    int rc = check_frame(r, page, err);
    if (rc < 0)
        return rc;
    const struct raster_frame *f = &r->frames[page];
    *ret_width_pt = (float)(is_sideways(f) ? f->height : f->width);
    *ret_height_pt = (float)(is_sideways(f) ? f->width : f->height);
    return 0;
}

static float raster_native_dpi(void *doc UNUSED, int page UNUSED)
{
    return POINTS_PER_INCH;
}

static float raster_scan_dpi(void *doc, int page)
{
    return ((struct raster *)doc)->frames[page].dpi;
}

/* A copy of the file up to the end of the first picture: leptonica would unpack every picture of an
 * animation. */
static PIX *decode_gif(const struct raster *r)
{
    CLEANUP(freep) uint8_t *copy = try_malloc(r->gif_end + 1);
    if (!copy)
        return NULL;
    memcpy(copy, r->bytes.data, r->gif_end);
    copy[r->gif_end] = ';';
    return pixReadMemGif(copy, r->gif_end + 1);
}

/* Like other viewers, we take a picture with a damaged spot; but half a picture would be half a text. */
static PIX *decode_jpeg(const struct raster *r)
{
    l_int32 warnings = 0;
    PIX *pix = pixReadMemJpeg(r->bytes.data, r->bytes.len, 0, 1, &warnings, L_JPEG_CONTINUE_WITH_BAD_DATA);
    if (pix && warnings > 0 && r->frames[0].cut_off)
        pixDestroy(&pix);
    return pix;
}

static PIX *decode(const struct raster *r, int page)
{
    const struct raster_bytes *b = &r->bytes;
    size_t offset = r->frames[page].offset;
    switch (r->kind) {
    case RASTER_PNG: return pixReadMemPng(b->data, b->len);
    case RASTER_JPEG: return decode_jpeg(r);
    case RASTER_TIFF: return pixReadMemFromMultipageTiff(b->data, b->len, &offset);
    case RASTER_WEBP: return pixReadMemWebP(b->data, b->len);
    case RASTER_BMP: return pixReadMemBmp(b->data, b->len);
    case RASTER_GIF: return decode_gif(r);
    }
    return NULL;
}

/* EXIF: 2 mirrored, 3 upside down, 4 both, 5 mirrored then 270 clockwise, 6 90 clockwise, 7 mirrored then 90,
 * 8 270. */
static int apply_orientation(struct image **im, int orientation, struct err *err)
{
    static const int degrees[9] = {0, 0, 0, 180, 180, 270, 90, 90, 270};
    if (orientation == 2 || orientation == 4 || orientation == 5 || orientation == 7)
        image_mirror(*im);
    if (degrees[orientation] == 0)
        return 0;
    struct image *turned = NULL;
    int rc = image_turn(*im, degrees[orientation], LIMIT_IMAGE_PIXELS, &turned, err);
    if (rc < 0)
        return rc;
    image_free(*im);
    *im = turned;
    return 0;
}

/*
 * Two faults of leptonica 1.82 with TIFF pictures of three samples or more: orientation 8 comes out upside
 * down, and alpha is taken for unassociated though libtiff has multiplied it in (so we add the white behind
 * it and drop it).
 */
static int mend_tiff(PIX **pix, const struct raster_frame *f)
{
    if (!f->rgba || pixGetDepth(*pix) != 32)
        return 0;
    if (pixGetSpp(*pix) == 4) {
        l_uint32 *word = pixGetData(*pix);
        for (size_t n = (size_t)pixGetWpl(*pix) * (size_t)pixGetHeight(*pix); n > 0; n--, word++) {
            uint32_t white = 255 - (*word & 0xff);
            uint32_t r = MIN((*word >> 24) + white, 255u), g = MIN((*word >> 16 & 0xff) + white, 255u),
                     b = MIN((*word >> 8 & 0xff) + white, 255u);
            *word = r << 24 | g << 16 | b << 8 | 0xff;
        }
        pixSetSpp(*pix, 3);
    }
    if (f->orientation == 8) {
        PIX *turned = pixRotate180(NULL, *pix);
        if (!turned)
            return -1;
        pixDestroy(pix);
        *pix = turned;
    }
    return 0;
}

static int load_frame(struct raster *r, int page, struct err *err)
{
    if (r->cached == page)
        return 0;
    image_free(r->frame);
    r->frame = NULL;
    r->cached = -1;
    int rc = check_frame(r, page, err);
    if (rc < 0)
        return rc;
    const struct raster_frame *f = &r->frames[page];
    CLEANUP(pix_freep) PIX *pix = decode(r, page);
    if (!pix)
        return err_fail(err, ERR_FORMAT, "page %d: the %s picture cannot be decoded", page + 1,
                        kind_name(r->kind));
    /* leptonica turns TIFF pictures itself */
    bool turned = r->kind == RASTER_TIFF && is_sideways(f);
    uint32_t width = turned ? f->height : f->width, height = turned ? f->width : f->height;
    if ((uint32_t)pixGetWidth(pix) != width || (uint32_t)pixGetHeight(pix) != height)
        return err_fail(err, ERR_FORMAT, "page %d: the %s picture is %d x %d pixels, its header says %u x %u",
                        page + 1, kind_name(r->kind), pixGetWidth(pix), pixGetHeight(pix), width, height);
    if (r->kind == RASTER_TIFF && mend_tiff(&pix, f) < 0)
        return err_fail(err, ERR_MEMORY, "page %d: no memory for the picture", page + 1);
    CLEANUP(image_freep) struct image *im = NULL;
    rc = image_of_pix(&pix, IMAGE_BGR24, POINTS_PER_INCH, LIMIT_IMAGE_PIXELS, &im, err);
    if (rc == 0 && r->kind != RASTER_TIFF)
        rc = apply_orientation(&im, f->orientation, err);
    if (rc < 0)
        return rc;
    r->frame = take_ptr(&im);
    r->cached = page;
    return 0;
}

static int raster_render(void *doc, int page, float dpi, struct image **ret, struct err *err)
{
    struct raster *r = doc;
    int rc = load_frame(r, page, err);
    if (rc < 0)
        return rc;
    int width_px, height_px;
    page_pixels((float)r->frame->width_px, (float)r->frame->height_px, &dpi, &width_px, &height_px);
    rc = image_resize(r->frame, width_px, height_px, ret, err);
    if (rc == 0)
        (*ret)->dpi = dpi;
    return rc;
}

static const struct reader_ops raster_ops = {
    .free = raster_free,
    .page_size = raster_page_size,
    .native_dpi = raster_native_dpi,
    .scan_dpi = raster_scan_dpi,
    .render = raster_render,
};

static int find_kind(const struct raster_bytes *b, int fd, enum raster_kind *ret, struct err *err)
{
    static const struct {
        const char *type;
        enum raster_kind kind;
    } table[] = {
        {"image/png", RASTER_PNG},   {"image/jpeg", RASTER_JPEG}, {"image/tiff", RASTER_TIFF},
        {"image/webp", RASTER_WEBP}, {"image/bmp", RASTER_BMP},   {"image/gif", RASTER_GIF},
    };
    const char *type = reader_format_mimetype(READER_IMAGE, fd);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(type, table[i].type) == 0 && b->len > 0) {
            *ret = table[i].kind;
            return 0;
        }
    if (strncmp(type, "image/", 6) == 0)
        return err_fail(err, ERR_UNSUPPORTED, "pictures of the type %s are not supported", type);
    return err_fail(err, ERR_FORMAT, "not a picture");
}

static int read_header(struct raster *r, struct err *err)
{
    if (r->kind == RASTER_TIFF)
        return tiff_read_header(&r->bytes, LIMIT_IMAGE_FRAMES, &r->frames, &r->frame_count, err);
    r->frames = xnew_array(struct raster_frame, 1);
    r->frame_count = 1;
    switch (r->kind) {
    case RASTER_PNG: return png_read_header(&r->bytes, r->frames, err);
    case RASTER_JPEG: return jpeg_read_header(&r->bytes, r->frames, err);
    case RASTER_WEBP: return webp_read_header(&r->bytes, r->frames, err);
    case RASTER_BMP: return bmp_read_header(&r->bytes, r->frames, err);
    default: return gif_read_header(&r->bytes, r->frames, &r->gif_end, err);
    }
}

int raster_open(int fd, const struct reader_limits *limits, struct reader *ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "the picture cannot be read");
    if ((unsigned long long)st.st_size > LIMIT_RASTER_FILE_BYTES)
        return err_fail(err, ERR_LIMIT, "a picture file of %lld bytes, the limit is %llu",
                        (long long)st.st_size, LIMIT_RASTER_FILE_BYTES);
    pix_setup();
    CLEANUP(raster_freep) struct raster *r = xnew(struct raster);
    r->cached = -1;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(err, "the picture cannot be read");
    r->bytes = (struct raster_bytes){map, (size_t)st.st_size};
    int rc = find_kind(&r->bytes, fd, &r->kind, err);
    if (rc == 0)
        rc = read_header(r, err);
    /* With several pages a page over the limit costs that page, not the document. */
    if (rc == 0 && r->frame_count == 1)
        rc = check_frame(r, 0, err);
    if (rc < 0)
        return rc;
    int64_t max_pages = limits && limits->max_pages > 0 ? limits->max_pages : LIMIT_IMAGE_FRAMES;
    if ((int64_t)r->frame_count > max_pages)
        return err_fail(err, ERR_LIMIT, "the picture file has %zu pages, the limit is %lld", r->frame_count,
                        (long long)max_pages);
    ret->page_count = (int)r->frame_count;
    ret->ops = &raster_ops;
    ret->doc = take_ptr(&r);
    return 0;
}
