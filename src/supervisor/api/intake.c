/* See intake.h. A file name is only ever echoed: its folder parts and control characters go here, once. */
#include "supervisor/api/intake.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/limits.h"

#define PROBLEMS_MAX 100
#define DOCLING_MAX_TIMEOUT_S 604800.0 /* 7 days */

void intake_init(struct intake *in, struct service *service, const struct settings *settings)
{
    memset(in, 0, sizeof(*in));
    in->service = service;
    in->settings = settings;
    in->problems = json_array();
    convert_options_init(&in->options);
}

static void discard_sources(struct intake *in)
{
    for (size_t i = 0; i < in->count; i++)
        intake_drop(in, i);
}

void intake_done(struct intake *in)
{
    discard_sources(in);
    for (size_t i = 0; i < in->count; i++)
        free(in->sources[i].filename);
    free(in->sources);
    json_decref(in->problems);
    convert_options_done(&in->options);
    memset(in, 0, sizeof(*in));
}

int intake_refuse(struct intake *in, int status, const char *fmt, ...)
{
    if (in->refusal_status)
        return ERR_ARG;
    in->refusal_status = status;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(in->refusal, sizeof(in->refusal), fmt, ap);
    va_end(ap);
    discard_sources(in);
    return ERR_ARG;
}

static json_t *loc_of_text(const char *loc)
{
    json_t *list = json_array();
    (void)json_array_append_new(list, json_string("body"));
    while (*loc) {
        size_t n = strcspn(loc, ".");
        bool number = n > 0 && n < 10 && strspn(loc, "0123456789") == n;
        (void)json_array_append_new(list,
                                    number ? json_integer(strtol(loc, NULL, 10)) : json_stringn(loc, n));
        loc += n;
        loc += *loc == '.';
    }
    return list;
}

static void add_problem(struct intake *in, const char *type, const char *loc, const char *msg)
{
    if (json_array_size(in->problems) <
        PROBLEMS_MAX) /* msg may hold client text: replace what is not UTF-8 */
        (void)json_array_append_new(
            in->problems, json_pack("{s:s, s:o, s:s}", "type", type, "loc", loc_of_text(loc), "msg",
                                    utf8_valid(msg, strlen(msg)) ? msg : "Input is not valid UTF-8"));
}

void intake_problem(struct intake *in, const char *type, const char *loc, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    add_problem(in, type, loc, msg);
}

void intake_option_problem(struct intake *in, const char *prefix, const struct option_problem *p)
{
    char loc[160];
    (void)snprintf(loc, sizeof(loc), "%s%s", prefix, p->loc);
    add_problem(in, p->type, loc, p->msg);
}

bool intake_ok(const struct intake *in)
{
    return in->refusal_status == 0 && json_array_size(in->problems) == 0;
}

static char *clean_filename(const char *name)
{
    for (const char *p = name; *p; p++) {
        if ((*p == '/' || *p == '\\') && p[1])
            name = p + 1;
    }
    struct buf b = BUF_INIT(LIMIT_FILENAME_BYTES + 1);
    size_t len = strlen(name);
    for (size_t i = 0; i < len && b.len + 4 <= LIMIT_FILENAME_BYTES;) {
        uint32_t c;
        size_t n = utf8_decode(name + i, len - i, &c);
        if (n == 0 || c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == '/' || c == '\\')
            c = '_';
        buf_put_utf8(&b, c);
        i += n ? n : 1;
    }
    if (b.len == 0 || strcmp(b.data, ".") == 0 || strcmp(b.data, "..") == 0) {
        buf_reset(&b);
        buf_puts(&b, "document");
    }
    return buf_take(&b);
}

