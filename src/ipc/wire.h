/*
 * Reading and writing of payloads: little-endian integers, IEEE floats, strings with a 32-bit length. A
 * reader that runs past the end, or meets a count or length above the given ceiling, turns `bad` and yields
 * zeros from then on: check once at the end with wire_end().
 */
#ifndef PLATEN_IPC_WIRE_H
#define PLATEN_IPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_writer {
    uint8_t *bytes;
    size_t len, cap;
    bool bad; /* did not fit */
};

struct wire_reader {
    const uint8_t *bytes;
    size_t pos, len;
    bool bad;
};

void wire_put_u8(struct wire_writer *w, uint8_t v);
void wire_put_u16(struct wire_writer *w, uint16_t v);
void wire_put_u32(struct wire_writer *w, uint32_t v);
void wire_put_u64(struct wire_writer *w, uint64_t v);
void wire_put_f32(struct wire_writer *w, float v);
void wire_put_str(struct wire_writer *w, const char *s, size_t len);

uint8_t wire_take_u8(struct wire_reader *r);
uint16_t wire_take_u16(struct wire_reader *r);
uint32_t wire_take_u32(struct wire_reader *r);
uint64_t wire_take_u64(struct wire_reader *r);
float wire_take_f32(struct wire_reader *r); /* not finite: bad */
/* Borrowed from the payload, not NUL-terminated; NULL with *ret_len 0 when bad. */
const char *wire_take_str(struct wire_reader *r, size_t max_len, size_t *ret_len);
/* A count of items to follow; above max: bad. */
uint32_t wire_take_count(struct wire_reader *r, uint32_t max);
/* True when all was read and nothing was bad. */
bool wire_end(const struct wire_reader *r);

#endif
