/*
 * See messages.h: the single messages. Every decoder ends in decode_end, so a short, long or out-of-range
 * payload never reaches a caller.
 */
#include "ipc/messages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ipc/wire.h"

#define SIDE_MAX_PX 65535u
#define COORD_MAX_PX 200000.0f

static struct wire_writer writer(uint8_t *out)
{
    return (struct wire_writer){.bytes = out, .cap = IPC_PAYLOAD_MAX_BYTES};
}

static struct wire_reader reader(const struct ipc_frame *f)
{
    return (struct wire_reader){.bytes = f->payload, .len = f->len};
}

static size_t encode_end(const struct wire_writer *w)
{
    return w->bad ? 0 : w->len;
}

static int decode_end(const struct wire_reader *r, bool in_range, uint16_t type, struct err *err)
{
    if (!wire_end(r) || !in_range)
        return err_fail(err, ERR_FORMAT, "message %u breaks the protocol", type);
    return 0;
}

static void put_box(struct wire_writer *w, const struct ipc_box *b)
{
    wire_put_f32(w, b->left);
    wire_put_f32(w, b->top);
    wire_put_f32(w, b->right);
    wire_put_f32(w, b->bottom);
}

static bool box_is_sane(const struct ipc_box *b)
{
    return fabsf(b->left) < COORD_MAX_PX && fabsf(b->top) < COORD_MAX_PX && fabsf(b->right) < COORD_MAX_PX &&
           fabsf(b->bottom) < COORD_MAX_PX && b->left <= b->right && b->top <= b->bottom;
}

static bool take_box(struct wire_reader *r, struct ipc_box *ret)
{
    ret->left = wire_take_f32(r);
    ret->top = wire_take_f32(r);
    ret->right = wire_take_f32(r);
    ret->bottom = wire_take_f32(r);
    return box_is_sane(ret);
}

/* Copies into a fixed array, always NUL-terminated; false when it holds a NUL or does not fit. */
static bool take_text(struct wire_reader *r, char *out, size_t out_bytes)
{
    size_t len;
    const char *s = wire_take_str(r, out_bytes - 1, &len);
    if (!s || memchr(s, '\0', len))
        return false;
    memcpy(out, s, len);
    out[len] = '\0';
    return true;
}

static void put_text(struct wire_writer *w, const char *s, size_t max_bytes)
{
    wire_put_str(w, s, strnlen(s, max_bytes - 1));
}

size_t ipc_encode_page(const struct ipc_page *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->page_id);
    wire_put_u32(&w, m->width_px);
    wire_put_u32(&w, m->height_px);
    wire_put_u32(&w, m->stride_bytes);
    wire_put_u8(&w, m->format);
    wire_put_f32(&w, m->dpi);
    return encode_end(&w);
}

