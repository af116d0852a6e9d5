/*
 * The functions of PDFium that we call, declared by hand: the packaged library comes without headers. The
 * types are opaque; integers and structures follow PDFium's public C interface (stable since 2014). PDFium is
 * not thread-safe: one thread a process.
 */
#ifndef PLATEN_WORKER_READER_PDFIUM_H
#define PLATEN_WORKER_READER_PDFIUM_H

#include <stddef.h>

typedef struct fpdf_document_t__ *FPDF_DOCUMENT;
typedef struct fpdf_page_t__ *FPDF_PAGE;
typedef struct fpdf_textpage_t__ *FPDF_TEXTPAGE;
typedef struct fpdf_pageobject_t__ *FPDF_PAGEOBJECT;
typedef const struct fpdf_pathsegment_t *FPDF_PATHSEGMENT;
typedef const struct fpdf_clippath_t *FPDF_CLIPPATH;
typedef struct fpdf_font_t__ *FPDF_FONT;
typedef struct fpdf_bitmap_t__ *FPDF_BITMAP;
typedef struct fpdf_bookmark_t__ *FPDF_BOOKMARK;
typedef struct fpdf_dest_t__ *FPDF_DEST;
typedef struct fpdf_action_t__ *FPDF_ACTION;
typedef struct fpdf_link_t__ *FPDF_LINK;

typedef struct {
    int version; /* 2 */
    const char **user_font_paths;
    void *isolate;
    unsigned int v8_slot;
} FPDF_LIBRARY_CONFIG;

typedef struct {
    unsigned long file_len;
    int (*read_block)(void *param, unsigned long position, unsigned char *buf, unsigned long size);
    void *param;
} FPDF_FILEACCESS;

typedef struct {
    float a, b, c, d, e, f;
} FS_MATRIX;

typedef struct {
    float left, top, right, bottom;
} FS_RECTF;

typedef struct {
    float width, height;
} FS_SIZEF;

typedef struct {
    float x1, y1, x2, y2, x3, y3, x4, y4;
} FS_QUADPOINTSF;

enum {
    FPDF_ERR_SUCCESS,
    FPDF_ERR_UNKNOWN,
    FPDF_ERR_FILE,
    FPDF_ERR_FORMAT,
    FPDF_ERR_PASSWORD,
    FPDF_ERR_SECURITY,
    FPDF_ERR_PAGE
};
enum { FPDF_ANNOT = 0x01, FPDF_RENDER_LIMITEDIMAGECACHE = 0x200 };
enum { FPDFBITMAP_BGR = 2 };
enum {
    FPDF_PAGEOBJ_TEXT = 1,
    FPDF_PAGEOBJ_PATH,
    FPDF_PAGEOBJ_IMAGE,
    FPDF_PAGEOBJ_SHADING,
    FPDF_PAGEOBJ_FORM
};
enum { FPDF_SEGMENT_LINETO, FPDF_SEGMENT_BEZIERTO, FPDF_SEGMENT_MOVETO };
enum { FPDF_TEXTRENDERMODE_INVISIBLE = 3 };
enum { FPDF_PDFACTION_GOTO = 1, FPDF_PDFACTION_URI = 3 };
enum {
    FPDF_FONT_FIXED = 1 << 0,
    FPDF_FONT_SERIF = 1 << 1,
    FPDF_FONT_ITALIC = 1 << 6,
    FPDF_FONT_FORCEBOLD = 1 << 18
};

void FPDF_InitLibraryWithConfig(const FPDF_LIBRARY_CONFIG *config);
unsigned long FPDF_GetLastError(void);

FPDF_DOCUMENT FPDF_LoadCustomDocument(FPDF_FILEACCESS *access, const char *password);
void FPDF_CloseDocument(FPDF_DOCUMENT doc);
int FPDF_GetPageCount(FPDF_DOCUMENT doc);
int FPDF_GetPageSizeByIndexF(FPDF_DOCUMENT doc, int page, FS_SIZEF *size);
FPDF_PAGE FPDF_LoadPage(FPDF_DOCUMENT doc, int page);
void FPDF_ClosePage(FPDF_PAGE page);
float FPDF_GetPageWidthF(FPDF_PAGE page);
float FPDF_GetPageHeightF(FPDF_PAGE page);
int FPDF_GetPageBoundingBox(FPDF_PAGE page, FS_RECTF *rect);
int FPDFPage_GetRotation(FPDF_PAGE page); /* quarters, clockwise */

FPDF_BITMAP FPDFBitmap_CreateEx(int width, int height, int format, void *first_scan, int stride);
int FPDFBitmap_FillRect(FPDF_BITMAP bitmap, int left, int top, int width, int height, unsigned long argb);
void FPDFBitmap_Destroy(FPDF_BITMAP bitmap);
void FPDF_RenderPageBitmap(FPDF_BITMAP bitmap, FPDF_PAGE page, int x, int y, int width, int height,
                           int rotate, int flags);

