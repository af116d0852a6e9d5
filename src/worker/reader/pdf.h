/* An open PDF and its one loaded page, shared by the pdf_*.c files. */
#ifndef PLATEN_WORKER_READER_PDF_H
#define PLATEN_WORKER_READER_PDF_H

#include <stddef.h>
#include <stdint.h>

#include "worker/reader/internal.h"
#include "worker/reader/pdfium.h"

#define PDF_WINDOW_BYTES (64 * 1024)

struct pdf {
    FPDF_DOCUMENT doc;
    FPDF_FILEACCESS access; /* PDFium keeps the pointer until the document is closed */
    int fd;
    uint8_t *window; /* PDFium's parser reads 512 bytes at a time: read ahead */
    unsigned long window_start, window_bytes;

    /* The page that was asked for last; -1 none. */
    int loaded;
    FPDF_PAGE page;
    float width_pt, height_pt; /* upright */
    int quarters;              /* /Rotate */
    FS_RECTF crop;             /* in the page's own space, y up */
};

/* Makes page the loaded one. ERR_FORMAT, ERR_LIMIT. */
int pdf_load_page(struct pdf *pdf, int page, struct err *err);

/* From the page's own space (points, y up, unrotated) to the upright page (y down). */
static inline void pdf_place(const struct pdf *pdf, double x, double y, float *ret_x, float *ret_y)
{
    const FS_RECTF *c = &pdf->crop;
    switch (pdf->quarters) {
    case 1: *ret_x = (float)(y - (double)c->bottom), *ret_y = (float)(x - (double)c->left); break;
    case 2: *ret_x = (float)((double)c->right - x), *ret_y = (float)(y - (double)c->bottom); break;
    case 3: *ret_x = (float)((double)c->top - y), *ret_y = (float)((double)c->right - x); break;
    default: *ret_x = (float)(x - (double)c->left), *ret_y = (float)((double)c->top - y); break;
    }
}

/* Two opposite corners in any order. */
static inline struct reader_box pdf_place_box(const struct pdf *pdf, double x0, double y0, double x1,
                                              double y1)
{
    float ax, ay, bx, by;
    pdf_place(pdf, x0, y0, &ax, &ay);
    pdf_place(pdf, x1, y1, &bx, &by);
    return (struct reader_box){ax < bx ? ax : bx, ay < by ? ay : by, ax < bx ? bx : ax, ay < by ? by : ay};
}

/* first, then second. */
static inline FS_MATRIX pdf_concat(const FS_MATRIX *first, const FS_MATRIX *second)
{
    return (FS_MATRIX){
        .a = first->a * second->a + first->b * second->c,
        .b = first->a * second->b + first->b * second->d,
        .c = first->c * second->a + first->d * second->c,
        .d = first->c * second->b + first->d * second->d,
        .e = first->e * second->a + first->f * second->c + second->e,
        .f = first->e * second->b + first->f * second->d + second->f,
    };
}

/* Each appends to the lists of ret; the page is loaded. */
int pdf_read_text(struct pdf *pdf, struct reader_content *ret, struct err *err);
void pdf_read_objects(struct pdf *pdf, struct reader_content *ret);
void pdf_read_links(struct pdf *pdf, struct reader_content *ret);
int pdf_outline(void *doc, struct reader_outline_entry **ret, size_t *ret_count, struct err *err);

#endif
