/*
 * Puts checked values into struct convert_options, one function for each kind of row. Invariant: a value that
 * has no effect here and differs from the default leaves its name in `ineffective`, so that the response can
 * say so; nothing is silently ignored.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "conf/option_table.h"

#define LIST_ITEMS_MAX 256

void option_note_ineffective(struct convert_options *o, const char *name)
{
    for (size_t i = 0; i < o->ineffective_count; i++) {
        if (strcmp(o->ineffective[i], name) == 0)
            return;
    }
    if (o->ineffective_count >= LIST_ITEMS_MAX)
        return;
    *VEC_PUSH(o->ineffective, o->ineffective_count, o->ineffective_cap) = xstrdup(name);
}

void option_forget_ineffective(struct convert_options *o, const char *prefix)
{
    size_t kept = 0, len = strlen(prefix);
    for (size_t i = 0; i < o->ineffective_count; i++) {
        const char *name = o->ineffective[i];
        if (strncmp(name, prefix, len) == 0 && (name[len] == '\0' || name[len] == '='))
            free(o->ineffective[i]);
        else
            o->ineffective[kept++] = o->ineffective[i];
    }
    o->ineffective_count = kept;
}

static void *field_of(const struct option_row *row, struct convert_options *o)
{
    return row->offset == OPTION_NO_FIELD ? NULL : (char *)o + row->offset;
}

static void replace_string(char **field, char *value)
{
    free(*field);
    *field = value;
}

/* A list of enum names to bits. */
static int read_formats(const struct option_row *row, const json_t *value, uint64_t *ret_bits,
                        struct option_problem *ret)
{
    if (!json_is_array(value))
        return option_fail(ret, "list_type", row->name, "Input should be a valid list");
    if (json_array_size(value) > LIST_ITEMS_MAX)
        return option_fail(ret, "too_long", row->name,
                           "List should have at most %d items after validation, not %zu", LIST_ITEMS_MAX,
                           json_array_size(value));
    uint64_t bits = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        char loc[64];
        (void)snprintf(loc, sizeof(loc), "%s.%zu", row->name, i);
        int index;
        int rc = option_read_enum(json_array_get(value, i), loc, row->values, &index, ret);
        if (rc != 0)
            return rc;
        bits |= 1ull << index;
    }
    *ret_bits = bits;
    return 0;
}

static int store_output_formats(const struct option_row *row, struct convert_options *o, const json_t *value,
                                bool append, struct option_problem *ret)
{
    static const struct {
        const char *name;
        enum output_format bit;
    } written[] = {{"md", OUTPUT_MD},
                   {"json", OUTPUT_JSON},
                   {"html", OUTPUT_HTML},
                   {"text", OUTPUT_TEXT},
                   {"doctags", OUTPUT_DOCTAGS}};
    uint64_t asked;
    int rc = read_formats(row, value, &asked, ret);
    if (rc != 0)
        return rc;
    if (!append) {
        o->to_formats = 0;
        option_forget_ineffective(o, row->name);
    }
    for (int i = 0; row->values[i]; i++) {
        if (!(asked & (1ull << i)))
            continue;
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(written); k++) {
            if (strcmp(written[k].name, row->values[i]) == 0) {
                o->to_formats |= written[k].bit;
                known = true;
            }
        }
        if (!known) {
            char note[64];
            (void)snprintf(note, sizeof(note), "%s=%s", row->name, row->values[i]);
            option_note_ineffective(o, note);
        }
    }
    return 0;
}

static int store_input_formats(const struct option_row *row, struct convert_options *o, const json_t *value,
                               bool append, struct option_problem *ret)
{
    uint64_t asked;
    int rc = read_formats(row, value, &asked, ret);
    if (rc == 0)
        o->from_formats = append ? o->from_formats | asked : asked;
    return rc;
}

