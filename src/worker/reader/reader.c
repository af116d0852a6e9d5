/*
 * The front of all readers: arguments are checked here once (page numbers, resolution, empty files), so that
 * the format files see only what makes sense. Output parameters are cleared or written only on success.
 */
#include "worker/reader/reader.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "conf/limits.h"
#include "worker/reader/internal.h"

#define DPI_MIN 1.0f
#define DPI_MAX 2400.0f

int reader_open(int fd, enum reader_format format, const char *password, const struct reader_limits *limits,
                struct reader **ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "the file cannot be read");
    if (!S_ISREG(st.st_mode))
        return err_fail(err, ERR_ARG, "not a regular file");
    if (st.st_size == 0)
        return err_fail(err, ERR_FORMAT, "the file is empty");

    CLEANUP(reader_freep) struct reader *r = xnew(struct reader);
    int rc;
    switch (format) {
    case READER_PDF: rc = pdf_open(fd, password, limits, r, err); break;
    case READER_IMAGE: rc = raster_open(fd, limits, r, err); break;
    case READER_UNKNOWN: return err_fail(err, ERR_UNSUPPORTED, "the format of the file is not known");
    default:
        return err_fail(err, ERR_UNSUPPORTED, "files of the format %s cannot be read by this version",
                        reader_format_name(format));
    }
    if (rc < 0)
        return rc;
    *ret = take_ptr(&r);
    return 0;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    if (r->ops)
        r->ops->free(r->doc);
    free(r);
}

void reader_freep(struct reader **r)
{
    reader_free(*r);
    *r = NULL;
}

int reader_page_count(const struct reader *r)
{
    return r->page_count;
}

static int check_page(const struct reader *r, int page, struct err *err)
{
    if (page < 0 || page >= r->page_count)
        return err_fail(err, ERR_ARG, "there is no page %d: the document has %d", page + 1, r->page_count);
    return 0;
}

int reader_page_size(struct reader *r, int page, float *ret_width_pt, float *ret_height_pt, struct err *err)
{
    int rc = check_page(r, page, err);
    return rc < 0 ? rc : r->ops->page_size(r->doc, page, ret_width_pt, ret_height_pt, err);
}

float reader_page_native_dpi(struct reader *r, int page)
{
    return check_page(r, page, NULL) < 0 ? 0 : r->ops->native_dpi(r->doc, page);
}

float reader_page_scan_dpi(struct reader *r, int page)
{
    return check_page(r, page, NULL) < 0 ? 0 : r->ops->scan_dpi(r->doc, page);
}

int reader_render(struct reader *r, int page, float dpi, struct image **ret, struct err *err)
{
    int rc = check_page(r, page, err);
    if (rc < 0)
        return rc;
    if (!(dpi >= DPI_MIN && dpi <= DPI_MAX))
        return err_fail(err, ERR_ARG, "a resolution of %g dpi is outside %g to %g", (double)dpi,
                        (double)DPI_MIN, (double)DPI_MAX);
    return r->ops->render(r->doc, page, dpi, ret, err);
}

int reader_read_content(struct reader *r, int page, struct reader_content *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    int rc = check_page(r, page, err);
    if (rc < 0 || !r->ops->read_content)
        return rc;
    rc = r->ops->read_content(r->doc, page, ret, err);
    if (rc < 0)
        reader_content_done(ret);
    return rc;
}

void reader_content_done(struct reader_content *c)
{
    for (size_t i = 0; i < c->font_count; i++)
        free(c->fonts[i].name);
    for (size_t i = 0; i < c->link_count; i++)
        free(c->links[i].uri);
    free(c->chars);
    free(c->fonts);
    free(c->links);
    free(c->segments);
    free(c->pictures);
    memset(c, 0, sizeof(*c));
}

int reader_outline(struct reader *r, struct reader_outline_entry **ret, size_t *ret_count, struct err *err)
{
    if (r->ops->outline)
        return r->ops->outline(r->doc, ret, ret_count, err);
    *ret = NULL;
    *ret_count = 0;
    return 0;
}

void reader_outline_free(struct reader_outline_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(entries[i].title);
    free(entries);
}

void page_pixels(float width_pt, float height_pt, float *dpi, int *ret_width_px, int *ret_height_px)
{
    double factor = (double)*dpi / 72;
    double area = (double)width_pt * (double)height_pt * factor * factor;
    if (area > LIMIT_PAGE_PIXELS)
        factor *= sqrt((double)LIMIT_PAGE_PIXELS / area);
    /* rounding up a side by half a pixel, or a side below one pixel, may cross the ceiling once more */
    for (;; factor *= 0.999) {
        double w = fmax(1, round((double)width_pt * factor)), h = fmax(1, round((double)height_pt * factor));
        if (w * h > LIMIT_PAGE_PIXELS)
            continue;
        *ret_width_px = (int)w;
        *ret_height_px = (int)h;
        break;
    }
    *dpi = (float)(factor * 72);
}
