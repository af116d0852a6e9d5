/*
 * The zip answer: <stem>.<ext> for each document and format, made unique, and referenced pictures below
 * <stem>_artifacts/. Names come from the client, so only their last path component without control characters
 * is used. errors.json names what failed, and is there only then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"
#include "worker/export/export.h"
#include "worker/response.h"

#define STEM_MAX_BYTES 180

static const struct {
    unsigned bit;
    const char *ext;
    void (*fn)(const struct document *d, const struct export_options *o, struct buf *b);
} formats[] = {
    {OUTPUT_MD, "md", export_markdown},          {OUTPUT_JSON, "json", export_json},
    {OUTPUT_HTML, "html", export_html},          {OUTPUT_TEXT, "txt", export_text},
    {OUTPUT_DOCTAGS, "doctags", export_doctags},
};

/* A safe, unique stem for the document's files; malloced. */
static char *make_stem(const char *filename, char *const *used, size_t used_count)
{
    const char *slash = strrchr(filename, '/'), *back = strrchr(filename, '\\');
    const char *base = MAX(slash, back) ? MAX(slash, back) + 1 : filename;
    const char *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    char stem[STEM_MAX_BYTES + 1];
    size_t n = 0;
    for (size_t i = 0; i < len && n < STEM_MAX_BYTES - 4;) {
        uint32_t cp = 0;
        size_t k = utf8_decode(base + i, len - i, &cp);
        if (k == 0 || cp < 0x20 || cp == 0x7f || strchr("<>:\"|?*", (int)(cp < 0x80 ? cp : 'a'))) {
            stem[n++] = '_';
            i += MAX(k, 1u);
            continue;
        }
        memcpy(stem + n, base + i, k);
        n += k;
        i += k;
    }
    stem[n] = '\0';
    if (n == 0 || strcmp(stem, ".") == 0 || strcmp(stem, "..") == 0)
        memcpy(stem, "document", 9);
    char *name = xstrdup(stem);
    for (int number = 2;; number++) {
        bool taken = false;
        for (size_t i = 0; i < used_count; i++)
            taken |= strcasecmp(used[i], name) == 0;
        if (!taken)
            return name;
        free(name);
        name = xasprintf("%s_%d", stem, number);
    }
}

/* Takes the bytes. */
static int add_file(zip_t *z, const char *name, char *bytes, size_t len, struct err *err)
{
    zip_source_t *s = zip_source_buffer(z, bytes, len, 1);
    if (!s) {
        free(bytes);
        return err_fail(err, ERR_MEMORY, "no memory for %s in the archive", name);
    }
    if (zip_file_add(z, name, s, ZIP_FL_ENC_UTF_8) < 0) {
        zip_source_free(s);
        return err_fail(err, ERR_IO, "adding %s to the archive: %s", name, zip_strerror(z));
    }
    return 0;
}

static int add_pictures(zip_t *z, const struct document *d, const char *folder, struct err *err)
{
    size_t number = 0;
    int rc = 0;
    for (size_t i = 0; i < d->item_count && rc == 0; i++) {
        const struct doc_item *it = &d->items[i];
        if (it->label != DOC_PICTURE)
            continue;
        char file[EXPORT_PICTURE_NAME_BYTES];
        export_picture_name(number++, file);
        if (!it->picture || !it->picture->png)
            continue;
        char *copy = try_malloc(it->picture->png_bytes + 1);
        if (!copy)
            return err_fail(err, ERR_MEMORY, "no memory for a picture of %zu bytes", it->picture->png_bytes);
        memcpy(copy, it->picture->png, it->picture->png_bytes);
        CLEANUP(freep) char *name = xasprintf("%s/%s", folder, file);
        rc = add_file(z, name, copy, it->picture->png_bytes, err);
    }
    return rc;
}

