/* Formats by bytes and by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "make_pdf.h"
#include "worker/reader/reader.h"

#define LITERAL(s) (s), sizeof(s) - 1

static void expect(const void *bytes, size_t len, const char *name, enum reader_format want)
{
    CLEANUP(fd_closep) int fd = make_file(bytes, len);
    off_t before = lseek(fd, 0, SEEK_CUR);
    enum reader_format f = reader_sniff(fd, name);
    if (f != want)
        fail_msg("%s: %s, not %s", name ? name : "(none)", reader_format_name(f), reader_format_name(want));
    assert_int_equal(lseek(fd, 0, SEEK_CUR), before);
}

static void bytes_decide_first(void **state UNUSED)
{
    expect(LITERAL("%PDF-1.4\n"), "x.docx", READER_PDF);
    expect(LITERAL("junk line\n%PDF-1.4\n"), NULL, READER_PDF);
    expect(LITERAL("\x89PNG\r\n\x1a\n"), "x.pdf", READER_IMAGE);
    expect(LITERAL("\xff\xd8\xff\xe0"), NULL, READER_IMAGE);
    expect(LITERAL("II*\0\x08\0\0\0"), NULL, READER_IMAGE);
    expect(LITERAL("MM\0*\0\0\0\x08"), NULL, READER_IMAGE);
    expect(LITERAL("GIF89a"), NULL, READER_IMAGE);
    expect(LITERAL("RIFF\x10\0\0\0WEBPVP8 "), NULL, READER_IMAGE);
    expect(LITERAL("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"), NULL,
           READER_IMAGE);
    expect(LITERAL("BMW is a make of car, and this is text"), "x.txt", READER_MD);
    expect(LITERAL("  <!DOCTYPE html><p>%PDF-1.4"), "x.bin", READER_HTML);
    expect(LITERAL("<?xml version='1.0'?><article/>"), "x.bin", READER_XML);
    expect(LITERAL("<?xml version='1.0'?><html xmlns='x'/>"), "x.bin", READER_HTML);
    expect(LITERAL("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), NULL, READER_OTHER);
    expect(LITERAL("{\\rtf1"), NULL, READER_OTHER);
}

static void names_decide_where_bytes_say_nothing(void **state UNUSED)
{
    expect(LITERAL("\x01\x02random"), "Report.PDF", READER_PDF);
    expect(LITERAL("\x01\x02random"), "x.png", READER_IMAGE);
    expect(LITERAL("# Title"), "x.md", READER_MD);
    expect(LITERAL("a;b"), "x.csv", READER_CSV);
    expect(LITERAL("= T"), "x.adoc", READER_ASCIIDOC);
    expect(LITERAL("\x01\x02random"), "x.bin", READER_UNKNOWN);
    expect(LITERAL("\x01\x02random"), "pdf", READER_UNKNOWN);
    expect(LITERAL("\x01\x02random"), NULL, READER_UNKNOWN);
    expect("", 0, "x.pdf", READER_PDF);
    expect("", 0, NULL, READER_UNKNOWN);
}

/* Local headers only; a sniff reads no more. */
static void add_entry(struct buf *b, const char *name, const char *content, unsigned flags)
{
    size_t len = strlen(content), name_len = strlen(name);
    unsigned char local[30] = {'P', 'K', 3, 4, 20, 0, (unsigned char)flags};
    local[18] = flags & 8 ? 0 : (unsigned char)len;
    local[26] = (unsigned char)name_len;
    buf_append(b, local, sizeof(local));
    buf_append(b, name, name_len);
    buf_append(b, content, len);
}

static void expect_zip(const char *first, const char *second, unsigned flags, const char *filename,
                       enum reader_format want)
{
    struct buf b = BUF_INIT(4096);
    add_entry(&b, first, "0123456789", flags);
    add_entry(&b, second, "x", 0);
    expect(buf_str(&b), b.len, filename, want);
    buf_done(&b);
}

static void office_files_are_told_by_their_names(void **state UNUSED)
{
    expect_zip("[Content_Types].xml", "word/document.xml", 0, "x", READER_DOCX);
    expect_zip("[Content_Types].xml", "ppt/presentation.xml", 0, "x.docx", READER_PPTX);
    expect_zip("[Content_Types].xml", "xl/workbook.xml", 0, NULL, READER_XLSX);
    expect_zip("mimetype", "content.xml", 0, "x", READER_OTHER);
    expect_zip("readme", "a", 0, "x.zip", READER_UNKNOWN);
    /* sizes after the data: the second name cannot be found, so the file's name decides */
    expect_zip("[Content_Types].xml", "word/document.xml", 8, "x.docx", READER_DOCX);
    expect_zip("[Content_Types].xml", "word/document.xml", 8, "x", READER_OTHER);
    /* a size that leads to itself or beyond the end ends the walk */
    expect(LITERAL("PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0"), "x.zip",
           READER_UNKNOWN);
    expect(LITERAL("PK\3\4"), "x.zip", READER_UNKNOWN);
}

static void names_and_types(void **state UNUSED)
{
    assert_string_equal(reader_format_name(READER_PDF), "pdf");
    assert_string_equal(reader_format_name(READER_IMAGE), "image");
    assert_string_equal(reader_format_name(READER_UNKNOWN), "unknown");
    CLEANUP(fd_closep) int png = make_file(LITERAL("\x89PNG\r\n\x1a\n"));
    assert_string_equal(reader_format_mimetype(READER_IMAGE, png), "image/png");
    assert_string_equal(reader_format_mimetype(READER_PDF, png), "application/pdf");
    CLEANUP(fd_closep) int noise = make_file(LITERAL("noise"));
    assert_string_equal(reader_format_mimetype(READER_IMAGE, noise), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_decide_first),
        cmocka_unit_test(names_decide_where_bytes_say_nothing),
        cmocka_unit_test(office_files_are_told_by_their_names),
        cmocka_unit_test(names_and_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