int ipc_decode_page(const struct ipc_frame *f, struct ipc_page *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_page m = {0};
    m.page_id = wire_take_u32(&r);
    m.width_px = wire_take_u32(&r);
    m.height_px = wire_take_u32(&r);
    m.stride_bytes = wire_take_u32(&r);
    m.format = wire_take_u8(&r);
    m.dpi = wire_take_f32(&r);
    bool ok = m.width_px >= 1 && m.width_px <= SIDE_MAX_PX && m.height_px >= 1 &&
              m.height_px <= SIDE_MAX_PX && (m.format == IPC_GREY8 || m.format == IPC_BGR24) &&
              m.stride_bytes >= m.width_px * m.format && m.stride_bytes <= SIDE_MAX_PX * 4 && m.dpi >= 0 &&
              m.dpi <= 10000;
    int rc = decode_end(&r, ok, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_page_ref(const struct ipc_page_ref *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->page_id);
    return encode_end(&w);
}

int ipc_decode_page_ref(const struct ipc_frame *f, struct ipc_page_ref *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    uint32_t page_id = wire_take_u32(&r);
    int rc = decode_end(&r, true, f->type, err);
    if (rc == 0)
        ret->page_id = page_id;
    return rc;
}

size_t ipc_encode_orientation(const struct ipc_orientation *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u16(&w, m->degrees);
    wire_put_f32(&w, m->score);
    return encode_end(&w);
}

int ipc_decode_orientation(const struct ipc_frame *f, struct ipc_orientation *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_orientation m = {0};
    m.degrees = wire_take_u16(&r);
    m.score = wire_take_f32(&r);
    int rc = decode_end(&r, m.degrees % 90 == 0 && m.degrees < 360, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_read(const struct ipc_read *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->page_id);
    wire_put_u8(&w, m->mode);
    wire_put_u8(&w, m->textline_cls);
    put_text(&w, m->lang, sizeof(m->lang));
    wire_put_u32(&w, m->region_count);
    for (uint32_t i = 0; i < m->region_count; i++)
        put_box(&w, &m->regions[i]);
    return encode_end(&w);
}

int ipc_decode_read(const struct ipc_frame *f, struct ipc_read *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_read m = {0};
    m.page_id = wire_take_u32(&r);
    m.mode = wire_take_u8(&r);
    uint8_t cls = wire_take_u8(&r);
    m.textline_cls = cls == 1;
    bool ok = m.mode < IPC_READ_MODE_COUNT && cls <= 1 && take_text(&r, m.lang, sizeof(m.lang));
    m.region_count = wire_take_count(&r, IPC_MAX_REGIONS);
    m.regions = m.region_count ? xnew_array(struct ipc_box, m.region_count) : NULL;
    for (uint32_t i = 0; i < m.region_count && !r.bad; i++)
        ok = take_box(&r, &m.regions[i]) && ok;
    int rc = decode_end(&r, ok, f->type, err);
    if (rc == 0)
        *ret = m;
    else
        ipc_read_done(&m);
    return rc;
}

void ipc_read_done(struct ipc_read *m)
{
    free(m->regions);
    m->regions = NULL;
    m->region_count = 0;
}

size_t ipc_encode_table_ask(const struct ipc_table_ask *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->page_id);
    put_box(&w, &m->box);
    return encode_end(&w);
}

int ipc_decode_table_ask(const struct ipc_frame *f, struct ipc_table_ask *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_table_ask m = {0};
    m.page_id = wire_take_u32(&r);
    bool ok = take_box(&r, &m.box);
    int rc = decode_end(&r, ok, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_progress(const struct ipc_progress *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->pages_done);
    wire_put_u32(&w, m->pages_total);
    put_text(&w, m->stage, sizeof(m->stage));
    return encode_end(&w);
}

int ipc_decode_progress(const struct ipc_frame *f, struct ipc_progress *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_progress m = {0};
    m.pages_done = wire_take_u32(&r);
    m.pages_total = wire_take_u32(&r);
    bool ok = take_text(&r, m.stage, sizeof(m.stage));
    int rc = decode_end(&r, ok, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_done(const struct ipc_done *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u8(&w, m->status);
    wire_put_u64(&w, m->output_bytes);
    wire_put_u32(&w, m->documents);
    wire_put_u32(&w, m->succeeded);
    wire_put_u32(&w, m->partial);
    wire_put_u32(&w, m->failed);
    wire_put_u32(&w, m->pages);
    put_text(&w, m->content_type, sizeof(m->content_type));
    wire_put_u32(&w, (uint32_t)-m->error_kind);
    return encode_end(&w);
}

int ipc_decode_done(const struct ipc_frame *f, struct ipc_done *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_done m = {0};
    m.status = wire_take_u8(&r);
    m.output_bytes = wire_take_u64(&r);
    m.documents = wire_take_u32(&r);
    m.succeeded = wire_take_u32(&r);
    m.partial = wire_take_u32(&r);
    m.failed = wire_take_u32(&r);
    m.pages = wire_take_u32(&r);
    bool ok = m.status < IPC_TASK_STATUS_COUNT && take_text(&r, m.content_type, sizeof(m.content_type));
    uint32_t error_kind = wire_take_u32(&r);
    int rc = decode_end(&r, ok && error_kind < ERR_KIND_COUNT, f->type, err);
    if (rc == 0) {
        m.error_kind = -(int32_t)error_kind;
        *ret = m;
    }
    return rc;
}

/* A malloced copy; NULL when it is too long, holds a NUL or is not UTF-8. */
static char *take_long_text(struct wire_reader *r, size_t max_bytes)
{
    size_t len;
    const char *s = wire_take_str(r, max_bytes, &len);
    return s && !memchr(s, '\0', len) && utf8_valid(s, len) ? xstrndup(s, len) : NULL;
}

size_t ipc_encode_job(const struct ipc_job *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    put_text(&w, m->filename, IPC_MAX_FILENAME_BYTES);
    wire_put_str(&w, m->options_json, strlen(m->options_json));
    wire_put_f32(&w, (float)m->timeout_s);
    return encode_end(&w);
}

int ipc_decode_job(const struct ipc_frame *f, struct ipc_job *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_job m = {0};
    m.filename = take_long_text(&r, IPC_MAX_FILENAME_BYTES);
    m.options_json = take_long_text(&r, IPC_MAX_OPTIONS_BYTES);
    m.timeout_s = (double)wire_take_f32(&r);
    int rc = decode_end(&r, m.filename && m.options_json && m.timeout_s >= 0, f->type, err);
    if (rc == 0)
        *ret = m;
    else
        ipc_job_done(&m);
    return rc;
}

void ipc_job_done(struct ipc_job *m)
{
    free(m->filename);
    free(m->options_json);
    *m = (struct ipc_job){0};
}

size_t ipc_encode_failure(const struct ipc_failure *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, (uint32_t)-m->kind);
    put_text(&w, m->message, sizeof(m->message));
    return encode_end(&w);
}

int ipc_decode_failure(const struct ipc_frame *f, struct ipc_failure *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_failure m = {0};
    uint32_t kind = wire_take_u32(&r);
    bool ok = kind >= 1 && kind < ERR_KIND_COUNT && take_text(&r, m.message, sizeof(m.message));
    int rc = decode_end(&r, ok, f->type, err);
    if (rc == 0) {
        m.kind = -(int32_t)kind;
        *ret = m;
    }
    return rc;
}

size_t ipc_encode_engine_stats(const struct ipc_engine_stats *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->clients);
    wire_put_u32(&w, m->pages);
    wire_put_u32(&w, m->busy);
    wire_put_u64(&w, m->inferences);
    wire_put_u64(&w, m->cpu_us);
    wire_put_u64(&w, m->rss_bytes);
    return encode_end(&w);
}

int ipc_decode_engine_stats(const struct ipc_frame *f, struct ipc_engine_stats *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_engine_stats m = {0};
    m.clients = wire_take_u32(&r);
    m.pages = wire_take_u32(&r);
    m.busy = wire_take_u32(&r);
    m.inferences = wire_take_u64(&r);
    m.cpu_us = wire_take_u64(&r);
    m.rss_bytes = wire_take_u64(&r);
    int rc = decode_end(&r, true, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_first(const struct ipc_first *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u64(&w, m->mono_us);
    return encode_end(&w);
}

int ipc_decode_first(const struct ipc_frame *f, struct ipc_first *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_first m = {.mono_us = wire_take_u64(&r)};
    int rc = decode_end(&r, m.mono_us <= INT64_MAX, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_zygote_fork(const struct ipc_zygote_fork *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->group);
    wire_put_u16(&w, m->lanes);
    return encode_end(&w);
}

int ipc_decode_zygote_fork(const struct ipc_frame *f, struct ipc_zygote_fork *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_zygote_fork m = {0};
    m.group = wire_take_u32(&r);
    m.lanes = wire_take_u16(&r);
    bool in_range = m.group != 1 && m.group <= IPC_MAX_PID && m.lanes >= 1 && m.lanes <= IPC_MAX_LANES &&
                    f->fd >= 0;
    int rc = decode_end(&r, in_range, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_zygote_child(const struct ipc_zygote_child *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->pid);
    wire_put_u64(&w, m->start_ticks);
    return encode_end(&w);
}

int ipc_decode_zygote_child(const struct ipc_frame *f, struct ipc_zygote_child *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_zygote_child m = {0};
    m.pid = wire_take_u32(&r);
    m.start_ticks = wire_take_u64(&r);
    int rc = decode_end(&r, m.pid >= 2 && m.pid <= IPC_MAX_PID && f->fd >= 0, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

size_t ipc_encode_zygote_gone(const struct ipc_zygote_gone *m, uint8_t *out)
{
    struct wire_writer w = writer(out);
    wire_put_u32(&w, m->pid);
    wire_put_u8(&w, m->signalled);
    wire_put_u8(&w, m->code);
    wire_put_u64(&w, m->peak_bytes);
    return encode_end(&w);
}

int ipc_decode_zygote_gone(const struct ipc_frame *f, struct ipc_zygote_gone *ret, struct err *err)
{
    struct wire_reader r = reader(f);
    struct ipc_zygote_gone m = {0};
    m.pid = wire_take_u32(&r);
    uint8_t signalled = wire_take_u8(&r);
    m.signalled = signalled != 0;
    m.code = wire_take_u8(&r);
    m.peak_bytes = wire_take_u64(&r);
    int rc = decode_end(&r, m.pid >= 2 && m.pid <= IPC_MAX_PID && signalled <= 1, f->type, err);
    if (rc == 0)
        *ret = m;
    return rc;
}

int ipc_send_refusal(int sock, uint32_t id, const struct err *e, struct err *err)
{
    struct ipc_failure m = {.kind = e->kind ? e->kind : ERR_BUG};
    memcpy(m.message, e->message, sizeof(m.message));
    m.message[sizeof(m.message) - 1] = '\0';
    uint8_t payload[ERR_MESSAGE_BYTES + 64];
    /* The encoder's ceiling is a whole frame; a failure always fits here. */
    struct wire_writer w = {.bytes = payload, .cap = sizeof(payload)};
    wire_put_u32(&w, (uint32_t)-m.kind);
    put_text(&w, m.message, sizeof(m.message));
    return ipc_send(sock, IPC_REFUSED, 0, id, payload, w.len, -1, err);
}