static int store_strings(const struct option_row *row, struct convert_options *o, const json_t *value,
                         bool append, bool *ret_default, struct option_problem *ret)
{
    char **field = field_of(row, o);
    if (json_is_null(value)) {
        if (!append && field)
            replace_string(field, xstrdup(""));
        return 0;
    }
    if (!json_is_array(value))
        return option_fail(ret, "list_type", row->name, "Input should be a valid list");
    struct buf joined = BUF_INIT(LIMIT_OPTION_BYTES);
    if (append && field)
        buf_puts(&joined, *field);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        char loc[64];
        (void)snprintf(loc, sizeof(loc), "%s.%zu", row->name, i);
        const char *text = "";
        rc = option_read_string(json_array_get(value, i), loc, &text, ret);
        if (joined.len > 0 && *text)
            buf_putc(&joined, ',');
        buf_puts(&joined, text);
        *ret_default = *ret_default && !*text;
    }
    if (rc == 0 && joined.overflown)
        rc = option_fail(ret, "string_too_long", row->name, "List should have at most %d characters",
                         LIMIT_OPTION_BYTES);
    if (rc == 0 && field)
        replace_string(field, buf_take(&joined));
    buf_done(&joined);
    return rc;
}

static int store_page_range(const struct option_row *row, struct convert_options *o, const json_t *value,
                            struct option_problem *ret)
{
    if (!json_is_array(value))
        return option_fail(ret, "tuple_type", row->name, "Input should be a valid tuple");
    size_t n = json_array_size(value);
    if (n > 2)
        return option_fail(ret, "too_long", row->name,
                           "Tuple should have at most 2 items after validation, not %zu", n);
    int64_t ends[2] = {1, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        char loc[64];
        (void)snprintf(loc, sizeof(loc), "%s.%zu", row->name, i);
        if (i >= n)
            return option_fail(ret, "missing", loc, "Field required");
        int rc = option_read_int(json_array_get(value, i), loc, &ends[i], ret);
        if (rc != 0)
            return rc;
    }
    o->page_first = ends[0];
    o->page_last = ends[1];
    return 0;
}

static int store_number(const struct option_row *row, struct convert_options *o, const json_t *value,
                        bool *ret_default, struct option_problem *ret)
{
    double number = 0;
    if (json_is_null(value) && row->type == OPTION_SECONDS_OR_NULL) {
        o->document_timeout_s = 0;
        return 0;
    }
    int rc = option_read_number(value, row->name, &number, ret);
    if (rc != 0)
        return rc;
    if (row->type == OPTION_SECONDS_OR_NULL && number <= 0)
        return option_fail(ret, "greater_than", row->name, "Input should be greater than 0");
    double *field = field_of(row, o);
    if (field)
        *field = number;
    *ret_default = row->type == OPTION_NUMBER && number == strtod(row->def, NULL);
    return 0;
}

/* Members of the heading options; each that is given must have its type, and tells whether all stay at their
 * default. */
static int check_headings(const struct option_row *row, const json_t *value, bool *ret_default,
                          struct option_problem *ret)
{
    static const struct {
        const char *name;
        char type; /* b, n(umber), i */
        double def;
    } members[] = {{"enabled", 'b', 0},        {"use_bookmarks", 'b', 1},
                   {"use_numbering", 'b', 1},  {"use_style", 'b', 1},
                   {"use_font_style", 'b', 1}, {"style_size_tolerance", 'n', 0.05},
                   {"max_level", 'i', 6},      {"bookmark_match_threshold", 'n', 0.8}};
    if (!json_is_object(value))
        return option_fail(ret, "model_attributes_type", row->name,
                           "Input should be a valid dictionary or object to extract fields from");
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const json_t *member = json_object_get(value, members[i].name);
        if (!member)
            continue;
        char loc[80];
        (void)snprintf(loc, sizeof(loc), "%s.%s", row->name, members[i].name);
        double got = 0;
        int rc;
        if (members[i].type == 'b') {
            bool b = false;
            rc = option_read_bool(member, loc, &b, ret);
            got = b;
        } else if (members[i].type == 'i') {
            int64_t n = 0;
            rc = option_read_int(member, loc, &n, ret);
            got = (double)n;
        } else {
            rc = option_read_number(member, loc, &got, ret);
        }
        if (rc != 0)
            return rc;
        *ret_default = *ret_default && got == members[i].def;
    }
    const json_t *schemes = json_object_get(value, "numbering_schemes");
    if (schemes && !json_is_null(schemes)) {
        *ret_default = false;
        if (!json_is_array(schemes))
            return option_fail(ret, "list_type", "pdf_heading_hierarchy_options.numbering_schemes",
                               "Input should be a valid list");
    }
    return 0;
}

