/*
 * Builds one document that has something of everything, hostile strings too, and writes it in every format
 * into the folder named on the command line. test_export.py compares the files with the golden ones and with
 * what docling-core makes of our JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/export/export.h"

/* A red pixel. */
static const uint8_t png[] = {0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                              'I',  'H',  'D',  'R',  0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01,
                              0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00,
                              0x0c, 'I',  'D',  'A',  'T',  0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00,
                              0x00, 0x03, 0x01, 0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00,
                              0x00, 'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};

static int put(struct document *d, int parent, enum doc_label label, int page, float top, const char *text)
{
    int i = document_add(d, parent, label, text);
    if (page)
        document_add_prov(d, i, page, (struct doc_box){72.125f, top, 523.5f, top + 14.25f});
    return i;
}

static int put_item(struct document *d, int list, const char *marker, bool enumerated, float top,
                    const char *text)
{
    int i = put(d, list, DOC_LIST_ITEM, 1, top, text);
    document_set_marker(d, i, marker, enumerated);
    return i;
}

static void put_runs(struct document *d, int parent, float top)
{
    int group = document_add(d, parent, DOC_GROUP_INLINE, NULL);
    (void)put(d, group, DOC_TEXT, 1, top, "plain,");
    int run = put(d, group, DOC_TEXT, 1, top, "bold & <b>");
    document_item(d, run)->format.bold = true;
    run = put(d, group, DOC_TEXT, 1, top + 1, "all of it");
    document_item(d, run)->format = (struct doc_format){
        .bold = true, .italic = true, .underline = true, .strikethrough = true};
    run = put(d, group, DOC_TEXT, 1, top, "2");
    document_item(d, run)->format.superscript = true;
    run = put(d, group, DOC_TEXT, 1, top, "link_with (brackets)");
    document_set_link(d, run, "https://example.org/a_b(c)?x=1&lt;=2");
    (void)put(d, group, DOC_CODE, 1, top, "code `tick` <x>");
    (void)put(d, group, DOC_FORMULA, 1, top, "a_1 < b");
}

static void page_one(struct document *d)
{
    (void)put(d, DOC_BODY, DOC_PAGE_HEADER, 1, 20, "Confidential header");
    (void)put(d, DOC_BODY, DOC_TITLE, 1, 60, "A title\nin two lines & <more>");
    (void)put(d, DOC_BODY, DOC_SECTION_HEADER, 1, 90, "snake_case heading");
    int deep = put(d, DOC_BODY, DOC_SECTION_HEADER, 1, 100, "Level nine");
    document_item(d, deep)->level = 9;
    (void)put(d, DOC_BODY, DOC_TEXT, 1, 120, "One line\nand the next\n\nnew paragraph\n\n\nthree newlines.");
    (void)put(d, DOC_BODY, DOC_TEXT, 1, 140,
              "Hostile: </script><script>alert(1)</script> \"quotes\" 'single' & &amp; | pipe "
              "![i_m](a_b_c.png) d_e \\_f `b` *s* #h");
    (void)put(d, DOC_BODY, DOC_TEXT, 1, 150,
              "Broken: [\xff\xfe] [\xc3] [\xed\xa0\x80] [\xf4\x90\x80\x80] ctrl[\x01\x08\x0b\x1b[31m\x7f] "
              "nel[\xc2\x85] nonchar[\xef\xbf\xbf]");
    (void)put(d, DOC_BODY, DOC_TEXT, 1, 160,
              "Unicode: \u00fcn\u00efc\u00f6d\u00e9 \u65e5\u672c\u8a9e \u05e2\u05d1\u05e8\u05d9\u05ea "
              "\U0001F600 \u2028 end");
    (void)put(d, DOC_BODY, DOC_TEXT, 1, 170, "");
    int bad = put(d, DOC_BODY, DOC_TEXT, 1, 175, "active link");
    document_set_link(d, bad, " java\tscript:alert(1)");
    int bold = put(d, DOC_BODY, DOC_TEXT, 1, 180, "bold_paragraph");
    document_item(d, bold)->format = (struct doc_format){.bold = true, .strikethrough = true};
    put_runs(d, DOC_BODY, 185);
    int holder = put(d, DOC_BODY, DOC_TEXT, 1, 190, "");
    put_runs(d, holder, 190);
    int heading = put(d, DOC_BODY, DOC_SECTION_HEADER, 1, 200, "");
    put_runs(d, heading, 200);
    (void)put(d, DOC_BODY, DOC_CHECKBOX_SELECTED, 1, 210, "done_it");
    (void)put(d, DOC_BODY, DOC_CHECKBOX_UNSELECTED, 1, 220, "not <yet>");
}

static void lists(struct document *d)
{
    int list = document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL);
    (void)put_item(d, list, NULL, false, 230, "no marker");
    (void)put_item(d, list, "\u2022", false, 240, "bullet_one\nsecond line");
    int outer = put_item(d, list, "a)", false, 250, "lettered");
    int nested = document_add(d, outer, DOC_GROUP_LIST, NULL);
    (void)put_item(d, nested, "1.", true, 260, "first");
    int second = put_item(d, nested, "2.", true, 270, "second & <last>");
    int third = document_add(d, second, DOC_GROUP_LIST, "inner");
    (void)put_item(d, third, "*", false, 280, "deepest");
    int runs = put_item(d, list, "\\'\"", false, 290, "");
    put_runs(d, runs, 290);
    int numbered = document_add(d, DOC_BODY, DOC_GROUP_LIST, "list");
    (void)put_item(d, numbered, NULL, true, 300, "counted one");
    (void)put_item(d, numbered, NULL, true, 310, "counted two");
    (void)put(d, numbered, DOC_TEXT, 1, 315, "a paragraph in the list");
    (void)put_item(d, numbered, "\u2460", true, 320, "circled");
    (void)document_add(d, DOC_BODY, DOC_GROUP_LIST, NULL); /* empty */
}