int intake_open(struct intake *in, const char *filename, size_t *ret_index)
{
    if (in->refusal_status)
        return ERR_ARG;
    if ((int64_t)in->count >= in->settings->max_sources)
        return intake_refuse(in, 422, "Too many files: %zu exceeds the maximum of %lld.", in->count + 1,
                             (long long)in->settings->max_sources);
    struct err err = ERR_INIT;
    struct spool_file *spool = NULL;
    int rc = service_spool_open(in->service, &spool, &err);
    if (rc != 0)
        return intake_refuse(in, rc == ERR_LIMIT || rc == ERR_MEMORY ? 507 : err_traits(rc)->http_status,
                             "%s", err.message);
    struct intake_source *s = VEC_PUSH(in->sources, in->count, in->cap);
    s->spool = spool;
    s->filename = clean_filename(filename);
    *ret_index = in->count - 1;
    return 0;
}

int intake_write(struct intake *in, size_t index, const void *bytes, size_t len)
{
    if (in->refusal_status)
        return ERR_ARG;
    struct intake_source *s = &in->sources[index];
    if (!s->spool)
        return ERR_ARG;
    if (service_spool_bytes(s->spool) + len > (uint64_t)in->settings->max_file_bytes)
        return intake_refuse(
            in, 413, "File \"%s\" is larger than the maximum of %lld bytes (DOCLING_SERVE_MAX_FILE_SIZE).",
            s->filename, (long long)in->settings->max_file_bytes);
    struct err err = ERR_INIT;
    int rc = service_spool_write(s->spool, bytes, len, &err);
    if (rc != 0)
        return intake_refuse(in, rc == ERR_LIMIT || rc == ERR_MEMORY ? 507 : err_traits(rc)->http_status,
                             "%s", err.message);
    return 0;
}

void intake_name(struct intake *in, size_t index, const char *filename)
{
    free(in->sources[index].filename);
    in->sources[index].filename = clean_filename(filename);
}

void intake_drop(struct intake *in, size_t index)
{
    service_spool_discard(in->sources[index].spool);
    in->sources[index].spool = NULL;
}

void intake_target(struct intake *in, const char *kind, const char *problem_loc)
{
    static const char *const later[] = {"s3", "azure_blob", "google_cloud_storage", "google_drive", "put"};
    if (strcmp(kind, "inbody") == 0) {
        in->options.target_zip = false;
    } else if (strcmp(kind, "zip") == 0) {
        in->options.target_zip = true;
    } else if (strcmp(kind, "presigned_url") == 0) {
        /* Clients look for the words "artifact storage to be configured" and ask again with inbody. */
        (void)intake_refuse(in, 422, "Target presigned_url requires artifact storage to be configured.");
    } else {
        for (size_t i = 0; i < ARRAY_LEN(later); i++) {
            if (strcmp(kind, later[i]) == 0) {
                (void)intake_refuse(in, 422, "Target %s is not available yet; inbody and zip are.", kind);
                return;
            }
        }
        if (strchr(problem_loc, '_')) /* the form's enum */
            intake_problem(in, "enum", problem_loc, "Input should be 'inbody', 'zip' or 'presigned_url'");
        else
            intake_problem(in, "union_tag_invalid", problem_loc,
                           "Input tag '%.60s' found using 'kind' does not match any of the expected tags: "
                           "'inbody', 'zip', 's3', "
                           "'azure_blob', 'google_cloud_storage', 'google_drive', 'put', 'presigned_url'",
                           kind);
    }
}

void intake_finish(struct intake *in)
{
    struct option_problem p;
    double max_s = in->settings->max_document_timeout_s;
    /* Clients send docling-serve's own ceiling as their default: up to that, asking for more than ours means
     * ours. */
    if (convert_options_check(&in->options, MAX(max_s, DOCLING_MAX_TIMEOUT_S), in->settings->max_images_scale,
                              &p) != 0)
        intake_option_problem(in, "options.", &p);
    in->options.document_timeout_s = MIN(in->options.document_timeout_s, max_s);
    if (in->count > 1)
        in->options.target_zip = true; /* as docling-serve does for several documents */
}
