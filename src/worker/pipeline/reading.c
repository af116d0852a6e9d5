/*
 * The steps of one page. Digital pages are done after the first step; a picture of a page goes through all
 * three. The page image is freed as soon as the engine holds its copy, unless pictures are to be cut from it.
 */
#include "worker/pipeline/reading.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/pipeline/content.h"
#include "worker/pipeline/geometry.h"
#include "worker/pipeline/lines.h"
#include "worker/pipeline/scan.h"
#include "worker/pipeline/tables.h"

#define ORIENT_SIDE_PX 640.0f
#define ORIENT_MIN_SCORE 0.75f
#define FIGURE_MIN_SCORE 0.55f
#define TABLE_MIN_SCORE 0.5f
#define BITMAP_DPI 150.0f

static int png_of(const struct image *im, struct doc_box box, float px_per_pt, struct figure *f,
                  struct err *err)
{
    CLEANUP(image_freep) struct image *crop = NULL;
    int left = MAX((int)floorf(box.left * px_per_pt), 0), top = MAX((int)floorf(box.top * px_per_pt), 0);
    int right = MIN((int)ceilf(box.right * px_per_pt), im->width_px),
        bottom = MIN((int)ceilf(box.bottom * px_per_pt), im->height_px);
    if (right - left < 2 || bottom - top < 2)
        return 0;
    int rc = image_crop(im, left, top, right, bottom, &crop, err);
    if (rc == 0)
        rc = image_encode_png(crop, &f->png, &f->png_bytes, err);
    if (rc == 0) {
        f->width_px = crop->width_px;
        f->height_px = crop->height_px;
        f->dpi = px_per_pt * 72.0f;
    }
    return rc;
}

static int set_page_image(struct page *p, const struct image *im, struct err *err)
{
    struct doc_picture *pic = xnew(struct doc_picture);
    int rc = image_encode_png(im, &pic->png, &pic->png_bytes, err);
    if (rc != 0) {
        free(pic);
        return rc;
    }
    pic->width_px = im->width_px;
    pic->height_px = im->height_px;
    pic->dpi = im->dpi;
    p->image = pic;
    return 0;
}

/* Pictures of a digital page, cut from a rendering of it. */
static int cut_pictures(struct reading *r, struct err *err)
{
    struct page *p = &r->page;
    bool page_image = r->options->include_page_images;
    if (!r->want_pictures || (p->figures.count == 0 && !page_image))
        return 0;
    CLEANUP(image_freep) struct image *im = NULL;
    int rc = reader_render(r->reader, r->index, (float)(72.0 * r->options->images_scale), &im, err);
    float px_per_pt = rc == 0 ? (float)im->width_px / MAX(p->width_pt, 1.0f) : 1;
    for (size_t i = 0; rc == 0 && i < p->figures.count && r->options->include_images; i++)
        rc = png_of(im, p->figures.items[i].box, px_per_pt, &p->figures.items[i], err);
    if (rc == 0 && page_image)
        rc = set_page_image(p, im, err);
    return rc;
}

/* A picture file's pixels are points to the reader; how large its print is, only the resolution that the file
 * claims can tell. */
static float print_scale(struct reader *r, int page)
{
    float native = reader_page_native_dpi(r, page);
    return native > 0 ? reader_page_scan_dpi(r, page) / native : 1.0f;
}

/* Hands an image to the engine, with the resolution of the paper that it shows. */
static int open_page(struct reading *r, uint32_t id, struct image *im, struct err *err)
{
    float dpi = im->dpi;
    im->dpi = dpi * r->print_scale;
    int rc = r->vision->page_open(r->vision->ctx, id, im, err);
    im->dpi = dpi;
    return rc;
}

static int begin_scan(struct reading *r, struct err *err)
{
    struct page *p = &r->page;
    p->is_scan = true;
    r->print_scale = print_scale(r->reader, r->index);
    struct stopwatch start = stopwatch_start();
    int rc = scan_render(r->reader, r->index, p->width_pt, p->height_pt, r->want_pictures, &r->image, err);
    if (rc != 0)
        return rc;
    timings_add(r->timings, STAGE_RENDER, start);
    r->pt_per_px = p->width_pt / (float)r->image->width_px;
    CLEANUP(image_freep) struct image *small = NULL;
    rc = scan_thumbnail(r->image, ORIENT_SIDE_PX, &small, err);
    if (rc == 0)
        rc = open_page(r, r->id + 1, small, err);
    if (rc == 0) {
        r->small_open = true;
        r->orient_asked = stopwatch_start();
        rc = r->vision->orient_begin(r->vision->ctx, r->id + 1, &r->orient_ticket, err);
    }
    return rc;
}

