/*
 * See source_body.h. The filter follows the JSON only as far as strings: it knows whether it is inside one,
 * and what the last whole string was. A string that is the value of a key "base64_string" is decoded into a
 * spool file, and "@N" (N: its number) stands in its place; '@' is no base64 character, so a client cannot
 * write one that passes by the filter and is mistaken for content: if it names a number by some detour, that
 * is content of its own request.
 */
#include "supervisor/api/source_body.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/json_parse.h"
#include "conf/limits.h"
#include "supervisor/api/base64.h"

#define REST_MAX_BYTES (1024 * 1024)
#define KEY "base64_string"
#define CHUNK 4096

struct upload {
    size_t source; /* index in the intake */
    bool bad, used;
    uint64_t bad_offset;
};

struct source_body {
    struct intake *in;
    bool json_type;
    struct buf rest;
    uint64_t bytes;
    /* the filter */
    bool in_string, escaped, capturing;
    char last[sizeof(KEY)]; /* the current or last string, cut */
    size_t last_len;
    bool after_key; /* last string was KEY, and only blanks and ':' have come since */
    bool colon;
    struct base64 decoder;
    bool capture_bad;
    size_t chunk_len;
    char chunk[CHUNK];
    struct upload *uploads;
    size_t count, cap;
};

struct source_body *source_body_new(struct intake *in, const char *content_type)
{
    struct source_body *b = xnew(struct source_body);
    b->in = in;
    b->rest = BUF_INIT(REST_MAX_BYTES);
    b->json_type = content_type &&
                   (strncasecmp(content_type, "application/json", 16) == 0 || strstr(content_type, "+json"));
    return b;
}

void source_body_free(struct source_body *b)
{
    if (!b)
        return;
    buf_done(&b->rest);
    free(b->uploads);
    free(b);
}

static struct upload *current(struct source_body *b)
{
    return &b->uploads[b->count - 1];
}

static void flush_chunk(struct source_body *b)
{
    uint8_t out[CHUNK / 4 * 3 + 3];
    size_t n = base64_decode(&b->decoder, b->chunk, b->chunk_len, out);
    b->chunk_len = 0;
    if (n > 0)
        (void)intake_write(b->in, current(b)->source, out, n); /* a refusal is noted in the intake */
}

static void begin_capture(struct source_body *b)
{
    size_t source;
    if (intake_open(b->in, "document", &source) != 0)
        return; /* refused: nothing more is read */
    VEC_PUSH(b->uploads, b->count, b->cap)->source = source;
    buf_printf(&b->rest, "@%zu", b->count - 1);
    memset(&b->decoder, 0, sizeof(b->decoder));
    b->capture_bad = false;
    b->capturing = true;
}

static void end_capture(struct source_body *b)
{
    flush_chunk(b);
    b->capturing = false;
    struct upload *u = current(b);
    u->bad = b->capture_bad || !base64_complete(&b->decoder);
    u->bad_offset = b->decoder.offset;
}

/* One character inside a captured string; the closing quote is handled by the caller. JSON escapes that
 * base64 can need: \/ \n \r. */
static void capture_char(struct source_body *b, char c)
{
    if (b->escaped) {
        b->escaped = false;
        if (c == 'n' || c == 'r' || c == 't')
            c = ' ';
        else if (c != '/')
            b->capture_bad = true;
    } else if (c == '\\') {
        b->escaped = true;
        return;
    }
    b->chunk[b->chunk_len++] = c;
    if (b->chunk_len == CHUNK)
        flush_chunk(b);
}

static void string_char(struct source_body *b, char c)
{
    if (c == '"' && !b->escaped) {
        if (b->capturing)
            end_capture(b);
        b->in_string = false;
        b->after_key = b->last_len == sizeof(KEY) - 1 && memcmp(b->last, KEY, sizeof(KEY) - 1) == 0;
        b->colon = false;
        buf_putc(&b->rest, c);
        return;
    }
    if (b->capturing) {
        capture_char(b, c);
        return;
    }
    b->escaped = !b->escaped && c == '\\';
    if (b->last_len < sizeof(b->last))
        b->last[b->last_len++] = c;
    buf_putc(&b->rest, c);
}

