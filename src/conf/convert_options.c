/*
 * The table of convert options and its readers: JSON, form fields, flags. Everything docling-serve knows is
 * here, also what has no effect (yet): it is checked all the same, and named in the response when a request
 * sets it.
 */
#include "conf/convert_options.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/json_parse.h"
#include "conf/option_table.h"

const char *const option_input_formats[] = {
    "docx",  "doc",      "rtf",          "pptx",        "ppt",           "html",          "mhtml",
    "image", "pdf",      "asciidoc",     "md",          "csv",           "xlsx",          "xls",
    "odt",   "ods",      "odp",          "xml_uspto",   "xml_jats",      "xml_xbrl",      "xml_doclang",
    "dclx",  "mets_gbs", "json_docling", "audio",       "video",         "vtt",           "latex",
    "email", "epub",     "boxnote",      "iwork_pages", "iwork_keynote", "iwork_numbers", "ebcdic",
    "afp",   NULL};
const char *const option_output_formats[] = {"md",     "json",    "yaml", "html",    "html_split_page",
                                             "text",   "doctags", "vtt",  "doclang", "dclx",
                                             "chunks", "latex",   NULL};
static const char *const image_modes[] = {"placeholder", "embedded", "referenced", NULL};
static const char *const ocr_models[] = {"auto", "small", "tiny", NULL};
static const char *const ocr_presets[] = {"auto",          "platen-small", "platen-tiny", "easyocr",
                                          "kserve_v2_ocr", "nemotron-ocr", "ocrmac",      "rapidocr",
                                          "tesserocr",     "tesseract",    NULL};
static const char *const pdf_backends[] = {
    "pypdfium2", "docling_parse", "_docling_parse", "dlparse_v1", "dlparse_v2", "dlparse_v4", NULL};
static const char *const table_modes[] = {"fast", "accurate", NULL};
static const char *const pipelines[] = {"legacy", "standard", "native", "vlm", "asr", NULL};

#define AT(field) .offset = offsetof(struct convert_options, field), .effective = true
#define CHECKED .offset = OPTION_NO_FIELD, .effective = false
#define CHECKED_NULLABLE(option, kind, text)                                                                 \
    {                                                                                                        \
        .name = (option), .type = (kind), CHECKED, .def = "null", .help = (text)                             \
    }

