/* The HTTP response body of a conversion, as docling-serve shapes it. */
#ifndef PLATEN_WORKER_RESPONSE_H
#define PLATEN_WORKER_RESPONSE_H

#include "conf/convert_options.h"
#include "ipc/messages.h"
#include "worker/document/document.h"
#include "worker/pipeline/timings.h"

/* One converted source. */
struct result {
    char *filename;
    struct document *document; /* NULL: failed or skipped */
    enum ipc_task_status status;
    struct err error; /* of a failed or skipped one */
    double seconds;
    struct timings timings; /* all but the export's, which the writer of the body adds itself */
};

/* "success", "partial_success", "failure", "skipped" */
const char *result_status_name(enum ipc_task_status status);

/* Writes a ConvertDocumentResponse for one source. */
int response_write_json(int fd, const struct result *r, const struct convert_options *o, double seconds,
                        struct err *err);

/* Writes a zip with one file for each document and format, and the pictures that they refer to. */
int response_write_zip(int fd, const struct result *results, size_t count, const struct convert_options *o,
                       struct err *err);

/* The options of the exporters. image_folder is borrowed. */
struct export_options;
void response_export_options(const struct convert_options *o, const char *image_folder,
                             struct export_options *ret);

#endif
