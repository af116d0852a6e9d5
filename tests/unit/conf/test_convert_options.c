#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "conf/convert_options.h"
#include "conf/json_parse.h"
#include "conf/limits.h"

static struct convert_options o;

static int set_up(void **state)
{
    (void)state;
    convert_options_init(&o);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    convert_options_done(&o);
    return 0;
}

static int set(const char *name, const char *json, struct option_problem *p)
{
    json_t *value = NULL;
    assert_int_equal(json_parse(json, strlen(json), &value, NULL), 0);
    memset(p, 0, sizeof(*p));
    int rc = convert_options_set_json(&o, name, value, p);
    json_decref(value);
    return rc;
}

static void ok(const char *name, const char *json)
{
    struct option_problem p;
    if (set(name, json, &p) != 0)
        fail_msg("%s = %s: %s %s %s", name, json, p.type, p.loc, p.msg);
}

static void bad(const char *name, const char *json, const char *type, const char *loc, const char *msg)
{
    struct option_problem p;
    assert_int_equal(set(name, json, &p), ERR_ARG);
    assert_string_equal(p.type, type);
    assert_string_equal(p.loc, loc);
    if (!strstr(p.msg, msg))
        fail_msg("%s", p.msg);
}

static bool ineffective(const char *name)
{
    for (size_t i = 0; i < o.ineffective_count; i++) {
        if (strcmp(o.ineffective[i], name) == 0)
            return true;
    }
    return false;
}