const struct option_row option_rows[] = {
    {.name = "from_formats",
     .flag = "from",
     .type = OPTION_INPUT_FORMATS,
     AT(from_formats),
     .values = option_input_formats,
     .def = "all",
     .help = "kinds of document that may be converted; others are skipped"},
    {.name = "to_formats",
     .flag = "to",
     .type = OPTION_OUTPUT_FORMATS,
     AT(to_formats),
     .values = option_output_formats,
     .def = "md",
     .help = "forms of the result (md, json, html, text, doctags are written)"},
    {.name = "image_export_mode",
     .flag = "images",
     .type = OPTION_ENUM,
     AT(image_export_mode),
     .values = image_modes,
     .def = "placeholder",
     .help = "how pictures appear in the result"},
    {.name = "do_ocr",
     .type = OPTION_BOOL,
     AT(do_ocr),
     .def = "true",
     .help = "read text in pictures and scanned pages"},
    {.name = "force_ocr",
     .type = OPTION_BOOL,
     AT(force_ocr),
     .def = "false",
     .help = "read every page as a picture, even with a text layer"},
    {.name = "ocr_engine",
     .type = OPTION_STRING,
     CHECKED,
     .def = "auto",
     .help = "deprecated name of ocr_preset"},
    {.name = "ocr_preset",
     .type = OPTION_ENUM,
     CHECKED,
     .values = ocr_presets,
     .def = "auto",
     .help = "platen-small and platen-tiny choose the reading model; the rest is docling's"},
    {.name = "ocr_lang",
     .type = OPTION_STRINGS_OR_NULL,
     AT(ocr_lang),
     .def = "null",
     .help = "languages of the text; automatic when not given"},
    CHECKED_NULLABLE("ocr_custom_config", OPTION_OBJECT_OR_NULL, "settings of docling's OCR engines"),
    {.name = "ocr_model",
     .type = OPTION_ENUM,
     AT(ocr_model),
     .extension = true,
     .values = ocr_models,
     .def = "auto",
     .help = "reading model: auto reads with tiny and doubtful lines again with small"},
    {.name = "pdf_backend",
     .type = OPTION_ENUM,
     CHECKED,
     .values = pdf_backends,
     .def = "docling_parse",
     .help = "PDF reader; here it is always PDFium (pypdfium2)"},
    {.name = "table_mode",
     .type = OPTION_ENUM,
     AT(table_accurate),
     .values = table_modes,
     .def = "accurate",
     .help = "table recognition"},
    {.name = "table_cell_matching",
     .type = OPTION_BOOL,
     AT(table_cell_matching),
     .def = "true",
     .help = "use the document's own text for table cells"},
    {.name = "do_table_structure",
     .type = OPTION_BOOL,
     AT(do_table_structure),
     .def = "true",
     .help = "recognise rows and columns of tables"},
    {.name = "pipeline",
     .type = OPTION_ENUM,
     CHECKED,
     .values = pipelines,
     .def = "standard",
     .help = "docling's choice of pipeline"},
    {.name = "page_range",
     .flag = "pages",
     .type = OPTION_PAGE_RANGE,
     AT(page_first),
     .def = "[1, 9223372036854775807]",
     .help = "first and last page to convert"},
    {.name = "document_timeout",
     .flag = "timeout",
     .type = OPTION_SECONDS_OR_NULL,
     AT(document_timeout_s),
     .def = "null",
     .help = "seconds after which the task is ended"},
    {.name = "abort_on_error",
     .type = OPTION_BOOL,
     AT(abort_on_error),
     .def = "false",
     .help = "stop at the first document that fails"},
    {.name = "include_images",
     .type = OPTION_BOOL,
     AT(include_images),
     .def = "true",
     .help = "cut out pictures"},
    {.name = "include_page_images",
     .type = OPTION_BOOL,
     AT(include_page_images),
     .def = "false",
     .help = "pictures of whole pages"},
    {.name = "images_scale",
     .type = OPTION_NUMBER,
     AT(images_scale),
     .def = "2.0",
     .help = "resolution of pictures, in units of 72 dpi"},
    {.name = "md_page_break_placeholder",
     .type = OPTION_STRING,
     AT(md_page_break_placeholder),
     .def = "",
     .help = "Markdown between pages"},
    {.name = "md_compact_tables",
     .type = OPTION_BOOL,
     AT(md_compact_tables),
     .def = "false",
     .help = "Markdown tables without padding"},
    {.name = "password",
     .type = OPTION_STRING,
     AT(password),
     .extension = true,
     .def = "",
     .help = "opens an encrypted document"},

    {.name = "do_pdf_heading_hierarchy",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "docling's heading levels"},
    {.name = "pdf_heading_hierarchy_options",
     .type = OPTION_HEADINGS,
     CHECKED,
     .def = "{}",
     .help = "settings of docling's heading levels"},
    {.name = "do_code_enrichment",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "recognise program code"},
    {.name = "do_formula_enrichment",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "formulas as LaTeX"},
    {.name = "do_picture_classification",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "kinds of pictures"},
    {.name = "do_picture_description",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "pictures in words"},
    {.name = "do_chart_extraction",
     .type = OPTION_BOOL,
     CHECKED,
     .def = "false",
     .help = "figures of charts"},
    {.name = "picture_description_area_threshold",
     .type = OPTION_NUMBER,
     CHECKED,
     .def = "0.05",
     .help = "least picture that is described"},
    CHECKED_NULLABLE("picture_description_local", OPTION_OBJECT_OR_NULL, "model for picture descriptions"),
    CHECKED_NULLABLE("picture_description_api", OPTION_OBJECT_OR_NULL, "service for picture descriptions"),
    CHECKED_NULLABLE("picture_description_preset", OPTION_STRING_OR_NULL, "preset for picture descriptions"),
    CHECKED_NULLABLE("picture_description_custom_config", OPTION_OBJECT_OR_NULL,
                     "settings for picture descriptions"),
    CHECKED_NULLABLE("vlm_pipeline_model", OPTION_STRING_OR_NULL, "vision language model"),
    CHECKED_NULLABLE("vlm_pipeline_model_local", OPTION_OBJECT_OR_NULL, "vision language model"),
    CHECKED_NULLABLE("vlm_pipeline_model_api", OPTION_OBJECT_OR_NULL, "vision language service"),
    CHECKED_NULLABLE("vlm_pipeline_preset", OPTION_STRING_OR_NULL, "vision language preset"),
    CHECKED_NULLABLE("vlm_pipeline_custom_config", OPTION_OBJECT_OR_NULL, "vision language settings"),
    CHECKED_NULLABLE("code_formula_preset", OPTION_STRING_OR_NULL, "preset for code and formulas"),
    CHECKED_NULLABLE("code_formula_custom_config", OPTION_OBJECT_OR_NULL, "settings for code and formulas"),
    CHECKED_NULLABLE("table_structure_preset", OPTION_STRING_OR_NULL, "preset for tables"),
    CHECKED_NULLABLE("table_structure_custom_config", OPTION_OBJECT_OR_NULL, "settings for tables"),
    CHECKED_NULLABLE("layout_preset", OPTION_STRING_OR_NULL, "preset for page layout"),
    CHECKED_NULLABLE("layout_custom_config", OPTION_OBJECT_OR_NULL, "settings for page layout"),
    CHECKED_NULLABLE("picture_classification_preset", OPTION_STRING_OR_NULL, "preset for kinds of pictures"),
    CHECKED_NULLABLE("picture_classification_custom_config", OPTION_OBJECT_OR_NULL,
                     "settings for kinds of pictures"),
    CHECKED_NULLABLE("chart_extraction_preset", OPTION_STRING_OR_NULL, "preset for charts"),
    CHECKED_NULLABLE("chart_extraction_custom_config", OPTION_OBJECT_OR_NULL, "settings for charts"),
    CHECKED_NULLABLE("chunking_options", OPTION_OBJECT_OR_NULL, "settings of the chunks format"),
    CHECKED_NULLABLE("chunking_preset", OPTION_STRING_OR_NULL, "preset of the chunks format"),
};
const size_t option_row_count = ARRAY_LEN(option_rows);

