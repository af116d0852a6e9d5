/* The options as the supervisor stores them and the worker reads them: docling's names, plus target_zip and
 * ineffective. */
#include <string.h>

#include "base/mem.h"
#include "conf/option_table.h"

static json_t *format_list(const char *const *names, uint64_t bits)
{
    json_t *list = json_array();
    for (int i = 0; names[i]; i++) {
        if (bits & (1ull << i))
            (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

/* The bits of enum output_format in the order of the table's list. */
static uint64_t output_list_bits(unsigned to_formats)
{
    static const struct {
        const char *name;
        unsigned bit;
    } map[] = {{"md", OUTPUT_MD},
               {"json", OUTPUT_JSON},
               {"html", OUTPUT_HTML},
               {"text", OUTPUT_TEXT},
               {"doctags", OUTPUT_DOCTAGS}};
    uint64_t bits = 0;
    for (size_t k = 0; k < ARRAY_LEN(map); k++) {
        for (int i = 0; (to_formats & map[k].bit) && option_output_formats[i]; i++) {
            if (strcmp(option_output_formats[i], map[k].name) == 0)
                bits |= 1ull << i;
        }
    }
    return bits;
}

static json_t *row_to_json(const struct option_row *row, const struct convert_options *o)
{
    const void *field = (const char *)o + row->offset;
    switch (row->type) {
    case OPTION_BOOL: return json_boolean(*(const bool *)field);
    case OPTION_ENUM:
        if (row->offset == offsetof(struct convert_options, table_accurate))
            return json_string(o->table_accurate ? "accurate" : "fast");
        return json_string(row->values[*(const unsigned *)field]);
    case OPTION_INPUT_FORMATS: return format_list(row->values, o->from_formats);
    case OPTION_OUTPUT_FORMATS: return format_list(row->values, output_list_bits(o->to_formats));
    case OPTION_STRING:
    case OPTION_STRING_OR_NULL: return json_string(*(char *const *)field);
    case OPTION_STRINGS_OR_NULL: {
        json_t *list = json_array();
        for (const char *p = *(char *const *)field; *p;) {
            size_t n = strcspn(p, ",");
            (void)json_array_append_new(list, json_stringn(p, n));
            p += n;
            p += *p == ',';
        }
        return list;
    }
    case OPTION_NUMBER: return json_real(*(const double *)field);
    case OPTION_SECONDS_OR_NULL:
        return *(const double *)field > 0 ? json_real(*(const double *)field) : json_null();
    case OPTION_PAGE_RANGE: return json_pack("[I, I]", (json_int_t)o->page_first, (json_int_t)o->page_last);
    case OPTION_OBJECT_OR_NULL:
    case OPTION_OBJECT_OR_STRING_OR_NULL:
    case OPTION_HEADINGS: break;
    }
    return json_null();
}

json_t *convert_options_to_json(const struct convert_options *o)
{
    json_t *json = json_object();
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].offset != OPTION_NO_FIELD)
            (void)json_object_set_new(json, option_rows[i].name, row_to_json(&option_rows[i], o));
    }
    (void)json_object_set_new(json, "target_zip", json_boolean(o->target_zip));
    json_t *names = json_array();
    for (size_t i = 0; i < o->ineffective_count; i++)
        (void)json_array_append_new(names, json_string(o->ineffective[i]));
    (void)json_object_set_new(json, "ineffective", names);
    return json;
}

static int read_member(struct convert_options *o, const char *name, const json_t *value, struct err *err)
{
    if (strcmp(name, "target_zip") == 0) {
        o->target_zip = json_is_true(value);
        return 0;
    }
    if (strcmp(name, "ineffective") == 0) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const char *text = json_string_value(json_array_get(value, i));
            if (!text)
                return err_fail(err, ERR_FORMAT, "options: ineffective is not a list of names");
            option_note_ineffective(o, text);
        }
        return 0;
    }
    struct option_problem problem = {0};
    int rc = convert_options_set_json(o, name, value, &problem);
    if (rc == ERR_NOTFOUND)
        return err_fail(err, ERR_FORMAT, "options: unknown name \"%.60s\"", name);
    if (rc != 0)
        return err_fail(err, ERR_FORMAT, "options: %s: %s", problem.loc, problem.msg);
    return 0;
}

int convert_options_of_json(const json_t *json, struct convert_options *ret, struct err *err)
{
    if (!json_is_object(json))
        return err_fail(err, ERR_FORMAT, "options are not an object");
    struct convert_options o;
    convert_options_init(&o);
    /* The object's members are not const to jansson's iterator, which changes nothing. */
    json_t *object = json_copy((json_t *)(uintptr_t)json);
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach(object, name, value)
    {
        if ((rc = read_member(&o, name, value, err)) != 0)
            break;
    }
    json_decref(object);
    if (rc != 0) {
        convert_options_done(&o);
        return rc;
    }
    *ret = o;
    return 0;
}