int reading_begin(struct reading *r, struct err *err)
{
    float width, height;
    int rc = reader_page_size(r->reader, r->index, &width, &height, err);
    if (rc != 0)
        return rc;
    page_init(&r->page, r->index + 1, width, height);
    struct reader_content c = {0};
    struct stopwatch start = stopwatch_start();
    rc = reader_read_content(r->reader, r->index, &c, err);
    if (rc != 0)
        return rc;
    timings_add(r->timings, STAGE_PARSE, start);
    const struct convert_options *o = r->options;
    if (r->vision && (o->force_ocr || (o->do_ocr && content_needs_reading(&c, width, height)))) {
        reader_content_done(&c);
        return begin_scan(r, err);
    }
    content_to_page(&c, &r->page);
    if (r->vision && o->do_ocr)
        content_find_bitmaps(&c, &r->page, &r->bitmaps, &r->bitmap_count);
    reader_content_done(&c);
    rc = cut_pictures(r, err);
    if (rc == 0 && r->bitmap_count > 0) {
        CLEANUP(image_freep) struct image *colour = NULL;
        r->print_scale = 1.0f;
        start = stopwatch_start();
        rc = reader_render(r->reader, r->index, BITMAP_DPI, &colour, err);
        if (rc == 0)
            rc = image_to_grey(colour, &r->image, err);
        if (rc == 0) {
            timings_add(r->timings, STAGE_RENDER, start);
            r->pt_per_px = width / (float)r->image->width_px;
        }
    }
    return rc;
}

static int ask_read(struct reading *r, struct err *err)
{
    struct ipc_read ask = {.page_id = r->id};
    const char *lang = r->options->ocr_lang ? r->options->ocr_lang : "";
    if (strlen(lang) < sizeof(ask.lang))
        memcpy(ask.lang, lang, strlen(lang) + 1);
    ask.mode = r->options->ocr_model == OCR_MODEL_SMALL  ? IPC_READ_SMALL
               : r->options->ocr_model == OCR_MODEL_TINY ? IPC_READ_TINY
                                                         : IPC_READ_AUTO;
    struct ipc_box *boxes = xnew_array(struct ipc_box, r->bitmap_count + 1);
    float w = (float)r->image->width_px, h = (float)r->image->height_px;
    for (size_t i = 0; i < r->bitmap_count; i++) {
        struct doc_box b = r->bitmaps[i];
        struct ipc_box px = {MAX(b.left / r->pt_per_px, 0.0f), MAX(b.top / r->pt_per_px, 0.0f),
                             MIN(b.right / r->pt_per_px, w), MIN(b.bottom / r->pt_per_px, h)};
        if (px.right - px.left >= 4 && px.bottom - px.top >= 4)
            boxes[ask.region_count++] = px;
    }
    ask.regions = boxes;
    int rc = 0;
    if (r->bitmap_count == 0 || ask.region_count > 0) {
        r->read_asked = stopwatch_start();
        rc = r->vision->read_begin(r->vision->ctx, &ask, &r->read_ticket, err);
        r->read_sent = rc == 0;
    }
    free(boxes);
    return rc;
}

/* Upright and level; the page takes on the size that it has then. */
static int straighten(struct reading *r, struct err *err)
{
    struct ipc_orientation o;
    int rc = r->vision->orient_end(r->vision->ctx, r->orient_ticket, &o, err);
    r->vision->page_close(r->vision->ctx, r->id + 1);
    r->small_open = false;
    if (rc != 0)
        return rc;
    timings_add(r->timings, STAGE_ORIENT, r->orient_asked);
    if (o.degrees != 0 && o.score >= ORIENT_MIN_SCORE) {
        struct image *turned = NULL;
        rc = image_rotate_quarter(r->image, o.degrees, &turned, err);
        if (rc != 0)
            return rc;
        image_free(r->image);
        r->image = turned;
        if (o.degrees != 180) {
            float w = r->page.width_pt;
            r->page.width_pt = r->page.height_pt;
            r->page.height_pt = w;
        }
    }
    return scan_level(&r->image, err);
}

int reading_send(struct reading *r, struct err *err)
{
    if (!r->image)
        return 0;
    int rc = r->page.is_scan ? straighten(r, err) : 0;
    if (rc == 0 && r->page.is_scan && r->options->do_table_structure)
        rc = scan_rules(r->image, r->pt_per_px, &r->page.rules, &r->page.rule_count, err);
    if (rc == 0)
        rc = open_page(r, r->id, r->image, err);
    if (rc != 0)
        return rc;
    r->page_open = true;
    if (r->page.is_scan) {
        r->layout_asked = stopwatch_start();
        rc = r->vision->layout_begin(r->vision->ctx, r->id, &r->layout_ticket, err);
        r->layout_sent = rc == 0;
    }
    if (rc == 0)
        rc = ask_read(r, err);
    if (!(r->page.is_scan && r->want_pictures)) {
        image_free(r->image);
        r->image = NULL;
    }
    return rc;
}

static void put_regions(struct reading *r, const struct ipc_regions *in)
{
    float sum = 0, k = r->pt_per_px;
    for (size_t i = 0; i < in->count; i++) {
        const struct ipc_region *o = &in->items[i];
        struct region *n = VEC_PUSH(r->page.regions.items, r->page.regions.count, r->page.regions.cap);
        *n = (struct region){(enum ipc_region_label)o->label,
                             o->score,
                             {o->box.left * k, o->box.top * k, o->box.right * k, o->box.bottom * k}};
        sum += o->score;
    }
    if (in->count > 0)
        r->page.layout_score = sum / (float)in->count;
}