static int store_string(const struct option_row *row, struct convert_options *o, const json_t *value,
                        bool *ret_default, struct option_problem *ret)
{
    if (row->type == OPTION_STRING_OR_NULL && json_is_null(value))
        return 0;
    const char *text = "";
    int rc = option_read_string(value, row->name, &text, ret);
    if (rc != 0)
        return rc;
    if (strlen(text) > LIMIT_OPTION_BYTES)
        return option_fail(ret, "string_too_long", row->name, "String should have at most %d characters",
                           LIMIT_OPTION_BYTES);
    char **field = field_of(row, o);
    if (field)
        replace_string(field, xstrdup(text));
    *ret_default = row->type == OPTION_STRING && strcmp(text, row->def) == 0;
    return 0;
}

static int store_enum(const struct option_row *row, struct convert_options *o, const json_t *value,
                      bool *ret_default, struct option_problem *ret)
{
    int index = 0;
    int rc = option_read_enum(value, row->name, row->values, &index, ret);
    if (rc != 0)
        return rc;
    *ret_default = strcmp(row->values[index], row->def) == 0;
    if (row->offset == offsetof(struct convert_options, table_accurate))
        o->table_accurate = strcmp(row->values[index], "accurate") == 0;
    else if (row->offset != OPTION_NO_FIELD)
        *(unsigned *)field_of(row, o) = (unsigned)index;
    /* Two rows have a second meaning: our presets choose the OCR model, and pypdfium2 is the very library
     * that reads PDFs here. */
    if (strcmp(row->name, "ocr_preset") == 0 && strncmp(row->values[index], "platen-", 7) == 0) {
        o->ocr_model = strcmp(row->values[index], "platen-tiny") == 0 ? OCR_MODEL_TINY : OCR_MODEL_SMALL;
        *ret_default = true;
    } else if (strcmp(row->name, "pdf_backend") == 0 && strcmp(row->values[index], "pypdfium2") == 0) {
        *ret_default = true;
    }
    return 0;
}

int option_store(const struct option_row *row, struct convert_options *o, const json_t *value, bool append,
                 bool *ret_default, struct option_problem *ret)
{
    *ret_default = true;
    switch (row->type) {
    case OPTION_BOOL: {
        bool flag = false;
        int rc = option_read_bool(value, row->name, &flag, ret);
        if (rc != 0)
            return rc;
        bool *field = field_of(row, o);
        if (field)
            *field = flag;
        *ret_default = flag == (strcmp(row->def, "true") == 0);
        return 0;
    }
    case OPTION_ENUM: return store_enum(row, o, value, ret_default, ret);
    case OPTION_INPUT_FORMATS: return store_input_formats(row, o, value, append, ret);
    case OPTION_OUTPUT_FORMATS: return store_output_formats(row, o, value, append, ret);
    case OPTION_STRING:
    case OPTION_STRING_OR_NULL: return store_string(row, o, value, ret_default, ret);
    case OPTION_STRINGS_OR_NULL: return store_strings(row, o, value, append, ret_default, ret);
    case OPTION_NUMBER:
    case OPTION_SECONDS_OR_NULL: return store_number(row, o, value, ret_default, ret);
    case OPTION_PAGE_RANGE: return store_page_range(row, o, value, ret);
    case OPTION_OBJECT_OR_NULL:
    case OPTION_OBJECT_OR_STRING_OR_NULL:
        *ret_default = json_is_null(value);
        if (json_is_null(value) || json_is_object(value))
            return 0;
        if (json_is_string(value) && row->type == OPTION_OBJECT_OR_STRING_OR_NULL)
            return 0;
        return option_fail(ret, "dict_type", row->name, "Input should be a valid dictionary");
    case OPTION_HEADINGS: return check_headings(row, value, ret_default, ret);
    }
    return option_fail(ret, "value_error", row->name, "Value error, option has no type");
}
