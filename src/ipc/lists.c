/*
 * See messages.h: replies that are lists. A list travels in frames of at most IPC_PAYLOAD_MAX_BYTES; each
 * frame says how many items it holds, and the receiver caps the sum.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ipc/messages.h"
#include "ipc/wire.h"

#define COORD_MAX_PX 200000.0f
#define COUNT_BYTES 4

/* Writes item i; the frame is cut before an item that no longer fits. */
typedef void put_item_fn(struct wire_writer *w, const void *list, size_t i);

struct list_sender {
    int sock;
    uint32_t id;
    const void *list;
    size_t count;
    put_item_fn *put_item;
    const uint8_t *head; /* in front of the count, in every frame */
    size_t head_len;
};

static int send_list(const struct list_sender *s, struct err *err)
{
    uint8_t *payload = xmalloc(IPC_PAYLOAD_MAX_BYTES);
    size_t next = 0;
    int rc = 0;
    do {
        struct wire_writer w = {.bytes = payload, .cap = IPC_PAYLOAD_MAX_BYTES};
        memcpy(payload, s->head, s->head_len);
        w.len = s->head_len + COUNT_BYTES;
        size_t first = next;
        while (next < s->count) {
            size_t before = w.len;
            s->put_item(&w, s->list, next);
            if (w.bad) {
                w.len = before;
                break;
            }
            next++;
        }
        struct wire_writer count = {.bytes = payload + s->head_len, .cap = COUNT_BYTES};
        wire_put_u32(&count, (uint32_t)(next - first));
        if (next == first && next < s->count) {
            rc = err_fail(err, ERR_BUG, "item %zu does not fit into a frame", next);
            break;
        }
        rc = ipc_send(s->sock, IPC_REPLY, next < s->count ? IPC_FLAG_MORE : 0, s->id, payload, w.len, -1,
                      err);
    } while (rc == 0 && next < s->count);
    free(payload);
    return rc;
}

static bool coord_is_sane(float v)
{
    return fabsf(v) < COORD_MAX_PX;
}

static void put_box(struct wire_writer *w, const struct ipc_box *b)
{
    wire_put_f32(w, b->left);
    wire_put_f32(w, b->top);
    wire_put_f32(w, b->right);
    wire_put_f32(w, b->bottom);
}

static bool take_box(struct wire_reader *r, struct ipc_box *ret)
{
    ret->left = wire_take_f32(r);
    ret->top = wire_take_f32(r);
    ret->right = wire_take_f32(r);
    ret->bottom = wire_take_f32(r);
    return coord_is_sane(ret->left) && coord_is_sane(ret->top) && coord_is_sane(ret->right) &&
           coord_is_sane(ret->bottom) && ret->left <= ret->right && ret->top <= ret->bottom;
}

static int bad_list(const struct ipc_frame *f, struct err *err)
{
    return err_fail(err, ERR_FORMAT, "reply %u breaks the protocol", f->id);
}

/* ---- lines ---- */

static void put_line(struct wire_writer *w, const void *list, size_t i)
{
    const struct ipc_line *l = &((const struct ipc_lines *)list)->items[i];
    for (size_t k = 0; k < ARRAY_LEN(l->quad); k++)
        wire_put_f32(w, l->quad[k]);
    wire_put_f32(w, l->score);
    wire_put_str(w, l->text, strnlen(l->text, IPC_MAX_LINE_BYTES));
}

int ipc_send_lines(int sock, uint32_t id, const struct ipc_lines *lines, struct err *err)
{
    struct list_sender s = {sock, id, lines, lines->count, put_line, (const uint8_t *)"", 0};
    return send_list(&s, err);
}

static bool take_line(struct wire_reader *r, struct ipc_line *ret)
{
    bool ok = true;
    for (size_t k = 0; k < ARRAY_LEN(ret->quad); k++) {
        ret->quad[k] = wire_take_f32(r);
        ok = ok && coord_is_sane(ret->quad[k]);
    }
    ret->score = wire_take_f32(r);
    size_t len;
    const char *s = wire_take_str(r, IPC_MAX_LINE_BYTES, &len);
    ok = ok && s && !r->bad && ret->score >= 0 && ret->score <= 1.001f && utf8_valid(s, len) &&
         !memchr(s, '\0', len);
    if (ok)
        ret->text = xstrndup(s, len);
    return ok;
}