static bool has_table(const struct page *p, struct doc_box box)
{
    for (size_t i = 0; i < p->tables.count; i++)
        if (box_overlap_area(p->tables.items[i].box, box) >
            0.4f * MIN(box_area(box), box_area(p->tables.items[i].box)))
            return true;
    return false;
}

/* Table regions of the layout model that no ruled lattice has covered. */
static int model_tables(struct reading *r, struct err *err)
{
    struct page *p = &r->page;
    for (size_t i = 0; i < p->regions.count; i++) {
        struct region g = p->regions.items[i];
        if (g.label != IPC_REGION_TABLE || g.score < TABLE_MIN_SCORE || has_table(p, g.box))
            continue;
        struct ipc_table_ask ask = {.page_id = r->id,
                                    .box = {g.box.left / r->pt_per_px, g.box.top / r->pt_per_px,
                                            g.box.right / r->pt_per_px, g.box.bottom / r->pt_per_px}};
        uint32_t ticket;
        struct ipc_grid grid = {0};
        int rc = r->vision->table_begin(r->vision->ctx, &ask, &ticket, err);
        if (rc == 0)
            rc = r->vision->table_end(r->vision->ctx, ticket, &grid, err);
        if (rc == 0 && !table_of_model(p, &grid, r->pt_per_px, g.box))
            table_in_box(p, g.box);
        ipc_grid_done(&grid);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A figure region is believed when little text was read in it. */
static int put_figures(struct reading *r, struct err *err)
{
    struct page *p = &r->page;
    for (size_t i = 0; i < p->regions.count; i++) {
        const struct region *g = &p->regions.items[i];
        if (g->label != IPC_REGION_FIGURE || g->score < FIGURE_MIN_SCORE || has_table(p, g->box))
            continue;
        float text = 0;
        for (size_t k = 0; k < p->lines.count; k++)
            text += box_overlap_area(p->lines.items[k].box, g->box);
        if (text > 0.25f * box_area(g->box))
            continue;
        struct figure *f = VEC_PUSH(p->figures.items, p->figures.count, p->figures.cap);
        f->box = g->box;
        if (r->image && r->options->include_images) {
            int rc = png_of(r->image, g->box, 1.0f / r->pt_per_px, f, err);
            if (rc != 0)
                return rc;
        }
    }
    return r->image && r->options->include_page_images ? set_page_image(p, r->image, err) : 0;
}

static void score_tables(struct page *p)
{
    float sum = 0;
    for (size_t i = 0; i < p->tables.count; i++)
        sum += p->tables.items[i].score;
    if (p->tables.count > 0)
        p->table_score = sum / (float)p->tables.count;
}

static int collect(struct reading *r, struct err *err)
{
    int rc = 0;
    if (r->layout_sent) {
        struct ipc_regions regions = {0};
        r->layout_sent = false;
        rc = r->vision->layout_end(r->vision->ctx, r->layout_ticket, &regions, err);
        if (rc == 0) {
            timings_add(r->timings, STAGE_LAYOUT, r->layout_asked);
            put_regions(r, &regions);
        }
        ipc_regions_done(&regions);
    }
    if (rc == 0 && r->read_sent) {
        struct ipc_lines lines = {0};
        r->read_sent = false;
        rc = r->vision->read_end(r->vision->ctx, r->read_ticket, &lines, err);
        if (rc == 0) {
            timings_add(r->timings, STAGE_READ, r->read_asked);
            float sum = 0;
            for (size_t i = 0; i < lines.count; i++)
                sum += lines.items[i].score;
            if (lines.count > 0)
                r->page.ocr_score = sum / (float)lines.count;
            lines_of_ocr(&lines, r->pt_per_px, r->page.is_scan ? 0 : LINE_IN_PICTURE, &r->page.lines);
        }
        ipc_lines_done(&lines);
    }
    return rc;
}

int reading_end(struct reading *r, struct err *err)
{
    int rc = collect(r, err);
    if (rc == 0 && r->options->do_table_structure) {
        struct stopwatch start = stopwatch_start();
        tables_of_rules(&r->page);
        if (r->page.is_scan)
            rc = model_tables(r, err);
        tables_of_columns(&r->page);
        score_tables(&r->page);
        if (rc == 0)
            timings_add(r->timings, STAGE_TABLE, start);
    }
    if (rc == 0 && r->page.is_scan)
        rc = put_figures(r, err);
    return rc;
}

void reading_done(struct reading *r)
{
    if (r->vision && r->small_open)
        r->vision->page_close(r->vision->ctx, r->id + 1);
    if (r->vision && r->page_open)
        r->vision->page_close(r->vision->ctx, r->id);
    image_free(r->image);
    free(r->bitmaps);
    page_done(&r->page);
    *r = (struct reading){0};
}
