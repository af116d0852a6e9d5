/* A source file → a document. Formats with pages only; sees no HTTP and no process but the engine behind
 * struct vision. */
#ifndef PLATEN_WORKER_PIPELINE_PIPELINE_H
#define PLATEN_WORKER_PIPELINE_PIPELINE_H

#include <stdint.h>

#include "conf/convert_options.h"
#include "worker/document/document.h"
#include "worker/pipeline/timings.h"
#include "worker/pipeline/vision.h"

struct pipeline_hooks {
    void *ctx;
    /* At the start of a stage ("open": total 0; "read": the total is known; "assemble"), after every page. */
    void (*progress)(void *ctx, int pages_done, int pages_total, const char *stage);
    /* Between pages: 0, or ERR_CANCELLED / ERR_TIMEOUT, which ends the work. */
    int (*check)(void *ctx, struct err *err);
};

struct pipeline_job {
    int fd;
    const char *filename;
    const struct convert_options *options;
    int64_t max_pages;
    const struct vision *vision;        /* NULL: text layers only */
    const struct pipeline_hooks *hooks; /* NULL: none */
    /* Memory is given back to the system after so many pages, and no more pages than that are under way at
     * once. 0: the usual number under way, nothing given back in between. */
    int64_t page_batch;
    struct timings *timings; /* filled, whatever comes of the conversion; NULL: not wanted */
};

/*
 * The document with the pages that could be read; a page that could not is a page error in it. Fails when the
 * file cannot be opened (ERR_FORMAT, ERR_AUTH, ERR_LIMIT, ERR_UNSUPPORTED), the engine is gone (ERR_CRASH,
 * ERR_TIMEOUT), no page could be read, or a page failed under abort_on_error. A document timeout keeps the
 * pages that are done.
 */
int pipeline_convert(const struct pipeline_job *job, struct document **ret, struct err *err);

#endif
