/*
 * One page on its way from the reader to its lines, in three steps so that several pages are under way at
 * once: begin (text layer, or render and ask for the orientation), send (level it, hand it to the engine),
 * end (collect lines, regions, tables).
 */
#ifndef PLATEN_WORKER_PIPELINE_READING_H
#define PLATEN_WORKER_PIPELINE_READING_H

#include "conf/convert_options.h"
#include "worker/pipeline/model.h"
#include "worker/pipeline/timings.h"
#include "worker/pipeline/vision.h"

struct reading {
    struct page page; /* the result */
    struct reader *reader;
    const struct vision *vision; /* NULL: no engine */
    const struct convert_options *options;
    struct timings *timings; /* NULL: not kept */
    uint32_t id; /* engine page id; id + 1 is used for the small picture that tells the orientation */
    int index;   /* 0-based page of the reader */
    bool want_pictures;
    struct image *image; /* while the page is a picture to read */
    float pt_per_px;
    float
        print_scale; /* what the engine is told of the image's resolution is this times its dpi; 0: unknown */
    struct doc_box *bitmaps; /* parts of a digital page to read */
    size_t bitmap_count;
    bool small_open, page_open, oriented, read_sent, layout_sent;
    uint32_t orient_ticket, read_ticket, layout_ticket;
    struct stopwatch orient_asked, read_asked, layout_asked;
};

/* All three leave the reading fit for reading_done, whatever they return. */
int reading_begin(struct reading *r, struct err *err);
int reading_send(struct reading *r, struct err *err);
int reading_end(struct reading *r, struct err *err);
void reading_done(struct reading *r);

#endif
