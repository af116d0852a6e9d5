/* Private to conf: the rows of the convert option table, and the readers for each type of value. */
#ifndef PLATEN_CONF_OPTION_TABLE_H
#define PLATEN_CONF_OPTION_TABLE_H

#include "conf/convert_options.h"

enum option_type {
    OPTION_BOOL,
    OPTION_ENUM,           /* values; the index is stored as an int */
    OPTION_INPUT_FORMATS,  /* list of values -> from_formats */
    OPTION_OUTPUT_FORMATS, /* list of values -> to_formats */
    OPTION_STRING,
    OPTION_STRING_OR_NULL,
    OPTION_STRINGS_OR_NULL, /* stored as a comma list */
    OPTION_NUMBER,
    OPTION_SECONDS_OR_NULL, /* > 0; null is stored as 0 */
    OPTION_PAGE_RANGE,
    OPTION_OBJECT_OR_NULL,
    OPTION_OBJECT_OR_STRING_OR_NULL,
    OPTION_HEADINGS, /* the pdf_heading_hierarchy_options object */
};

#define OPTION_NO_FIELD ((size_t)-1)

struct option_row {
    const char *name;
    const char *flag; /* of platen convert; NULL: the name with dashes */
    enum option_type type;
    size_t offset; /* OPTION_NO_FIELD: checked, but not kept */
    bool effective;
    bool extension;            /* ours, not docling-serve's */
    const char *const *values; /* ends with NULL */
    const char *def; /* as docling-serve's docs write it; for OPTION_ENUM without a field also the default's
                        index rules */
    const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;
extern const char *const option_input_formats[];
extern const char *const option_output_formats[];

const struct option_row *option_row_of_name(const char *name);
const struct option_row *option_row_of_flag(const char *flag);
void option_flag_name(const struct option_row *row, char *out, size_t out_size);
bool option_type_is_list(enum option_type type);

/* Fills *ret and returns ERR_ARG. */
int option_fail(struct option_problem *ret, const char *type, const char *loc, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/*
 * Checks value and stores it. append: a further occurrence of a list. *ret_default tells whether the value is
 * what the table gives anyway. The output formats that we do not write are named through
 * option_note_ineffective.
 */
int option_store(const struct option_row *row, struct convert_options *o, const json_t *value, bool append,
                 bool *ret_default, struct option_problem *ret);
void option_note_ineffective(struct convert_options *o, const char *name);
void option_forget_ineffective(struct convert_options *o, const char *prefix);

/* pydantic's lax reading of one value; loc is used in the problem. */
int option_read_bool(const json_t *value, const char *loc, bool *out, struct option_problem *ret);
int option_read_int(const json_t *value, const char *loc, int64_t *out, struct option_problem *ret);
int option_read_number(const json_t *value, const char *loc, double *out, struct option_problem *ret);
int option_read_string(const json_t *value, const char *loc, const char **out, struct option_problem *ret);
int option_read_enum(const json_t *value, const char *loc, const char *const *values, int *out,
                     struct option_problem *ret);

#endif
