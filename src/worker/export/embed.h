/* What several exporters write the same way: links, pictures, positions on a page. */
#ifndef PLATEN_WORKER_EXPORT_EMBED_H
#define PLATEN_WORKER_EXPORT_EMBED_H

#include "worker/export/export.h"

/* A link may be live: relative, or of a scheme that runs nothing. The scheme is read as browsers read it. */
bool export_link_is_safe(const char *uri);
/* & < >, and " ' too when quotes is set, as entities. */
void export_put_escaped(struct buf *b, const char *s, size_t len, bool quotes);
/* data:image/png;base64,… */
void export_put_data_uri(struct buf *b, const struct doc_picture *p);
/* folder/image_000000.png with the folder percent-encoded. */
void export_put_picture_path(struct buf *b, const struct export_options *o, size_t number);

struct export_rect {
    double left, top, right, bottom; /* on the page, y down, to a thousandth of a point */
};
/* The box as every format states it: within the page. False: the page is unknown or has no size, so the box
 * says nothing. */
bool export_place(const struct document *d, int page_no, struct doc_box box, struct export_rect *ret,
                  const struct doc_page **ret_page);

/* The text without white space (as Python sees it) at its ends: its first byte in *ret, its length returned.
 */
size_t export_strip(const char *s, const char **ret);
bool export_is_space(uint32_t c);
/* Most of the text runs from right to left, or it begins so. */
bool export_text_is_rtl(const char *s);
/* The language's name if docling knows it, or "unknown". */
const char *export_code_language(const struct doc_item *it);

#endif
