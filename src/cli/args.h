/* The arguments of `platen convert`. Every conversion option is a flag (dashes for underscores); some have
 * short names. */
#ifndef PLATEN_CLI_ARGS_H
#define PLATEN_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/convert_options.h"

enum progress_mode { PROGRESS_AUTO, PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

struct convert_args {
    struct convert_options options;
    char **inputs; /* borrowed from argv */
    size_t input_count, input_cap;
    char *output_dir;  /* NULL: standard output */
    char *report_path; /* NULL: none */
    int jobs;
    bool skip_existing, stop_on_error, quiet, verbose, help;
    enum progress_mode progress;
    const char *platend_flags[32]; /* passed on to platend, NULL-terminated; borrowed from argv */
    size_t platend_flag_count;
};

/* ERR_ARG with one sentence. args must be freed with convert_args_done in either case. */
int convert_args_parse(struct convert_args *args, int argc, char **argv, struct err *err);
void convert_args_done(struct convert_args *args);
void convert_args_print_help(void);

#endif