void convert_options_init(struct convert_options *o)
{
    *o = (struct convert_options){
        .from_formats = (1ull << (ARRAY_LEN(option_input_formats) - 1)) - 1,
        .to_formats = OUTPUT_MD,
        .do_ocr = true,
        .ocr_lang = xstrdup(""),
        .do_table_structure = true,
        .table_cell_matching = true,
        .table_accurate = true,
        .page_first = 1,
        .page_last = INT64_MAX,
        .include_images = true,
        .images_scale = 2.0,
        .md_page_break_placeholder = xstrdup(""),
        .password = xstrdup(""),
    };
}

void convert_options_done(struct convert_options *o)
{
    free(o->ocr_lang);
    free(o->md_page_break_placeholder);
    if (o->password)
        explicit_bzero(o->password, strlen(o->password));
    free(o->password);
    for (size_t i = 0; i < o->ineffective_count; i++)
        free(o->ineffective[i]);
    free(o->ineffective);
    memset(o, 0, sizeof(*o));
}

const struct option_row *option_row_of_name(const char *name)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (strcmp(option_rows[i].name, name) == 0)
            return &option_rows[i];
    }
    return NULL;
}

void option_flag_name(const struct option_row *row, char *out, size_t out_size)
{
    (void)snprintf(out, out_size, "%s", row->flag ? row->flag : row->name);
    for (char *p = out; *p; p++) {
        if (*p == '_')
            *p = '-';
    }
}