static void tables(struct document *d)
{
    int table = put(d, DOC_BODY, DOC_TABLE, 1, 400, NULL);
    struct doc_table *t = document_make_table(d, table, 5, 4);
    struct {
        int row, col, rows, cols;
        bool column, line;
        const char *text;
    } cells[] = {{0, 0, 2, 1, true, false, "Name | pipe"},
                 {0, 1, 1, 2, true, false, "Both years"},
                 {0, 3, 2, 1, true, false, "Note"},
                 {1, 1, 1, 1, true, false, "2024"},
                 {1, 2, 1, 1, true, false, "2025"},
                 {2, 0, 1, 1, false, true, "first\nrow"},
                 {2, 1, 1, 1, false, false, "1,234"},
                 {2, 2, 1, 1, false, false, " 12.5 "},
                 {2, 3, 3, 1, false, false, "R&D <b> 'q' \"d\" snake_case"},
                 {3, 0, 1, 1, false, true, "\u05e2\u05d1\u05e8\u05d9\u05ea"},
                 {3, 1, 2, 2, false, false, "42"}};
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        struct doc_cell *c = doc_table_add_cell(t, cells[i].row, cells[i].col, cells[i].rows, cells[i].cols,
                                                cells[i].text);
        c->column_header = cells[i].column;
        c->row_header = cells[i].line;
        c->has_box = i == 0;
        c->box = (struct doc_box){72, 400, 200, 410};
    }
    (void)put(d, table, DOC_CAPTION, 1, 380, "Table 1: caption_one & <two>");
    (void)put(d, table, DOC_CAPTION, 1, 385, "and a second caption");
    (void)put(d, table, DOC_FOOTNOTE, 1, 420, "A note below the table");
    int plain = put(d, DOC_BODY, DOC_TABLE, 1, 430, NULL);
    t = document_make_table(d, plain, 0, 0);
    (void)doc_table_add_cell(t, 0, 0, 1, 1, "only a header");
    (void)doc_table_add_cell(t, 0, 1, 1, 1, "");
    int late = put(d, DOC_BODY, DOC_TABLE, 1, 440, NULL);
    t = document_make_table(d, late, 3, 2);
    (void)doc_table_add_cell(t, 0, 0, 1, 1, "before");
    doc_table_add_cell(t, 1, 0, 1, 1, "flag later")->column_header = true;
    (void)doc_table_add_cell(t, 2, 1, 1, 1, "-3e2");
    int empty = put(d, DOC_BODY, DOC_TABLE, 1, 450, NULL);
    (void)document_make_table(d, empty, 0, 0);
}