int ipc_collect_lines(const struct ipc_frame *f, struct ipc_lines *lines, struct err *err)
{
    struct wire_reader r = {.bytes = f->payload, .len = f->len};
    uint32_t count = wire_take_count(&r, IPC_MAX_LINES);
    if (lines->count + count > IPC_MAX_LINES)
        return err_fail(err, ERR_LIMIT, "more than %d lines on a page", IPC_MAX_LINES);
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_line line = {0};
        if (!take_line(&r, &line))
            return bad_list(f, err);
        *VEC_PUSH(lines->items, lines->count, lines->cap) = line;
    }
    return wire_end(&r) ? 0 : bad_list(f, err);
}

void ipc_lines_done(struct ipc_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i].text);
    free(lines->items);
    *lines = (struct ipc_lines){0};
}

/* ---- regions ---- */

static void put_region(struct wire_writer *w, const void *list, size_t i)
{
    const struct ipc_region *g = &((const struct ipc_regions *)list)->items[i];
    wire_put_u8(w, g->label);
    wire_put_f32(w, g->score);
    put_box(w, &g->box);
}

int ipc_send_regions(int sock, uint32_t id, const struct ipc_regions *regions, struct err *err)
{
    struct list_sender s = {sock, id, regions, regions->count, put_region, (const uint8_t *)"", 0};
    return send_list(&s, err);
}

int ipc_collect_regions(const struct ipc_frame *f, struct ipc_regions *regions, struct err *err)
{
    struct wire_reader r = {.bytes = f->payload, .len = f->len};
    uint32_t count = wire_take_count(&r, IPC_MAX_REGIONS);
    if (regions->count + count > IPC_MAX_REGIONS)
        return err_fail(err, ERR_LIMIT, "more than %d regions on a page", IPC_MAX_REGIONS);
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_region g = {0};
        g.label = wire_take_u8(&r);
        g.score = wire_take_f32(&r);
        if (!take_box(&r, &g.box) || r.bad || g.label >= IPC_REGION_LABEL_COUNT)
            return bad_list(f, err);
        *VEC_PUSH(regions->items, regions->count, regions->cap) = g;
    }
    return wire_end(&r) ? 0 : bad_list(f, err);
}

void ipc_regions_done(struct ipc_regions *regions)
{
    free(regions->items);
    *regions = (struct ipc_regions){0};
}

/* ---- table grids ---- */

static void put_cell(struct wire_writer *w, const void *list, size_t i)
{
    const struct ipc_cell *c = &((const struct ipc_grid *)list)->items[i];
    wire_put_u16(w, c->row);
    wire_put_u16(w, c->col);
    wire_put_u16(w, c->row_span);
    wire_put_u16(w, c->col_span);
    wire_put_u8(w, c->header);
    put_box(w, &c->box);
}

int ipc_send_grid(int sock, uint32_t id, const struct ipc_grid *grid, struct err *err)
{
    uint8_t head[8];
    struct wire_writer w = {.bytes = head, .cap = sizeof(head)};
    wire_put_u16(&w, grid->rows);
    wire_put_u16(&w, grid->cols);
    wire_put_f32(&w, grid->score);
    struct list_sender s = {sock, id, grid, grid->count, put_cell, head, sizeof(head)};
    return send_list(&s, err);
}

static bool take_cell(struct wire_reader *r, const struct ipc_grid *grid, struct ipc_cell *ret)
{
    ret->row = wire_take_u16(r);
    ret->col = wire_take_u16(r);
    ret->row_span = wire_take_u16(r);
    ret->col_span = wire_take_u16(r);
    uint8_t header = wire_take_u8(r);
    ret->header = header == 1;
    return take_box(r, &ret->box) && !r->bad && header <= 1 && ret->row_span >= 1 && ret->col_span >= 1 &&
           ret->row + ret->row_span <= grid->rows && ret->col + ret->col_span <= grid->cols;
}

int ipc_collect_grid(const struct ipc_frame *f, struct ipc_grid *grid, struct err *err)
{
    struct wire_reader r = {.bytes = f->payload, .len = f->len};
    grid->rows = wire_take_u16(&r);
    grid->cols = wire_take_u16(&r);
    grid->score = wire_take_f32(&r);
    uint32_t count = wire_take_count(&r, IPC_MAX_CELLS);
    if (grid->count + count > IPC_MAX_CELLS)
        return err_fail(err, ERR_LIMIT, "more than %d cells in a table", IPC_MAX_CELLS);
    for (uint32_t i = 0; i < count; i++) {
        struct ipc_cell c = {0};
        if (!take_cell(&r, grid, &c))
            return bad_list(f, err);
        *VEC_PUSH(grid->items, grid->count, grid->cap) = c;
    }
    return wire_end(&r) ? 0 : bad_list(f, err);
}

void ipc_grid_done(struct ipc_grid *grid)
{
    free(grid->items);
    *grid = (struct ipc_grid){0};
}
