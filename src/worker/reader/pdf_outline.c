/*
 * Links of a page and the outline of a document. Both come from object graphs that a hostile file may tie
 * into loops: every outline entry is visited once, and counts, depth and lengths have ceilings.
 */
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"
#include "worker/reader/pdf.h"

#define TITLE_BYTES 4096 /* of UTF-16 */

/* The URI of a link, malloced; NULL when it has none that we would pass on. */
static char *read_uri(struct pdf *pdf, FPDF_LINK link)
{
    FPDF_ACTION action = FPDFLink_GetAction(link);
    if (!action || FPDFAction_GetType(action) != FPDF_PDFACTION_URI)
        return NULL;
    unsigned long bytes = FPDFAction_GetURIPath(pdf->doc, action, NULL, 0);
    if (bytes <= 1 || bytes > LIMIT_URI_BYTES)
        return NULL;
    CLEANUP(freep) char *uri = xcalloc(bytes + 1, 1);
    FPDFAction_GetURIPath(pdf->doc, action, uri, bytes);
    size_t len = strlen(uri);
    if (len == 0 || !utf8_valid(uri, len))
        return NULL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)uri[i] < 0x20 || uri[i] == 0x7f)
            return NULL;
    return take_ptr(&uri);
}

static void add_link(struct reader_content *out, size_t *cap, struct reader_box box, const char *uri)
{
    if (out->link_count == LIMIT_PAGE_LINKS || !(box.right > box.left && box.bottom > box.top))
        return;
    *VEC_PUSH(out->links, out->link_count, *cap) = (struct reader_link){.box = box, .uri = xstrdup(uri)};
}

void pdf_read_links(struct pdf *pdf, struct reader_content *ret)
{
    size_t cap = 0;
    int position = 0, before;
    FPDF_LINK link;
    do {
        before = position;
        link = NULL;
        if (!FPDFLink_Enumerate(pdf->page, &position, &link))
            break;
        CLEANUP(freep) char *uri = link ? read_uri(pdf, link) : NULL;
        if (!uri)
            continue;
        /* A link over several lines has a quadrilateral for each. */
        int quads = FPDFLink_CountQuadPoints(link);
        size_t had = ret->link_count;
        for (int i = 0; i < quads && ret->link_count < LIMIT_PAGE_LINKS; i++) {
            FS_QUADPOINTSF q;
            if (!FPDFLink_GetQuadPoints(link, i, &q))
                break;
            double x0 = (double)MIN(MIN(q.x1, q.x2), MIN(q.x3, q.x4)),
                   x1 = (double)MAX(MAX(q.x1, q.x2), MAX(q.x3, q.x4));
            double y0 = (double)MIN(MIN(q.y1, q.y2), MIN(q.y3, q.y4)),
                   y1 = (double)MAX(MAX(q.y1, q.y2), MAX(q.y3, q.y4));
            add_link(ret, &cap, pdf_place_box(pdf, x0, y0, x1, y1), uri);
        }
        FS_RECTF r;
        if (ret->link_count == had && FPDFLink_GetAnnotRect(link, &r))
            add_link(ret, &cap,
                     pdf_place_box(pdf, (double)r.left, (double)r.bottom, (double)r.right, (double)r.top),
                     uri);
    } while (position > before && ret->link_count < LIMIT_PAGE_LINKS);
}

/* The title as UTF-8 on one line, malloced. */
static char *read_title(FPDF_BOOKMARK bookmark)
{
    uint16_t units[TITLE_BYTES / 2];
    struct buf b = BUF_INIT(TITLE_BYTES * 2);
    unsigned long bytes = FPDFBookmark_GetTitle(bookmark, NULL, 0);
    if (bytes < 2 || bytes > sizeof(units)) /* PDFium writes nothing into a buffer that is too small */
        return buf_take(&b);
    FPDFBookmark_GetTitle(bookmark, units, sizeof(units));
    size_t count = bytes / 2 - 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = units[i];
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < count && units[i + 1] >= 0xdc00 && units[i + 1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (units[++i] - 0xdc00u);
        buf_put_utf8(&b, c < 0x20 ? ' ' : c);
    }
    return buf_take(&b);
}

struct outline {
    struct pdf *pdf;
    struct reader_outline_entry *entries;
    size_t count, cap;
    const void **seen; /* open addressing; twice as many places as entries */
};

#define SEEN_PLACES (2 * LIMIT_OUTLINE_ENTRIES)

static bool is_new(struct outline *o, const void *bookmark)
{
    size_t place = (size_t)(((uintptr_t)bookmark >> 4) * 0x9e3779b97f4a7c15ull % SEEN_PLACES);
    while (o->seen[place]) {
        if (o->seen[place] == bookmark)
            return false;
        place = (place + 1) % SEEN_PLACES;
    }
    o->seen[place] = bookmark;
    return true;
}

static int target_page(struct pdf *pdf, FPDF_BOOKMARK bookmark)
{
    FPDF_DEST dest = FPDFBookmark_GetDest(pdf->doc, bookmark);
    if (!dest) {
        FPDF_ACTION action = FPDFBookmark_GetAction(bookmark);
        if (action && FPDFAction_GetType(action) == FPDF_PDFACTION_GOTO)
            dest = FPDFAction_GetDest(pdf->doc, action);
    }
    int page = dest ? FPDFDest_GetDestPageIndex(pdf->doc, dest) : -1;
    return page >= 0 && page < FPDF_GetPageCount(pdf->doc) ? page : -1;
}

static void read_level(struct outline *o, FPDF_BOOKMARK parent, int level)
{
    FPDF_BOOKMARK bookmark = FPDFBookmark_GetFirstChild(o->pdf->doc, parent);
    for (; bookmark; bookmark = FPDFBookmark_GetNextSibling(o->pdf->doc, bookmark)) {
        if (o->count == LIMIT_OUTLINE_ENTRIES || !is_new(o, bookmark))
            return;
        *VEC_PUSH(o->entries, o->count, o->cap) = (struct reader_outline_entry){
            .title = read_title(bookmark), .level = level, .page = target_page(o->pdf, bookmark)};
        if (level < LIMIT_OUTLINE_DEPTH)
            read_level(o, bookmark, level + 1);
    }
}

int pdf_outline(void *doc, struct reader_outline_entry **ret, size_t *ret_count, struct err *err UNUSED)
{
    struct outline o = {.pdf = doc, .seen = xcalloc(SEEN_PLACES, sizeof(void *))};
    read_level(&o, NULL, 1);
    free(o.seen);
    *ret = o.entries;
    *ret_count = o.count;
    return 0;
}