static int add_document(zip_t *z, const struct result *r, const char *stem, const struct convert_options *o,
                        struct err *err)
{
    struct export_options eo;
    CLEANUP(freep) char *folder = xasprintf("%s_artifacts", stem);
    response_export_options(o, folder, &eo);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!(o->to_formats & formats[i].bit))
            continue;
        struct buf b = BUF_INIT(LIMIT_OUTPUT_BYTES);
        formats[i].fn(r->document, &eo, &b);
        if (b.overflown) {
            buf_done(&b);
            return err_fail(err, ERR_LIMIT, "%s: the result is larger than %llu bytes", r->filename,
                            (unsigned long long)LIMIT_OUTPUT_BYTES);
        }
        CLEANUP(freep) char *name = xasprintf("%s.%s", stem, formats[i].ext);
        size_t len = b.len;
        int rc = add_file(z, name, buf_take(&b), len, err);
        if (rc != 0)
            return rc;
    }
    return eo.images == EXPORT_IMAGES_REFERENCED ? add_pictures(z, r->document, folder, err) : 0;
}

static int add_failures(zip_t *z, const struct result *results, size_t count, struct err *err)
{
    struct buf b = BUF_INIT(4u * 1024 * 1024);
    bool any = false;
    buf_puts(&b, "[");
    for (size_t i = 0; i < count; i++) {
        if (results[i].document)
            continue;
        buf_puts(&b, any ? ",{\"filename\":" : "{\"filename\":");
        buf_put_json(&b, results[i].filename, strlen(results[i].filename));
        buf_printf(&b, ",\"status\":\"%s\",\"error_message\":", result_status_name(results[i].status));
        buf_put_json(&b, results[i].error.message, strlen(results[i].error.message));
        buf_putc(&b, '}');
        any = true;
    }
    buf_puts(&b, "]\n");
    size_t len = b.len;
    if (any)
        return add_file(z, "errors.json", buf_take(&b), len, err);
    buf_done(&b);
    return 0;
}

static int fill(zip_t *z, const struct result *results, size_t count, const struct convert_options *o,
                struct err *err)
{
    char **used = xnew_array(char *, count + 1);
    int rc = 0;
    size_t n = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (!results[i].document)
            continue;
        used[n] = make_stem(results[i].filename, used, n);
        rc = add_document(z, &results[i], used[n], o, err);
        n++;
    }
    if (rc == 0)
        rc = add_failures(z, results, count, err);
    for (size_t i = 0; i < n; i++)
        free(used[i]);
    free(used);
    return rc;
}

static int copy_out(int fd, zip_source_t *src, struct err *err)
{
    if (zip_source_open(src) < 0)
        return err_fail(err, ERR_IO, "opening the finished archive: %s",
                        zip_error_strerror(zip_source_error(src)));
    char chunk[16384];
    zip_int64_t n;
    int rc = 0;
    while (rc == 0 && (n = zip_source_read(src, chunk, sizeof(chunk))) != 0)
        rc = n < 0 ? err_fail(err, ERR_IO, "reading the finished archive")
                   : fd_write_all(fd, chunk, (size_t)n, err);
    zip_source_close(src);
    return rc;
}

int response_write_zip(int fd, const struct result *results, size_t count, const struct convert_options *o,
                       struct err *err)
{
    zip_error_t ze;
    zip_error_init(&ze);
    zip_source_t *src = zip_source_buffer_create(NULL, 0, 0, &ze);
    zip_t *z = src ? zip_open_from_source(src, ZIP_TRUNCATE, &ze) : NULL;
    if (!z) {
        int rc = err_fail(err, ERR_MEMORY, "making an archive: %s", zip_error_strerror(&ze));
        zip_source_free(src);
        return rc;
    }
    zip_source_keep(src);
    int rc = fill(z, results, count, o, err);
    if (rc == 0 && zip_close(z) < 0)
        rc = err_fail(err, ERR_IO, "closing the archive: %s", zip_strerror(z));
    else if (rc != 0)
        zip_discard(z);
    if (rc == 0)
        rc = copy_out(fd, src, err);
    zip_source_free(src);
    return rc;
}