FPDF_TEXTPAGE FPDFText_LoadPage(FPDF_PAGE page);
void FPDFText_ClosePage(FPDF_TEXTPAGE text);
int FPDFText_CountChars(FPDF_TEXTPAGE text);
unsigned int FPDFText_GetUnicode(FPDF_TEXTPAGE text, int index);
FPDF_PAGEOBJECT FPDFText_GetTextObject(FPDF_TEXTPAGE text, int index);
int FPDFText_IsGenerated(FPDF_TEXTPAGE text, int index);
int FPDFText_IsHyphen(FPDF_TEXTPAGE text, int index);
int FPDFText_HasUnicodeMapError(FPDF_TEXTPAGE text, int index);
double FPDFText_GetFontSize(FPDF_TEXTPAGE text, int index);
int FPDFText_GetCharBox(FPDF_TEXTPAGE text, int index, double *left, double *right, double *bottom,
                        double *top);
int FPDFText_GetLooseCharBox(FPDF_TEXTPAGE text, int index, FS_RECTF *rect);
int FPDFText_GetCharOrigin(FPDF_TEXTPAGE text, int index, double *x, double *y);
int FPDFText_GetMatrix(FPDF_TEXTPAGE text, int index, FS_MATRIX *matrix);

int FPDFTextObj_GetTextRenderMode(FPDF_PAGEOBJECT text);
FPDF_FONT FPDFTextObj_GetFont(FPDF_PAGEOBJECT text);
size_t FPDFFont_GetBaseFontName(FPDF_FONT font, char *buf, size_t len); /* with NUL */
int FPDFFont_GetFlags(FPDF_FONT font);
int FPDFFont_GetWeight(FPDF_FONT font);
int FPDFFont_GetItalicAngle(FPDF_FONT font, int *angle);

int FPDFPage_CountObjects(FPDF_PAGE page);
FPDF_PAGEOBJECT FPDFPage_GetObject(FPDF_PAGE page, int index);
int FPDFPageObj_GetType(FPDF_PAGEOBJECT object);
int FPDFPageObj_GetMatrix(FPDF_PAGEOBJECT object, FS_MATRIX *matrix);
int FPDFPageObj_GetBounds(FPDF_PAGEOBJECT object, float *left, float *bottom, float *right, float *top);
int FPDFPageObj_GetStrokeWidth(FPDF_PAGEOBJECT object, float *width);
int FPDFPageObj_GetStrokeColor(FPDF_PAGEOBJECT object, unsigned int *r, unsigned int *g, unsigned int *b,
                               unsigned int *a);
int FPDFPageObj_GetFillColor(FPDF_PAGEOBJECT object, unsigned int *r, unsigned int *g, unsigned int *b,
                             unsigned int *a);
FPDF_CLIPPATH FPDFPageObj_GetClipPath(FPDF_PAGEOBJECT object);
int FPDFClipPath_CountPaths(FPDF_CLIPPATH clip);
int FPDFClipPath_CountPathSegments(FPDF_CLIPPATH clip, int path);
FPDF_PATHSEGMENT FPDFClipPath_GetPathSegment(FPDF_CLIPPATH clip, int path, int segment);
int FPDFFormObj_CountObjects(FPDF_PAGEOBJECT form);
FPDF_PAGEOBJECT FPDFFormObj_GetObject(FPDF_PAGEOBJECT form, unsigned long index);
int FPDFPath_CountSegments(FPDF_PAGEOBJECT path);
FPDF_PATHSEGMENT FPDFPath_GetPathSegment(FPDF_PAGEOBJECT path, int index);
int FPDFPath_GetDrawMode(FPDF_PAGEOBJECT path, int *fill, int *stroke);
int FPDFPathSegment_GetPoint(FPDF_PATHSEGMENT segment, float *x, float *y);
int FPDFPathSegment_GetType(FPDF_PATHSEGMENT segment);
int FPDFPathSegment_GetClose(FPDF_PATHSEGMENT segment);

int FPDFLink_Enumerate(FPDF_PAGE page, int *position, FPDF_LINK *link);
FPDF_ACTION FPDFLink_GetAction(FPDF_LINK link);
int FPDFLink_GetAnnotRect(FPDF_LINK link, FS_RECTF *rect);
int FPDFLink_CountQuadPoints(FPDF_LINK link);
int FPDFLink_GetQuadPoints(FPDF_LINK link, int index, FS_QUADPOINTSF *quad);
unsigned long FPDFAction_GetType(FPDF_ACTION action);
unsigned long FPDFAction_GetURIPath(FPDF_DOCUMENT doc, FPDF_ACTION action, void *buf,
                                    unsigned long len); /* with NUL */
FPDF_DEST FPDFAction_GetDest(FPDF_DOCUMENT doc, FPDF_ACTION action);
FPDF_BOOKMARK FPDFBookmark_GetFirstChild(FPDF_DOCUMENT doc, FPDF_BOOKMARK bookmark);
FPDF_BOOKMARK FPDFBookmark_GetNextSibling(FPDF_DOCUMENT doc, FPDF_BOOKMARK bookmark);
unsigned long FPDFBookmark_GetTitle(FPDF_BOOKMARK bookmark, void *utf16le,
                                    unsigned long len); /* bytes, with NUL */
FPDF_DEST FPDFBookmark_GetDest(FPDF_DOCUMENT doc, FPDF_BOOKMARK bookmark);
FPDF_ACTION FPDFBookmark_GetAction(FPDF_BOOKMARK bookmark);
int FPDFDest_GetDestPageIndex(FPDF_DOCUMENT doc, FPDF_DEST dest);

#endif
