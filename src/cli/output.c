/*
 * See output.h. An output file is written beside its place and renamed, so that a reader never meets half a
 * file. Pictures in `referenced` mode arrive inside a zip, everything else inside the JSON response.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "cli/unzip.h"

#define RESULT_MAX_BYTES ((size_t)2 << 30)

static const struct format {
    unsigned bit;
    const char *member;
    const char *ending;
} formats[] = {
    {OUTPUT_MD, "md_content", "md"},
    {OUTPUT_JSON, "json_content", "json"},
    {OUTPUT_HTML, "html_content", "html"},
    {OUTPUT_TEXT, "text_content", "txt"},
    {OUTPUT_DOCTAGS, "doctags_content", "doctags"},
};

static char *output_path(const struct convert_args *a, const struct input *in, const struct format *f)
{
    return xasprintf("%s/%s.%s", a->output_dir, in->relative, f->ending);
}

bool output_exists(const struct convert_args *a, const struct input *in)
{
    bool all = a->output_dir != NULL;
    for (size_t i = 0; i < ARRAY_LEN(formats) && all; i++) {
        if (!(a->options.to_formats & formats[i].bit))
            continue;
        char *path = output_path(a, in, &formats[i]);
        all = access(path, F_OK) == 0;
        free(path);
    }
    return all;
}

static int write_file(const char *path, const char *bytes, size_t len, struct err *err)
{
    char *folder = xstrdup(path);
    *strrchr(folder, '/') = '\0';
    int rc = dir_make_path(*folder ? folder : "/", 0777, err);
    free(folder);
    if (rc < 0)
        return rc;
    char *part = xasprintf("%s.part-%d", path, (int)getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    rc = fd < 0 ? err_errno(err, "%s", part) : fd_write_all(fd, bytes, len, err);
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = err_errno(err, "%s", part);
    if (rc == 0 && rename(part, path) < 0)
        rc = err_errno(err, "%s", path);
    if (rc < 0 && fd >= 0)
        (void)unlink(part);
    free(part);
    return rc;
}

static int write_format(const struct convert_args *a, const struct input *in, const struct format *f,
                        const json_t *content, struct err *err)
{
    /* 15 digits give back every number as the service wrote it. */
    char *dumped = json_is_object(content) ? json_dumps(content, JSON_REAL_PRECISION(15) | JSON_INDENT(2))
                                           : NULL;
    const char *text = dumped ? dumped : json_string_value(content);
    if (!text)
        return err_fail(err, ERR_BUG, "%s: the result holds no %s", in->path, f->member);
    int rc;
    size_t len = strlen(text);
    if (a->output_dir) {
        char *path = output_path(a, in, f);
        rc = write_file(path, text, len, err);
        free(path);
    } else {
        rc = fd_write_all(STDOUT_FILENO, text, len, err);
        if (rc == 0 && len > 0 && text[len - 1] != '\n')
            rc = fd_write_all(STDOUT_FILENO, "\n", 1, err);
        if (rc < 0)
            (void)err_wrap(err, "standard output");
    }
    free(dumped);
    return rc;
}

static void collect_errors(const json_t *errors, struct output_result *ret)
{
    struct buf b = BUF_INIT(1 << 20);
    size_t i;
    json_t *e;
    json_array_foreach(errors, i, e)
    {
        const char *message = json_string_value(json_object_get(e, "error_message"));
        const char *category = json_string_value(json_object_get(e, "category"));
        json_int_t page = json_integer_value(json_object_get(e, "page_no"));
        if (i == 0 && category)
            (void)snprintf(ret->category, sizeof(ret->category), "%s", category);
        if (b.len)
            buf_putc(&b, '\n');
        if (page > 0 && message && !strstr(message, "page"))
            buf_printf(&b, "page %lld: ", (long long)page);
        buf_puts(&b, message ? message : "no message");
    }
    free(ret->message);
    ret->message = buf_take(&b);
}

static int read_response(int fd, json_t **ret, struct err *err)
{
    struct buf b = BUF_INIT(RESULT_MAX_BYTES);
    int rc = fd_read_all(fd, &b, err);
    json_error_t je;
    if (rc == 0) {
        *ret = json_loadb(buf_str(&b), b.len, 0, &je);
        if (!*ret)
            rc = err_fail(err, ERR_BUG, "the result is not JSON: %s", je.text);
    }
    buf_done(&b);
    return rc;
}

struct zip_target {
    const struct convert_args *args;
    const struct input *in;
    size_t documents; /* entries that are a format of the document, not a picture */
};

/* "<stem>.md" gets the name that the other modes give it; pictures keep theirs, beside it, since the text
 * refers to them. */
static int put_zip_entry(void *ctx, const char *name, const char *bytes, size_t len, struct err *err)
{
    struct zip_target *t = ctx;
    const char *dot = strrchr(name, '.');
    char *path = NULL;
    for (size_t i = 0; i < ARRAY_LEN(formats) && dot && !strchr(name, '/') && !path; i++) {
        if (strcmp(dot + 1, formats[i].ending) == 0 && (t->args->options.to_formats & formats[i].bit))
            path = output_path(t->args, t->in, &formats[i]);
    }
    t->documents += path != NULL;
    if (!path) {
        const char *slash = strrchr(t->in->relative, '/');
        int folder = slash ? (int)(slash - t->in->relative) + 1 : 0;
        path = xasprintf("%s/%.*s%s", t->args->output_dir, folder, t->in->relative, name);
    }
    int rc = write_file(path, bytes, len, err);
    free(path);
    return rc;
}

int output_write_zip(const struct convert_args *a, const struct input *in, int result_fd,
                     struct output_result *ret, struct err *err)
{
    struct zip_target t = {a, in, 0};
    ret->message = xstrdup("");
    int rc = unzip_fd(result_fd, put_zip_entry, &t, err);
    (void)snprintf(ret->status, sizeof(ret->status), "%s",
                   rc == 0 && t.documents > 0 ? "success" : "failure");
    return rc;
}

int output_write(const struct convert_args *a, const struct input *in, int result_fd,
                 struct output_result *ret, struct err *err)
{
    json_t *response = NULL;
    int rc = read_response(result_fd, &response, err);
    if (rc < 0)
        return rc;
    const char *status = json_string_value(json_object_get(response, "status"));
    (void)snprintf(ret->status, sizeof(ret->status), "%s", status ? status : "failure");
    ret->seconds = json_number_value(json_object_get(response, "processing_time"));
    collect_errors(json_object_get(response, "errors"), ret);
    bool has_content = strcmp(ret->status, "success") == 0 || strcmp(ret->status, "partial_success") == 0;
    const json_t *document = json_object_get(response, "document");
    for (size_t i = 0; i < ARRAY_LEN(formats) && has_content && rc == 0; i++) {
        if (a->options.to_formats & formats[i].bit)
            rc = write_format(a, in, &formats[i], json_object_get(document, formats[i].member), err);
    }
    json_decref(response);
    return rc;
}

void output_result_done(struct output_result *r)
{
    free(r->message);
    *r = (struct output_result){0};
}