static void plain_char(struct source_body *b, char c)
{
    buf_putc(&b->rest, c);
    if (c == '"') {
        b->in_string = true;
        b->escaped = false;
        b->last_len = 0;
        if (b->after_key && b->colon)
            begin_capture(b);
        b->after_key = false;
    } else if (c == ':' && !b->colon) {
        b->colon = true;
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        b->after_key = false;
    }
}

void source_body_feed(struct source_body *b, const void *bytes, size_t len)
{
    const char *p = bytes;
    b->bytes += len;
    if (b->bytes > LIMIT_JSON_BODY_BYTES)
        (void)intake_refuse(b->in, 413,
                            "A JSON request may have at most %u bytes; send large files to /v1/convert/file.",
                            LIMIT_JSON_BODY_BYTES);
    for (size_t i = 0; i < len && !b->in->refusal_status; i++) {
        if (b->in_string)
            string_char(b, p[i]);
        else
            plain_char(b, p[i]);
    }
    if (b->rest.overflown)
        (void)intake_refuse(b->in, 413, "A JSON request may have at most %d bytes besides its documents.",
                            REST_MAX_BYTES);
}

/* ---- the parsed rest ---- */

static void read_options(struct source_body *b, const json_t *options)
{
    if (!json_is_object(options)) {
        intake_problem(b->in, "model_attributes_type", "options",
                       "Input should be a valid dictionary or object to extract fields from");
        return;
    }
    json_t *copy = json_copy((json_t *)(uintptr_t)options); /* jansson iterates over non-const values only */
    const char *name;
    json_t *value;
    json_object_foreach(copy, name, value)
    {
        struct option_problem p;
        if (convert_options_set_json(&b->in->options, name, value, &p) == ERR_ARG)
            intake_option_problem(b->in, "options.", &p);
    }
    json_decref(copy);
}

/* A base64 text that the filter did not meet, because its key was written with escapes. */
static void decode_whole(struct source_body *b, const char *text, const char *filename, const char *loc)
{
    size_t source;
    if (intake_open(b->in, filename, &source) != 0)
        return;
    struct base64 decoder = {0};
    for (size_t len = strlen(text); len > 0;) {
        uint8_t out[CHUNK / 4 * 3 + 3];
        size_t n = MIN(len, (size_t)CHUNK);
        size_t decoded = base64_decode(&decoder, text, n, out);
        if (decoded > 0 && intake_write(b->in, source, out, decoded) != 0)
            return;
        text += n;
        len -= n;
    }
    if (!base64_complete(&decoder))
        intake_problem(b->in, "value_error", loc, "Value error, not valid base64 at character %llu",
                       (unsigned long long)decoder.offset);
}

static void read_file_source(struct source_body *b, const json_t *source, size_t i)
{
    char loc[80];
    (void)snprintf(loc, sizeof(loc), "sources.%zu.file.base64_string", i);
    const json_t *content = json_object_get(source, KEY), *name = json_object_get(source, "filename");
    if (!content)
        intake_problem(b->in, "missing", loc, "Field required");
    else if (!json_is_string(content))
        intake_problem(b->in, "string_type", loc, "Input should be a valid string");
    char name_loc[80];
    (void)snprintf(name_loc, sizeof(name_loc), "sources.%zu.file.filename", i);
    if (!name)
        intake_problem(b->in, "missing", name_loc, "Field required");
    else if (!json_is_string(name))
        intake_problem(b->in, "string_type", name_loc, "Input should be a valid string");
    if (!json_is_string(content) || !json_is_string(name))
        return;
    const char *text = json_string_value(content), *filename = json_string_value(name);
    if (text[0] != '@') {
        decode_whole(b, text, filename, loc);
        return;
    }
    char *end;
    unsigned long number = strtoul(text + 1, &end, 10);
    if (*end || end == text + 1 || number >= b->count || b->uploads[number].used) {
        intake_problem(b->in, "value_error", loc, "Value error, not valid base64 at character 0");
        return;
    }
    struct upload *u = &b->uploads[number];
    u->used = true;
    intake_name(b->in, u->source, filename);
    if (u->bad)
        intake_problem(b->in, "value_error", loc, "Value error, not valid base64 at character %llu",
                       (unsigned long long)u->bad_offset);
}

