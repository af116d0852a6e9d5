/* See form.h. Field bytes are counted here (LIMIT_OPTION_BYTES each), file bytes in the intake; unknown
 * fields are read and dropped. */
#include "supervisor/api/form.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "supervisor/http/multipart.h"

enum part_kind { PART_NONE, PART_FILE, PART_FIELD };

struct form {
    struct intake *in;
    struct multipart *parser;
    enum part_kind part;
    char *name;
    size_t source; /* of a PART_FILE */
    struct buf value;
    char *seen[LIMIT_FORM_PARTS]; /* field names so far: the first of a name replaces the default, later ones
                                     add */
    size_t seen_count;
    bool files_named; /* a part called "files" has come */
};

static int on_part_begin(void *ctx, const char *name, const char *filename, struct err *err)
{
    struct form *f = ctx;
    f->part = PART_NONE;
    freep(&f->name);
    f->name = xstrdup(name);
    buf_reset(&f->value);
    if (strcmp(name, "files") == 0) {
        f->files_named = true;
        if (!filename) {
            intake_problem(f->in, "value_error", "files.0",
                           "Value error, Expected UploadFile, received: <class 'str'>");
            return 0;
        }
        if (intake_open(f->in, filename, &f->source) != 0)
            return err_fail(err, ERR_ARG, "refused");
        f->part = PART_FILE;
    } else if (!filename) {
        f->part = PART_FIELD;
    }
    return 0;
}

static int on_part_data(void *ctx, const void *bytes, size_t len, struct err *err)
{
    struct form *f = ctx;
    if (f->part == PART_FILE)
        return intake_write(f->in, f->source, bytes, len) == 0 ? 0 : err_fail(err, ERR_ARG, "refused");
    if (f->part != PART_FIELD)
        return 0;
    buf_append(&f->value, bytes, len);
    if (f->value.overflown) {
        (void)intake_refuse(f->in, 413, "Form field \"%.60s\" is larger than %d bytes.", f->name,
                            LIMIT_OPTION_BYTES);
        return err_fail(err, ERR_ARG, "refused");
    }
    return 0;
}

static bool is_first(struct form *f)
{
    for (size_t i = 0; i < f->seen_count; i++) {
        if (strcmp(f->seen[i], f->name) == 0)
            return false;
    }
    if (f->seen_count < ARRAY_LEN(f->seen))
        f->seen[f->seen_count++] = xstrdup(f->name);
    return true;
}

static int on_part_end(void *ctx, struct err *err)
{
    (void)err;
    struct form *f = ctx;
    if (f->part != PART_FIELD)
        return 0;
    const char *text = buf_str(&f->value);
    struct option_problem p;
    if (strlen(text) != f->value.len)
        intake_problem(f->in, "string_type", f->name, "Input should not contain zero bytes");
    else if (strcmp(f->name, "target_type") == 0)
        intake_target(f->in, text, "target_type");
    else if (strcmp(f->name, "callbacks") == 0) {
        if (*text)
            (void)intake_refuse(f->in, 422,
                                "Callbacks are not available yet; use /v1/status/poll/{task_id}?wait=.");
    } else if (convert_options_set_field(&f->in->options, f->name, text, is_first(f), &p) == ERR_ARG)
        intake_option_problem(f->in, "", &p);
    return 0;
}

struct form *form_new(struct intake *in, const char *content_type)
{
    struct form *f = xnew(struct form);
    f->in = in;
    f->value = BUF_INIT(LIMIT_OPTION_BYTES);
    struct multipart_handler handler = {f, on_part_begin, on_part_data, on_part_end};
    struct err err = ERR_INIT;
    int rc = multipart_new(content_type, &handler, &f->parser, &err);
    if (rc == ERR_UNSUPPORTED)
        intake_problem(in, "missing", "files", "Field required");
    else if (rc != 0)
        (void)intake_refuse(in, 400, "There was an error parsing the body: %s.", err.message);
    if (rc == 0)
        return f;
    form_free(f);
    return NULL;
}

static void parse_failed(struct form *f, int rc, const struct err *err)
{
    /* A refusal of the intake has its own text, and stands. */
    (void)intake_refuse(f->in, rc == ERR_LIMIT ? 413 : 400, "There was an error parsing the body: %s.",
                        err->message);
}

void form_feed(struct form *f, const void *bytes, size_t len)
{
    struct err err = ERR_INIT;
    if (f->in->refusal_status)
        return;
    int rc = multipart_feed(f->parser, bytes, len, &err);
    if (rc != 0)
        parse_failed(f, rc, &err);
}

void form_end(struct form *f)
{
    struct err err = ERR_INIT;
    if (f->in->refusal_status)
        return;
    int rc = multipart_end(f->parser, &err);
    if (rc != 0)
        parse_failed(f, rc, &err);
    else if (!f->files_named)
        intake_problem(f->in, "missing", "files", "Field required");
}

void form_free(struct form *f)
{
    if (!f)
        return;
    multipart_free(f->parser);
    for (size_t i = 0; i < f->seen_count; i++)
        free(f->seen[i]);
    free(f->name);
    buf_done(&f->value);
    free(f);
}
