/*
 * PDF documents through PDFium. One page is loaded at a time: size, content and picture of a page are asked
 * for one after the other, and a page that is no longer loaded gives its memory back. The file is never read
 * whole: PDFium asks for blocks, and gets them by pread through a small window. PDFium aborts the process
 * when an allocation fails, so it lives in the worker only.
 */
#include "worker/reader/pdf.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"

static void library_init(void)
{
    static bool done;
    static const char *no_fonts[] = {NULL};
    if (done)
        return;
    /* No font folders: without this PDFium walks those of the system on first use, and pages would differ
     * from host to host. */
    FPDF_LIBRARY_CONFIG config = {.version = 2, .user_font_paths = no_fonts};
    FPDF_InitLibraryWithConfig(&config);
    done = true;
}

static bool read_at(int fd, unsigned long position, uint8_t *bytes, size_t len, size_t *ret_len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, bytes + got, len - got, (off_t)(position + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_len = got;
    return true;
}

/* PDFium's contract: non-zero when all bytes were read. */
static int read_block(void *param, unsigned long position, unsigned char *bytes, unsigned long size)
{
    struct pdf *pdf = param;
    unsigned long end;
    if (__builtin_add_overflow(position, size, &end) || end > pdf->access.file_len)
        return 0;
    size_t got = 0;
    if (size >= PDF_WINDOW_BYTES / 2)
        return read_at(pdf->fd, position, bytes, size, &got) && got == size;
    if (position < pdf->window_start || end > pdf->window_start + pdf->window_bytes) {
        /* The parser walks backwards too (the end of the file, xref chains): keep some bytes before the
         * place. */
        unsigned long start = position > PDF_WINDOW_BYTES / 4 ? position - PDF_WINDOW_BYTES / 4 : 0;
        pdf->window_bytes = 0;
        if (!read_at(pdf->fd, start, pdf->window, PDF_WINDOW_BYTES, &got))
            return 0;
        pdf->window_start = start;
        pdf->window_bytes = got;
        if (end > start + got)
            return 0;
    }
    memcpy(bytes, pdf->window + (position - pdf->window_start), size);
    return 1;
}

static void unload_page(struct pdf *pdf)
{
    if (pdf->page)
        FPDF_ClosePage(pdf->page);
    pdf->page = NULL;
    pdf->loaded = -1;
}

static void pdf_free(void *doc)
{
    struct pdf *pdf = doc;
    if (!pdf)
        return;
    unload_page(pdf);
    if (pdf->doc)
        FPDF_CloseDocument(pdf->doc);
    free(pdf->window);
    free(pdf);
}

static void pdf_freep(struct pdf **pdf)
{
    pdf_free(*pdf);
    *pdf = NULL;
}

static int check_size(int page, float width_pt, float height_pt, struct err *err)
{
    if (!isfinite(width_pt) || !isfinite(height_pt) || width_pt <= 0 || height_pt <= 0)
        return err_fail(err, ERR_FORMAT, "page %d has no usable size", page + 1);
    if (width_pt > LIMIT_PAGE_SIDE_PT || height_pt > LIMIT_PAGE_SIDE_PT)
        return err_fail(err, ERR_LIMIT, "page %d: %.0f x %.0f points, the limit is %.0f a side", page + 1,
                        (double)width_pt, (double)height_pt, (double)LIMIT_PAGE_SIDE_PT);
    return 0;
}

int pdf_load_page(struct pdf *pdf, int page, struct err *err)
{
    if (pdf->loaded == page)
        return 0;
    unload_page(pdf);
    /* The size first: it costs no parse of the content. */
    FS_SIZEF size;
    if (!FPDF_GetPageSizeByIndexF(pdf->doc, page, &size))
        return err_fail(err, ERR_FORMAT, "page %d is broken", page + 1);
    int rc = check_size(page, size.width, size.height, err);
    if (rc < 0)
        return rc;
    pdf->page = FPDF_LoadPage(pdf->doc, page);
    if (!pdf->page)
        return err_fail(err, ERR_FORMAT, "page %d is broken", page + 1);
    pdf->width_pt = FPDF_GetPageWidthF(pdf->page);
    pdf->height_pt = FPDF_GetPageHeightF(pdf->page);
    pdf->quarters = FPDFPage_GetRotation(pdf->page) & 3;
    if (!FPDF_GetPageBoundingBox(pdf->page, &pdf->crop)) {
        unload_page(pdf);
        return err_fail(err, ERR_FORMAT, "page %d has no usable size", page + 1);
    }
    pdf->loaded = page;
    return 0;
}

static int pdf_page_size(void *doc, int page, float *ret_width_pt, float *ret_height_pt, struct err *err)
{
    struct pdf *pdf = doc;
    FS_SIZEF size = {pdf->width_pt, pdf->height_pt};
    if (pdf->loaded != page && !FPDF_GetPageSizeByIndexF(pdf->doc, page, &size))
        return err_fail(err, ERR_FORMAT, "page %d is broken", page + 1);
    int rc = check_size(page, size.width, size.height, err);
    if (rc < 0)
        return rc;
    *ret_width_pt = size.width;
    *ret_height_pt = size.height;
    return 0;
}

static float pdf_no_dpi(void *doc UNUSED, int page UNUSED)
{
    return 0;
}

static int pdf_render(void *doc, int page, float dpi, struct image **ret, struct err *err)
{
    struct pdf *pdf = doc;
    int rc = pdf_load_page(pdf, page, err);
    if (rc < 0)
        return rc;
    int width_px, height_px;
    page_pixels(pdf->width_pt, pdf->height_pt, &dpi, &width_px, &height_px);
    CLEANUP(image_freep) struct image *im = NULL;
    rc = image_new(width_px, height_px, IMAGE_BGR24, dpi, &im, err);
    if (rc < 0)
        return rc;
    FPDF_BITMAP bitmap = FPDFBitmap_CreateEx(width_px, height_px, FPDFBITMAP_BGR, im->pixels,
                                             (int)im->stride_bytes);
    if (!bitmap)
        return err_fail(err, ERR_MEMORY, "page %d: no memory for a picture of %d x %d pixels", page + 1,
                        width_px, height_px);
    FPDF_RenderPageBitmap(bitmap, pdf->page, 0, 0, width_px, height_px, 0,
                          FPDF_ANNOT | FPDF_RENDER_LIMITEDIMAGECACHE);
    FPDFBitmap_Destroy(bitmap);
    *ret = take_ptr(&im);
    return 0;
}

static int pdf_read_content(void *doc, int page, struct reader_content *ret, struct err *err)
{
    struct pdf *pdf = doc;
    int rc = pdf_load_page(pdf, page, err);
    if (rc < 0)
        return rc;
    rc = pdf_read_text(pdf, ret, err);
    if (rc < 0)
        return rc;
    pdf_read_objects(pdf, ret);
    pdf_read_links(pdf, ret);
    return 0;
}

static int open_failed(unsigned long why, const char *password, const uint8_t *head, size_t head_bytes,
                       struct err *err)
{
    bool given = password && *password;
    switch (why) {
    case FPDF_ERR_PASSWORD:
        return err_fail(err, ERR_AUTH, given ? "the password is wrong" : "a password is needed");
    case FPDF_ERR_SECURITY:
        return err_fail(err, ERR_AUTH,
                        "the PDF is encrypted in a way that no password opens (a certificate, perhaps)");
    case FPDF_ERR_FILE: return err_fail(err, ERR_IO, "the PDF cannot be read");
    default:
        if (!memmem(head, head_bytes, "%PDF", 4))
            return err_fail(err, ERR_FORMAT, "not a PDF");
        return err_fail(err, ERR_FORMAT, "the PDF is broken beyond repair");
    }
}

static const struct reader_ops pdf_ops = {
    .free = pdf_free,
    .page_size = pdf_page_size,
    .native_dpi = pdf_no_dpi,
    .scan_dpi = pdf_no_dpi,
    .render = pdf_render,
    .read_content = pdf_read_content,
    .outline = pdf_outline,
};

int pdf_open(int fd, const char *password, const struct reader_limits *limits, struct reader *ret,
             struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "the PDF cannot be read");
    library_init();

    CLEANUP(pdf_freep) struct pdf *pdf = xnew(struct pdf);
    pdf->loaded = -1;
    pdf->fd = fd;
    pdf->window = xmalloc(PDF_WINDOW_BYTES);
    pdf->access = (FPDF_FILEACCESS){
        .file_len = (unsigned long)st.st_size, .read_block = read_block, .param = pdf};

    uint8_t head[1024];
    size_t head_bytes = 0;
    if (!read_at(fd, 0, head, sizeof(head), &head_bytes))
        return err_errno(err, "the PDF cannot be read");
    pdf->doc = FPDF_LoadCustomDocument(&pdf->access, password);
    if (!pdf->doc)
        return open_failed(FPDF_GetLastError(), password, head, head_bytes, err);

    int pages = FPDF_GetPageCount(pdf->doc);
    int64_t max_pages = limits && limits->max_pages > 0 ? limits->max_pages : LIMIT_PDF_PAGES;
    if (pages <= 0)
        return err_fail(err, ERR_FORMAT, "the PDF has no page");
    if (pages > max_pages)
        return err_fail(err, ERR_LIMIT, "the PDF has %d pages, the limit is %lld", pages,
                        (long long)max_pages);
    ret->page_count = pages;
    ret->ops = &pdf_ops;
    ret->doc = take_ptr(&pdf);
    return 0;
}