const struct option_row *option_row_of_flag(const char *flag)
{
    for (size_t i = 0; i < option_row_count; i++) {
        char name[64];
        option_flag_name(&option_rows[i], name, sizeof(name));
        if (strcmp(name, flag) == 0)
            return &option_rows[i];
    }
    return NULL;
}

bool option_type_is_list(enum option_type type)
{
    return type == OPTION_INPUT_FORMATS || type == OPTION_OUTPUT_FORMATS || type == OPTION_STRINGS_OR_NULL;
}

static int set_row(struct convert_options *o, const struct option_row *row, const json_t *value, bool append,
                   struct option_problem *ret)
{
    bool is_default = true;
    int rc = option_store(row, o, value, append, &is_default, ret);
    if (rc != 0 || row->effective)
        return rc;
    if (is_default)
        option_forget_ineffective(o, row->name);
    else
        option_note_ineffective(o, row->name);
    return 0;
}

int convert_options_set_json(struct convert_options *o, const char *name, const json_t *value,
                             struct option_problem *ret)
{
    const struct option_row *row = option_row_of_name(name);
    return row ? set_row(o, row, value, false, ret) : ERR_NOTFOUND;
}

/* "a, b" or ["a","b"] as a JSON array; NULL when it is broken JSON or not UTF-8. */
static json_t *list_of_text(const char *text)
{
    text += strspn(text, " ");
    json_t *list = NULL;
    if (*text == '[')
        return json_parse(text, strlen(text), &list, NULL) == 0 ? list : NULL;
    list = json_array();
    while (*text) {
        size_t n = strcspn(text, ",");
        const char *start = text;
        size_t len = n;
        while (len > 0 && *start == ' ') {
            start++;
            len--;
        }
        while (len > 0 && start[len - 1] == ' ')
            len--;
        if (len > 0 && json_array_append_new(list, json_stringn(start, len)) != 0) { /* invalid UTF-8 */
            json_decref(list);
            return NULL;
        }
        text += n;
        text += *text == ',';
    }
    return list;
}

/* One form field of page_range: "[1,4]", "1,4", "1-4", or one end at a time in repeated fields. */
static int set_page_range_text(struct convert_options *o, const struct option_row *row, const char *text,
                               bool first, struct option_problem *ret)
{
    o->page_range_parts = first ? 1 : o->page_range_parts + 1;
    json_t *list = NULL;
    long long from, to;
    char rest;
    if (strchr(text, '[') || strchr(text, ',')) {
        list = list_of_text(text);
    } else if (sscanf(text, "%lld-%lld%c", &from, &to, &rest) == 2) {
        list = json_pack("[I, I]", (json_int_t)from, (json_int_t)to);
    } else if (o->page_range_parts == 1) {
        list = json_pack("[s?, I]", text, (json_int_t)INT64_MAX);
    } else if (o->page_range_parts == 2) {
        list = json_pack("[I, s?]", (json_int_t)o->page_first, text);
    } else {
        return option_fail(ret, "too_long", row->name,
                           "Tuple should have at most 2 items after validation, not %u", o->page_range_parts);
    }
    if (!list)
        return option_fail(ret, "tuple_type", row->name, "Input should be a valid tuple");
    int rc = set_row(o, row, list, false, ret);
    json_decref(list);
    return rc;
}

