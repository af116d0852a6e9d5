/*
 * The options of one conversion request, as docling-serve names them. One table (convert_options.c) gives for
 * each its type, its allowed values, its default and whether it has an effect here; the API (JSON and form
 * fields), the worker (its input file), the command line flags, --help and the docs all come from it.
 */
#ifndef PLATEN_CONF_CONVERT_OPTIONS_H
#define PLATEN_CONF_CONVERT_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum output_format { /* bits */
                     OUTPUT_MD = 1,
                     OUTPUT_JSON = 2,
                     OUTPUT_HTML = 4,
                     OUTPUT_TEXT = 8,
                     OUTPUT_DOCTAGS = 16,
};

enum image_export_mode { IMAGE_EXPORT_PLACEHOLDER, IMAGE_EXPORT_EMBEDDED, IMAGE_EXPORT_REFERENCED };
enum ocr_model { OCR_MODEL_AUTO, OCR_MODEL_SMALL, OCR_MODEL_TINY };

struct convert_options {
    uint64_t from_formats; /* bit i: value i of the table's list; all by default */
    unsigned to_formats;   /* enum output_format bits */
    enum image_export_mode image_export_mode;
    bool do_ocr, force_ocr;
    char *ocr_lang;           /* comma list, "" = automatic */
    enum ocr_model ocr_model; /* our extension "ocr_model": auto, small, tiny; also ocr_preset platen-small /
                                 platen-tiny */
    bool do_table_structure, table_cell_matching;
    bool table_accurate;           /* table_mode */
    int64_t page_first, page_last; /* 1-based, inclusive */
    unsigned page_range_parts;     /* how many form fields named page_range have come */
    double document_timeout_s;     /* 0: the server's maximum */
    bool abort_on_error;
    bool include_images, include_page_images;
    double images_scale;
    char *md_page_break_placeholder;
    bool md_compact_tables;
    bool target_zip; /* target kind zip */
    char *password;  /* our extension, for encrypted documents; "" = none; never logged */
    /* Options that a request set to something other than their default although they have no effect here (so
     * far). */
    char **ineffective; /* names */
    size_t ineffective_count, ineffective_cap;
};

void convert_options_init(struct convert_options *o);
void convert_options_done(struct convert_options *o);

/* One problem of a request, in the shape of a pydantic error: type, loc (the option's name), msg. */
struct option_problem {
    char type[40];
    char loc[80];   /* "to_formats", "to_formats.0", "page_range.1": parts joined by dots */
    char msg[1024]; /* enums name all their values */
};

/* Sets the option `name` from a JSON value. 0; ERR_ARG with *ret filled; ERR_NOTFOUND for an unknown name
 * (docling-serve ignores those). */
int convert_options_set_json(struct convert_options *o, const char *name, const json_t *value,
                             struct option_problem *ret);

/*
 * The same from one multipart form field. Lists: the field repeats, or one JSON array, or commas; `first` is
 * true for the first occurrence in this request (which replaces the default). Objects are JSON text.
 */
int convert_options_set_field(struct convert_options *o, const char *name, const char *text, bool first,
                              struct option_problem *ret);

/*
 * The same from a flag of the command line (without dashes: "to", "pages", "do-ocr"). value may be NULL for
 * booleans (true); page ranges may be "3-7", "3" or "3-". ERR_NOTFOUND for a flag that is not in the table.
 */
int convert_options_set_flag(struct convert_options *o, const char *flag, const char *value,
                             struct option_problem *ret);
/* 0: no such flag; 1: it needs a value; 2: a boolean, whose value may be left out. */
int convert_options_flag_kind(const char *flag);

/* Checks that span options (page_range order, timeout and images_scale maxima given by the settings). */
int convert_options_check(const struct convert_options *o, double max_timeout_s, double max_images_scale,
                          struct option_problem *ret);

/* The options as JSON (a new reference) and back; what the supervisor stores and the worker reads. */
json_t *convert_options_to_json(const struct convert_options *o);
int convert_options_of_json(const json_t *json, struct convert_options *ret, struct err *err);

/* Input formats by name ("pdf", "image", …): bit of from_formats, or 0. */
uint64_t convert_options_format_bit(const char *name);

/* The flags of `platen convert` that come from this table, for getopt, help and man page. */
void convert_options_print_help(FILE *out);
void convert_options_print_man(FILE *out);
void convert_options_print_markdown(FILE *out); /* the table for the docs */

#endif