static void page_two(struct document *d)
{
    (void)put(d, DOC_BODY, DOC_PAGE_FOOTER, 1, 800, "Page 1");
    int picture = put(d, DOC_BODY, DOC_PICTURE, 2, 40, NULL);
    document_set_picture(d, picture, png, sizeof(png), 1, 1, 144);
    (void)put(d, picture, DOC_CAPTION, 2, 60, "Figure 1: a_red <pixel>");
    (void)put(d, picture, DOC_TEXT, 2, 50, "text inside the picture");
    int bare = put(d, DOC_BODY, DOC_PICTURE, 2, 80, NULL);
    (void)bare;
    int code = put(d, DOC_BODY, DOC_CODE, 2, 100,
                   "int main(void)\n{\n    return a_b < c && 1; // ``` fence\n}");
    document_set_code_language(d, code, "C");
    (void)put(d, code, DOC_CAPTION, 2, 110, "Listing 1");
    (void)put(d, DOC_BODY, DOC_FORMULA, 2, 120, "E = m c^2 < \\infty");
    int raw = put(d, DOC_BODY, DOC_FORMULA, 2, 130, "");
    document_set_orig(d, raw, "x = garbled");
    (void)put(d, DOC_BODY, DOC_FOOTNOTE, 2, 140, "1 A footnote");
    (void)put(d, DOC_BODY, DOC_REFERENCE, 2, 150, "[1] A reference");
    (void)put(d, DOC_BODY, DOC_CAPTION, 2, 160, "A caption of nothing");
    int two = put(d, DOC_BODY, DOC_TEXT, 2, 170, "Outside the page, and on two pages");
    document_add_prov(d, two, 4, (struct doc_box){-50, -1, 9000, 9000});
    document_add_prov(d, two, 99, (struct doc_box){0, 0, 1, 1}); /* there is no such page */
    int section = document_add(d, DOC_BODY, DOC_GROUP_SECTION, "slide <4>");
    (void)put(d, section, DOC_TEXT, 2, 180, "in a group");
    (void)put(d, section, DOC_TEXT, 4, 30, "in a group on page 4");
    (void)put(d, DOC_BODY, DOC_TEXT, 0, 0, "without a place");
}

static void write_file(const char *folder, const char *name, const struct buf *b)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || b->overflown || fwrite(b->data, 1, b->len, f) != b->len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: make_document FOLDER\n");
        return 2;
    }
    CLEANUP(document_freep)
    struct document *d = document_new("up/R&D \"report\" <1>.final.pdf", "application/pdf");
    d->binary_hash = 18446744073709551615u;
    (void)document_add_page(d, 1, 595.32f, 841.92f);
    (void)document_add_page(d, 2, 595.32f, 841.92f);
    (void)document_add_page(d, 4, 720, 540);
    document_set_page_image(d, 4, png, sizeof(png), 1, 1, 72);
    page_one(d);
    lists(d);
    tables(d);
    page_two(d);
    static const struct {
        const char *name;
        void (*export)(const struct document *, const struct export_options *, struct buf *);
        struct export_options o;
    } outputs[] = {
        {"document.json", export_json, {.images = EXPORT_IMAGES_EMBEDDED}},
        {"placeholder.json", export_json, {.images = EXPORT_IMAGES_PLACEHOLDER}},
        {"referenced.json", export_json, {.images = EXPORT_IMAGES_REFERENCED, .image_folder = "art facts"}},
        {"document.md", export_markdown, {.images = EXPORT_IMAGES_PLACEHOLDER}},
        {"embedded.md", export_markdown, {.images = EXPORT_IMAGES_EMBEDDED, .page_break = "<!-- page -->"}},
        {"referenced.md",
         export_markdown,
         {.images = EXPORT_IMAGES_REFERENCED, .image_folder = "art facts", .compact_tables = true}},
        {"document.html", export_html, {.images = EXPORT_IMAGES_PLACEHOLDER}},
        {"embedded.html", export_html, {.images = EXPORT_IMAGES_EMBEDDED}},
        {"document.txt", export_text, {.images = EXPORT_IMAGES_PLACEHOLDER}},
        {"document.doctags", export_doctags, {.images = EXPORT_IMAGES_PLACEHOLDER}},
    };
    for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
        struct buf b = BUF_INIT(64u * 1024 * 1024);
        outputs[i].export(d, &outputs[i].o, &b);
        write_file(argv[1], outputs[i].name, &b);
        buf_done(&b);
    }
    return 0;
}
