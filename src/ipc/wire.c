/* See wire.h. */
#include "ipc/wire.h"

#include <math.h>
#include <string.h>

static uint8_t *room(struct wire_writer *w, size_t len)
{
    if (w->bad || len > w->cap - w->len) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->bytes + w->len;
    w->len += len;
    return p;
}

static void put_le(struct wire_writer *w, uint64_t v, size_t len)
{
    uint8_t *p = room(w, len);
    for (size_t i = 0; p && i < len; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void wire_put_u8(struct wire_writer *w, uint8_t v)
{
    put_le(w, v, 1);
}

void wire_put_u16(struct wire_writer *w, uint16_t v)
{
    put_le(w, v, 2);
}

void wire_put_u32(struct wire_writer *w, uint32_t v)
{
    put_le(w, v, 4);
}

void wire_put_u64(struct wire_writer *w, uint64_t v)
{
    put_le(w, v, 8);
}

void wire_put_f32(struct wire_writer *w, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    put_le(w, bits, 4);
}

void wire_put_str(struct wire_writer *w, const char *s, size_t len)
{
    if (len > UINT32_MAX) {
        w->bad = true;
        return;
    }
    wire_put_u32(w, (uint32_t)len);
    uint8_t *p = room(w, len);
    if (p && len)
        memcpy(p, s, len);
}

static const uint8_t *bytes_take(struct wire_reader *r, size_t len)
{
    if (r->bad || len > r->len - r->pos) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->bytes + r->pos;
    r->pos += len;
    return p;
}

static uint64_t take_le(struct wire_reader *r, size_t len)
{
    const uint8_t *p = bytes_take(r, len);
    uint64_t v = 0;
    for (size_t i = 0; p && i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t wire_take_u8(struct wire_reader *r)
{
    return (uint8_t)take_le(r, 1);
}

uint16_t wire_take_u16(struct wire_reader *r)
{
    return (uint16_t)take_le(r, 2);
}

uint32_t wire_take_u32(struct wire_reader *r)
{
    return (uint32_t)take_le(r, 4);
}

uint64_t wire_take_u64(struct wire_reader *r)
{
    return take_le(r, 8);
}

float wire_take_f32(struct wire_reader *r)
{
    uint32_t bits = (uint32_t)take_le(r, 4);
    float v;
    memcpy(&v, &bits, sizeof(v));
    if (!isfinite(v)) {
        r->bad = true;
        return 0;
    }
    return v;
}

const char *wire_take_str(struct wire_reader *r, size_t max_len, size_t *ret_len)
{
    size_t len = wire_take_u32(r);
    *ret_len = 0;
    if (len > max_len)
        r->bad = true;
    const uint8_t *p = bytes_take(r, r->bad ? 0 : len);
    if (!p)
        return NULL;
    *ret_len = len;
    return (const char *)p;
}

uint32_t wire_take_count(struct wire_reader *r, uint32_t max)
{
    uint32_t n = wire_take_u32(r);
    if (n > max) {
        r->bad = true;
        return 0;
    }
    return r->bad ? 0 : n;
}

bool wire_end(const struct wire_reader *r)
{
    return !r->bad && r->pos == r->len;
}
