#include "make_pdf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fdio.h"

void make_pdf_start(struct make_pdf *m)
{
    *m = (struct make_pdf){.out = BUF_INIT(16u << 20)};
    buf_puts(&m->out, "%PDF-1.7\n");
}

static int start_object(struct make_pdf *m)
{
    m->offsets[m->count++] = m->out.len;
    buf_printf(&m->out, "%d 0 obj\n", m->count);
    return m->count;
}

int make_pdf_object(struct make_pdf *m, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof(text))
        abort();
    int number = start_object(m);
    buf_puts(&m->out, text);
    buf_puts(&m->out, "\nendobj\n");
    return number;
}

int make_pdf_stream(struct make_pdf *m, const char *dict, const char *content)
{
    int number = start_object(m);
    buf_printf(&m->out, "<< %s /Length %zu >>\nstream\n", dict, strlen(content));
    buf_puts(&m->out, content);
    buf_puts(&m->out, "\nendstream\nendobj\n");
    return number;
}

int make_file(const void *bytes, size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, bytes, len, NULL) < 0)
        abort();
    return fd;
}

int make_pdf_finish(struct make_pdf *m)
{
    size_t xref = m->out.len;
    buf_printf(&m->out, "xref\n0 %d\n0000000000 65535 f \n", m->count + 1);
    for (int i = 0; i < m->count; i++)
        buf_printf(&m->out, "%010zu 00000 n \n", m->offsets[i]);
    buf_printf(&m->out, "trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%zu\n%%%%EOF\n", m->count + 1,
               m->trailer ? m->trailer : "", xref);
    int fd = make_file(buf_str(&m->out), m->out.len);
    buf_done(&m->out);
    return fd;
}

int make_pdf_page(const char *page_entries, const char *content)
{
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    make_pdf_object(
        &m,
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >>"
        " /XObject << /I1 7 0 R /X1 8 0 R >> >> %s >>",
        page_entries);
    make_pdf_stream(&m, "", content);
    make_pdf_object(&m, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    make_pdf_object(&m, "<< /Type /Font /Subtype /Type1 /BaseFont /Courier-BoldOblique >>");
    make_pdf_stream(
        &m,
        "/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 1"
        " /Filter /ASCIIHexDecode",
        "AA55AA55AA55AA55>");
    /* A form that draws a rule and a picture, moved by its own matrix. */
    make_pdf_stream(&m,
                    "/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Matrix [1 0 0 1 10 20]"
                    " /Resources << /XObject << /I1 7 0 R >> >>",
                    "1 w 0 0 m 50 0 l S q 20 0 0 20 0 10 cm /I1 Do Q");
    return make_pdf_finish(&m);
}
