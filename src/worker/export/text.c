/* Plain text, as docling's export_to_text: Markdown's walk without headings' marks, emphasis, links and
 * escapes; no pictures. */
#include "worker/export/markdown.h"

void export_text(const struct document *d, const struct export_options *o, struct buf *b)
{
    markdown_export(d, o, b, true);
}