static json_t *value_of_text(const struct option_row *row, const char *text)
{
    bool none = *text == '\0' || strcmp(text, "null") == 0;
    json_t *value = NULL;
    switch (row->type) {
    case OPTION_INPUT_FORMATS:
    case OPTION_OUTPUT_FORMATS: return list_of_text(text);
    case OPTION_STRINGS_OR_NULL: return none ? json_null() : list_of_text(text);
    case OPTION_STRING_OR_NULL:
    case OPTION_SECONDS_OR_NULL: return none ? json_null() : json_string(text);
    case OPTION_OBJECT_OR_NULL:
    case OPTION_OBJECT_OR_STRING_OR_NULL:
    case OPTION_HEADINGS:
        if (none)
            return row->type == OPTION_HEADINGS ? json_object() : json_null();
        return json_parse(text, strlen(text), &value, NULL) == 0 ? value : json_string(text);
    case OPTION_BOOL:
    case OPTION_ENUM:
    case OPTION_STRING:
    case OPTION_NUMBER:
    case OPTION_PAGE_RANGE: break;
    }
    return json_string(text);
}

int convert_options_set_field(struct convert_options *o, const char *name, const char *text, bool first,
                              struct option_problem *ret)
{
    const struct option_row *row = option_row_of_name(name);
    if (!row)
        return ERR_NOTFOUND;
    if (row->type == OPTION_PAGE_RANGE)
        return set_page_range_text(o, row, text, first, ret);
    json_t *value = value_of_text(row, text);
    if (!value)
        return option_type_is_list(row->type)
                   ? option_fail(ret, "list_type", row->name, "Input should be a valid list")
                   : option_fail(ret, "string_unicode", row->name, "Input should be valid UTF-8");
    int rc = set_row(o, row, value, !first && option_type_is_list(row->type), ret);
    json_decref(value);
    return rc;
}

int convert_options_flag_kind(const char *flag)
{
    const struct option_row *row = option_row_of_flag(flag);
    return !row ? 0 : row->type == OPTION_BOOL ? 2 : 1;
}

int convert_options_set_flag(struct convert_options *o, const char *flag, const char *value,
                             struct option_problem *ret)
{
    const struct option_row *row = option_row_of_flag(flag);
    if (!row)
        return ERR_NOTFOUND;
    if (!value && row->type != OPTION_BOOL)
        return option_fail(ret, "missing", row->name, "Field required");
    if (row->type == OPTION_PAGE_RANGE && value[0] && value[strspn(value, "0123456789")] == '\0') {
        char both[64]; /* "3": this page only */
        (void)snprintf(both, sizeof(both), "%.24s-%.24s", value, value);
        return convert_options_set_field(o, row->name, both, true, ret);
    }
    size_t len = value ? strlen(value) : 0;
    if (row->type == OPTION_PAGE_RANGE && len > 1 && len < 24 && strspn(value, "0123456789") == len - 1 &&
        value[len - 1] == '-') {
        char start[24]; /* "3-": to the end */
        (void)snprintf(start, sizeof(start), "%.*s", (int)(len - 1), value);
        return convert_options_set_field(o, row->name, start, true, ret);
    }
    return convert_options_set_field(o, row->name, value ? value : "true", true, ret);
}

int convert_options_check(const struct convert_options *o, double max_timeout_s, double max_images_scale,
                          struct option_problem *ret)
{
    if (o->page_first < 1 || o->page_last < o->page_first)
        return option_fail(
            ret, "value_error", "page_range",
            "Value error, page range [%lld, %lld] must start at 1 or later and not end before its start",
            (long long)o->page_first, (long long)o->page_last);
    if (o->document_timeout_s > max_timeout_s)
        return option_fail(ret, "less_than_equal", "document_timeout",
                           "Input should be less than or equal to %g", max_timeout_s);
    if (o->images_scale <= 0)
        return option_fail(ret, "greater_than", "images_scale", "Input should be greater than 0");
    if (o->images_scale > max_images_scale)
        return option_fail(ret, "less_than_equal", "images_scale", "Input should be less than or equal to %g",
                           max_images_scale);
    return 0;
}

uint64_t convert_options_format_bit(const char *name)
{
    for (int i = 0; option_input_formats[i]; i++) {
        if (strcmp(option_input_formats[i], name) == 0)
            return 1ull << i;
    }
    return 0;
}
