/* Small PDF files for tests, written object by object with a correct cross-reference table. */
#ifndef PLATEN_TESTS_READER_MAKE_PDF_H
#define PLATEN_TESTS_READER_MAKE_PDF_H

#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

struct make_pdf {
    struct buf out;
    size_t offsets[64];
    int count;
    const char *trailer; /* more entries of the trailer, or NULL */
};

void make_pdf_start(struct make_pdf *m);
/* Object number count + 1, returned; the text between "obj" and "endobj". Object 1 must be the catalog. */
int make_pdf_object(struct make_pdf *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
int make_pdf_stream(struct make_pdf *m, const char *dict, const char *content);
/* Ends the file; a memfd with its bytes. */
int make_pdf_finish(struct make_pdf *m);
/*
 * The common case: one page (object 3) with these entries beside Type, Parent and Contents, and this content;
 * Helvetica is /F1, Courier- BoldOblique /F2, an 8 x 8 grey picture /I1.
 */
int make_pdf_page(const char *page_entries, const char *content);
/* Bytes as a memfd. */
int make_file(const void *bytes, size_t len);

#endif