static void test_values(void **state)
{
    (void)state;
    ok("to_formats", "[\"json\",\"doctags\"]");
    assert_int_equal(o.to_formats, OUTPUT_JSON | OUTPUT_DOCTAGS);
    ok("from_formats", "[\"pdf\",\"image\"]");
    assert_true(o.from_formats == (convert_options_format_bit("pdf") | convert_options_format_bit("image")));
    ok("do_ocr", "\"off\"");
    assert_false(o.do_ocr);
    ok("do_ocr", "1");
    assert_true(o.do_ocr);
    ok("table_mode", "\"fast\"");
    assert_false(o.table_accurate);
    ok("image_export_mode", "\"referenced\"");
    assert_int_equal(o.image_export_mode, IMAGE_EXPORT_REFERENCED);
    ok("page_range", "[2, \"4\"]");
    assert_true(o.page_first == 2 && o.page_last == 4);
    ok("document_timeout", "1.5");
    assert_true(o.document_timeout_s == 1.5);
    ok("document_timeout", "null");
    assert_true(o.document_timeout_s == 0);
    ok("ocr_lang", "[\"en\",\"de\"]");
    assert_string_equal(o.ocr_lang, "en,de");
    ok("ocr_preset", "\"platen-tiny\"");
    assert_int_equal(o.ocr_model, OCR_MODEL_TINY);
    assert_int_equal(o.ineffective_count, 0);
    struct option_problem p;
    assert_int_equal(set("no_such_option", "1", &p), ERR_NOTFOUND);
    assert_int_equal(convert_options_format_bit("nonsense"), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    bad("do_ocr", "\"perhaps\"", "bool_parsing", "do_ocr", "unable to interpret");
    bad("do_ocr", "2", "bool_parsing", "do_ocr", "unable to interpret");
    bad("do_ocr", "[]", "bool_type", "do_ocr", "valid boolean");
    bad("do_ocr", "null", "bool_type", "do_ocr", "valid boolean");
    bad("to_formats", "\"md\"", "list_type", "to_formats", "valid list");
    bad("to_formats", "[\"md\",\"docx\"]", "enum", "to_formats.1", "'chunks' or 'latex'");
    bad("to_formats", "[3]", "enum", "to_formats.0", "'md', 'json'");
    bad("table_mode", "\"slow\"", "enum", "table_mode", "Input should be 'fast' or 'accurate'");
    bad("page_range", "3", "tuple_type", "page_range", "valid tuple");
    bad("page_range", "[1]", "missing", "page_range.1", "Field required");
    bad("page_range", "[1,2,3]", "too_long", "page_range", "at most 2");
    bad("page_range", "[1,\"x\"]", "int_parsing", "page_range.1", "unable to parse");
    bad("page_range", "[1.5,2]", "int_from_float", "page_range.0", "fractional");
    bad("page_range", "[1e30,2]", "int_type", "page_range.0", "valid integer");
    bad("document_timeout", "0", "greater_than", "document_timeout", "greater than 0");
    bad("document_timeout", "\"x\"", "float_parsing", "document_timeout", "unable to parse");
    bad("images_scale", "{}", "float_type", "images_scale", "valid number");
    bad("images_scale", "\"inf\"", "finite_number", "images_scale", "finite");
    bad("md_page_break_placeholder", "1", "string_type", "md_page_break_placeholder", "valid string");
    bad("ocr_custom_config", "[]", "dict_type", "ocr_custom_config", "valid dictionary");
    bad("pdf_heading_hierarchy_options", "{\"max_level\":\"x\"}", "int_parsing",
        "pdf_heading_hierarchy_options.max_level", "integer");
    bad("ocr_lang", "[1]", "string_type", "ocr_lang.0", "valid string");
    assert_true(o.do_ocr && o.to_formats == OUTPUT_MD && o.page_first == 1); /* a refusal changes nothing */
}

static void test_spanning(void **state)
{
    (void)state;
    struct option_problem p;
    assert_int_equal(convert_options_check(&o, 10, 2, &p), 0);
    ok("page_range", "[3,1]");
    assert_int_equal(convert_options_check(&o, 10, 2, &p), ERR_ARG);
    assert_string_equal(p.loc, "page_range");
    ok("page_range", "[0,1]");
    assert_int_equal(convert_options_check(&o, 10, 2, &p), ERR_ARG);
    ok("page_range", "[1,1]");
    ok("document_timeout", "11");
    assert_int_equal(convert_options_check(&o, 10, 2, &p), ERR_ARG);
    assert_string_equal(p.type, "less_than_equal");
    ok("document_timeout", "10");
    ok("images_scale", "2.5");
    assert_int_equal(convert_options_check(&o, 10, 2, &p), ERR_ARG);
    ok("images_scale", "-1");
    assert_int_equal(convert_options_check(&o, 10, 2, &p), ERR_ARG);
}

static void test_ineffective(void **state)
{
    (void)state;
    ok("pipeline", "\"standard\"");
    ok("pdf_backend", "\"docling_parse\"");
    ok("pdf_backend", "\"pypdfium2\"");
    ok("picture_description_area_threshold", "0.05");
    ok("pdf_heading_hierarchy_options", "{\"enabled\":false,\"max_level\":6,\"style_size_tolerance\":0.05}");
    ok("vlm_pipeline_preset", "null");
    ok("do_code_enrichment", "false");
    assert_int_equal(o.ineffective_count, 0);
    ok("pipeline", "\"vlm\"");
    ok("ocr_engine", "\"easyocr\"");
    ok("to_formats", "[\"md\",\"yaml\"]");
    ok("do_code_enrichment", "true");
    ok("chunking_options", "{}");
    assert_true(ineffective("pipeline") && ineffective("ocr_engine") && ineffective("to_formats=yaml"));
    assert_true(ineffective("do_code_enrichment") && ineffective("chunking_options"));
    ok("to_formats", "[\"md\"]");
    ok("pipeline", "\"standard\"");
    assert_false(ineffective("to_formats=yaml") || ineffective("pipeline"));
}

static int field(const char *name, const char *text, bool first, struct option_problem *p)
{
    memset(p, 0, sizeof(*p));
    return convert_options_set_field(&o, name, text, first, p);
}

static void test_fields(void **state)
{
    (void)state;
    struct option_problem p;
    assert_int_equal(field("to_formats", "json", true, &p), 0);
    assert_int_equal(field("to_formats", "html", false, &p), 0);
    assert_int_equal(o.to_formats, OUTPUT_JSON | OUTPUT_HTML);
    assert_int_equal(field("to_formats", "[\"md\",\"text\"]", true, &p), 0);
    assert_int_equal(o.to_formats, OUTPUT_MD | OUTPUT_TEXT);
    assert_int_equal(field("to_formats", "md, json", true, &p), 0);
    assert_int_equal(o.to_formats, OUTPUT_MD | OUTPUT_JSON);
    assert_int_equal(field("to_formats", "[\"md\"", true, &p), ERR_ARG);
    assert_int_equal(field("to_formats", "\xff", true, &p), ERR_ARG);
    assert_int_equal(field("do_ocr", "False", true, &p), 0);
    assert_false(o.do_ocr);
    assert_int_equal(field("page_range", "2", true, &p), 0);
    assert_int_equal(field("page_range", "5", false, &p), 0);
    assert_true(o.page_first == 2 && o.page_last == 5);
    assert_int_equal(field("page_range", "7", false, &p), ERR_ARG);
    assert_int_equal(field("page_range", "[1,4]", true, &p), 0);
    assert_true(o.page_first == 1 && o.page_last == 4);
    assert_int_equal(field("page_range", "2,3", true, &p), 0);
    assert_true(o.page_first == 2 && o.page_last == 3);
    assert_int_equal(field("page_range", "x", true, &p), ERR_ARG);
    assert_int_equal(field("document_timeout", "", true, &p), 0);
    assert_int_equal(field("document_timeout", "2.5", true, &p), 0);
    assert_true(o.document_timeout_s == 2.5);
    assert_int_equal(field("ocr_custom_config", "{\"a\":1}", true, &p), 0);
    assert_true(ineffective("ocr_custom_config"));
    assert_int_equal(field("ocr_custom_config", "{a", true, &p), ERR_ARG);
    assert_int_equal(field("ocr_lang", "en", true, &p), 0);
    assert_int_equal(field("ocr_lang", "de", false, &p), 0);
    assert_string_equal(o.ocr_lang, "en,de");
    assert_int_equal(field("md_page_break_placeholder", "\xc3\x28", true, &p), ERR_ARG);
    assert_int_equal(field("nothing", "1", true, &p), ERR_NOTFOUND);
}

static void test_flags(void **state)
{
    (void)state;
    struct option_problem p;
    assert_int_equal(convert_options_flag_kind("to"), 1);
    assert_int_equal(convert_options_flag_kind("force-ocr"), 2);
    assert_int_equal(convert_options_flag_kind("nothing"), 0);
    assert_int_equal(convert_options_set_flag(&o, "force-ocr", NULL, &p), 0);
    assert_true(o.force_ocr);
    assert_int_equal(convert_options_set_flag(&o, "to", "md,json", &p), 0);
    assert_int_equal(o.to_formats, OUTPUT_MD | OUTPUT_JSON);
    assert_int_equal(convert_options_set_flag(&o, "pages", "3-7", &p), 0);
    assert_true(o.page_first == 3 && o.page_last == 7);
    assert_int_equal(convert_options_set_flag(&o, "pages", "3", &p), 0);
    assert_true(o.page_first == 3 && o.page_last == 3);
    assert_int_equal(convert_options_set_flag(&o, "pages", "5-", &p), 0);
    assert_true(o.page_first == 5 && o.page_last == INT64_MAX);
    assert_int_equal(convert_options_set_flag(&o, "pages", "a-b", &p), ERR_ARG);
    assert_int_equal(convert_options_set_flag(&o, "to", NULL, &p), ERR_ARG);
}

static void test_round_trip(void **state)
{
    (void)state;
    ok("to_formats", "[\"html\",\"text\",\"yaml\"]");
    ok("from_formats", "[\"afp\"]");
    ok("ocr_lang", "[\"en\",\"de\"]");
    ok("page_range", "[2,3]");
    ok("document_timeout", "12.5");
    ok("table_mode", "\"fast\"");
    ok("ocr_model", "\"small\"");
    ok("password", "\"p\\u00e4ss\"");
    ok("images_scale", "1.5");
    o.target_zip = true;
    json_t *json = convert_options_to_json(&o);
    struct convert_options back;
    struct err err = ERR_INIT;
    if (convert_options_of_json(json, &back, &err) != 0)
        fail_msg("%s", err.message);
    json_t *again = convert_options_to_json(&back);
    assert_true(json_equal(json, again));
    assert_true(back.target_zip && back.page_first == 2 &&
                back.from_formats == convert_options_format_bit("afp"));
    assert_string_equal(back.password, "p\xc3\xa4ss");
    assert_int_equal(back.ineffective_count, 1);
    json_decref(again);
    (void)json_object_set_new(json, "bogus", json_true());
    struct convert_options untouched;
    assert_int_equal(convert_options_of_json(json, &untouched, &err), ERR_FORMAT);
    assert_non_null(strstr(err.message, "bogus"));
    json_decref(json);
    convert_options_done(&back);
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * (LIMIT_JSON_DEPTH + 1) + 1];
    json_t *value = NULL;
    struct err err;
    for (int depth = LIMIT_JSON_DEPTH; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        int rc = json_parse(text, 2 * (size_t)depth, &value, &err);
        assert_int_equal(rc, depth > LIMIT_JSON_DEPTH ? ERR_LIMIT : 0);
        if (rc == 0)
            json_decref(value);
    }
    assert_int_equal(json_parse("{\"a\":1", 6, &value, &err), ERR_FORMAT);
    assert_int_equal(json_parse("\"[[[[\"", 6, &value, &err), 0);
    json_decref(value);
}

static void test_prints(void **state)
{
    (void)state;
    void (*prints[])(FILE *) = {convert_options_print_help, convert_options_print_man,
                                convert_options_print_markdown};
    for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        prints[i](out);
        fclose(out);
        assert_non_null(strstr(text, "placeholder"));
        free(text);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_values),      T(test_refusals), T(test_spanning),
                                       T(test_ineffective), T(test_fields),   T(test_flags),
                                       T(test_round_trip),  T(test_depth),    T(test_prints)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