static void read_source(struct source_body *b, const json_t *source, size_t i)
{
    char loc[64];
    (void)snprintf(loc, sizeof(loc), "sources.%zu", i);
    const json_t *kind = json_object_get(source, "kind");
    const char *tag = json_string_value(kind);
    if (!json_is_object(source))
        intake_problem(b->in, "model_attributes_type", loc,
                       "Input should be a valid dictionary or object to extract fields from");
    else if (!kind)
        intake_problem(b->in, "union_tag_not_found", loc, "Unable to extract tag using discriminator 'kind'");
    else if (tag && strcmp(tag, "file") == 0)
        read_file_source(b, source, i);
    else if (tag && strcmp(tag, "http") == 0)
        (void)intake_refuse(
            b->in, 422,
            "Source %zu: http sources are not available yet; send the document itself (kind \"file\").", i);
    else
        intake_problem(
            b->in, "union_tag_invalid", loc,
            "Input tag '%.60s' found using 'kind' does not match any of the expected tags: 'file', 'http'",
            tag ? tag : "");
}

static void read_sources(struct source_body *b, const json_t *sources)
{
    size_t n = json_array_size(sources);
    if (!sources)
        intake_problem(b->in, "missing", "sources", "Field required");
    else if (!json_is_array(sources))
        intake_problem(b->in, "list_type", "sources", "Input should be a valid list");
    else if (n == 0)
        intake_problem(b->in, "too_short", "sources",
                       "List should have at least 1 item after validation, not 0");
    else if ((int64_t)n > b->in->settings->max_sources)
        (void)intake_refuse(b->in, 422, "Too many files: %zu exceeds the maximum of %lld.", n,
                            (long long)b->in->settings->max_sources);
    for (size_t i = 0; i < n && !b->in->refusal_status; i++)
        read_source(b, json_array_get(sources, i), i);
}

static void read_body(struct source_body *b, const json_t *body)
{
    if (!json_is_object(body) ||
        !b->json_type) { /* FastAPI looks into JSON only when the content type says so */
        intake_problem(b->in, "model_attributes_type", "",
                       "Input should be a valid dictionary or object to extract fields from");
        return;
    }
    const json_t *options = json_object_get(body, "options"), *target = json_object_get(body, "target");
    const json_t *callbacks = json_object_get(body, "callbacks");
    if (options)
        read_options(b, options);
    read_sources(b, json_object_get(body, "sources"));
    if (target) {
        const char *kind = json_string_value(json_object_get(target, "kind"));
        if (kind)
            intake_target(b->in, kind, "target");
        else
            intake_problem(b->in, "union_tag_not_found", "target",
                           "Unable to extract tag using discriminator 'kind'");
    }
    if (json_array_size(callbacks) > 0)
        (void)intake_refuse(b->in, 422,
                            "Callbacks are not available yet; use /v1/status/poll/{task_id}?wait=.");
    else if (callbacks && !json_is_array(callbacks))
        intake_problem(b->in, "list_type", "callbacks", "Input should be a valid list");
}

void source_body_end(struct source_body *b)
{
    if (b->in->refusal_status)
        return;
    if (b->rest.len == 0) {
        intake_problem(b->in, "missing", "", "Field required");
        return;
    }
    json_t *body = NULL;
    struct err err = ERR_INIT;
    int rc = json_parse(b->rest.data, b->rest.len, &body, &err);
    if (rc != 0 && b->json_type)
        intake_problem(b->in, "json_invalid", "", "JSON decode error: %.200s", err.message);
    else
        read_body(b, body);
    json_decref(body);
    for (size_t i = 0; i < b->count; i++) { /* content that belongs to no source */
        if (!b->uploads[i].used)
            intake_drop(b->in, b->uploads[i].source);
    }
}
