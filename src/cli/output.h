/* From a response body (the API's ConvertDocumentResponse) to files or standard output. */
#ifndef PLATEN_CLI_OUTPUT_H
#define PLATEN_CLI_OUTPUT_H

#include "base/err.h"
#include "cli/args.h"
#include "cli/inputs.h"

struct output_result {
    char status[32];   /* success, partial_success, failure, skipped */
    char category[32]; /* of the first error */
    char *message;     /* all errors, one a line; "" when there are none */
    double seconds;    /* processing_time */
};
void output_result_done(struct output_result *r);

/*
 * Writes the formats that were asked for. A document that failed writes nothing, and is no error here: see
 * ret->status. ERR_IO when an output cannot be written.
 */
int output_write(const struct convert_args *args, const struct input *in, int result_fd,
                 struct output_result *ret, struct err *err);

/* The same for an answer of type application/zip (referenced pictures): ret->status says whether it held the
 * document. */
int output_write_zip(const struct convert_args *args, const struct input *in, int result_fd,
                     struct output_result *ret, struct err *err);

/* True when every output of this input exists already. */
bool output_exists(const struct convert_args *args, const struct input *in);

#endif
