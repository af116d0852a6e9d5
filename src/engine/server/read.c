/*
 * See read.h. Invariants: quads and lines have the same count and do not move once chunks exist, and each
 * chunk writes only its own part of lines, so no lock is needed for them; `left` counts the chunks that have
 * not ended, and whoever takes it to 0 owns the answer.
 */
#include "engine/server/read.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define CHUNK_MIN_LINES 4
#define CHUNK_MAX_LINES 16
#define CHUNKS_PER_LANE 4

struct reading {
    atomic_int refs;
    struct ipc_read ask;
    struct vision_quads quads;
    struct ipc_lines lines;
    atomic_int left;
    pthread_mutex_t lock;
    struct err failure; /* the first one */
};

struct reading *reading_new(struct ipc_read *ask)
{
    struct reading *r = xnew(struct reading);
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    r->ask = *ask;
    ask->regions = NULL;
    ask->region_count = 0;
    return r;
}

void reading_unref(struct reading *r)
{
    if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    ipc_read_done(&r->ask);
    vision_quads_done(&r->quads);
    ipc_lines_done(&r->lines);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* The part of the image inside the box; false when nothing of it is on the page. */
static bool crop(const struct vision_image *im, const struct ipc_box *box, struct vision_image *ret,
                 int *ret_x, int *ret_y)
{
    float left = fmaxf(0.0f, floorf(box->left)), top = fmaxf(0.0f, floorf(box->top));
    float right = fminf((float)im->width_px, ceilf(box->right)),
          bottom = fminf((float)im->height_px, ceilf(box->bottom));
    if (!(right - left >= 1.0f) || !(bottom - top >= 1.0f))
        return false;
    *ret = *im;
    *ret_x = (int)left;
    *ret_y = (int)top;
    ret->width_px = (int)(right - left);
    ret->height_px = (int)(bottom - top);
    ret->pixels = im->pixels + (size_t)*ret_y * im->stride_bytes + (size_t)*ret_x * (size_t)im->channels;
    return true;
}

static int detect_region(struct reading *r, const struct vision_image *im, const struct ipc_box *box,
                         const struct vision_lane *lane, struct err *err)
{
    struct vision_image part;
    int x, y;
    if (!crop(im, box, &part, &x, &y))
        return 0;
    struct vision_quads found = {0};
    int e = vision_detect(lane, &part, r->ask.mode == IPC_READ_SMALL, &found, err);
    for (size_t i = 0; e == 0 && i < found.count; i++) {
        if (r->quads.count >= IPC_MAX_LINES) {
            e = err_fail(err, ERR_LIMIT, "more than %d lines on a page", IPC_MAX_LINES);
            break;
        }
        struct vision_quad *q = VEC_PUSH(r->quads.items, r->quads.count, r->quads.cap);
        *q = found.items[i];
        for (int k = 0; k < 8; k++)
            q->quad[k] += (float)(k % 2 == 0 ? x : y);
    }
    vision_quads_done(&found);
    return e;
}

static int detect(struct reading *r, const struct vision_image *im, const struct vision_lane *lane,
                  struct err *err)
{
    const struct ipc_box whole = {0.0f, 0.0f, (float)im->width_px, (float)im->height_px};
    if (r->ask.region_count == 0)
        return detect_region(r, im, &whole, lane, err);
    for (uint32_t i = 0; i < r->ask.region_count; i++) {
        int e = detect_region(r, im, &r->ask.regions[i], lane, err);
        if (e < 0)
            return e;
    }
    return 0;
}

/* Lines without text say nothing to the worker. What is too long for the protocol is cut at a character. */
static void tidy(struct ipc_lines *lines)
{
    size_t kept = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct ipc_line line = lines->items[i];
        if (line.text == NULL || line.text[0] == '\0') {
            free(line.text);
            continue;
        }
        size_t len = strlen(line.text);
        if (len > IPC_MAX_LINE_BYTES) {
            for (len = IPC_MAX_LINE_BYTES; !utf8_valid(line.text, len) && len > IPC_MAX_LINE_BYTES - 4;)
                len--;
            line.text[len] = '\0';
        }
        lines->items[kept++] = line;
    }
    lines->count = kept;
}

static void answer(const struct job *job)
{
    struct reading *r = job->reading;
    if (r->failure.kind != ERR_OK) {
        client_refuse(job->client, job->id, &r->failure);
        return;
    }
    tidy(&r->lines);
    struct answer a = {.id = job->id, .kind = ANSWER_LINES, .lines = r->lines};
    r->lines = (struct ipc_lines){0};
    client_answer(job->client, &a);
}

static struct job *chunk_jobs(const struct job *job, size_t count, int lanes, int *ret_chunks)
{
    size_t size = count / ((size_t)lanes * CHUNKS_PER_LANE);
    size = MIN(MAX(size, CHUNK_MIN_LINES), CHUNK_MAX_LINES);
    struct job *first = NULL, **end = &first;
    *ret_chunks = 0;
    for (size_t from = 0; from < count; from += size) {
        struct job *c = xnew(struct job);
        c->kind = JOB_CHUNK;
        c->client = client_ref(job->client);
        c->page = page_ref(job->page);
        c->id = job->id;
        c->reading = job->reading;
        atomic_fetch_add(&job->reading->refs, 1);
        c->from = from;
        c->count = MIN(size, count - from);
        *end = c;
        end = &c->next;
        (*ret_chunks)++;
    }
    return first;
}

void reading_detect(const struct job *job, struct queue *q, const struct vision_lane *lane, int lanes)
{
    struct reading *r = job->reading;
    struct vision_image im = page_image(job->page);
    struct err err = ERR_INIT;
    if (detect(r, &im, lane, &err) < 0) {
        client_refuse(job->client, job->id, &err);
        return;
    }
    if (r->quads.count == 0) {
        answer(job);
        return;
    }
    r->lines.items = xnew_array(struct ipc_line, r->quads.count);
    r->lines.count = r->lines.cap = r->quads.count;
    for (size_t i = 0; i < r->quads.count; i++)
        memcpy(r->lines.items[i].quad, r->quads.items[i].quad, sizeof(r->lines.items[i].quad));
    int chunks;
    struct job *jobs = chunk_jobs(job, r->quads.count, lanes, &chunks);
    atomic_store(&r->left, chunks);
    queue_push_front(q, jobs);
}

void reading_chunk(const struct job *job, const struct vision_lane *lane)
{
    struct reading *r = job->reading;
    struct vision_image im = page_image(job->page);
    struct err err = ERR_INIT;
    int e = vision_read(lane, &im, r->quads.items + job->from, job->count, (enum ipc_read_mode)r->ask.mode,
                        r->ask.textline_cls, r->lines.items + job->from, &err);
    if (e < 0) {
        pthread_mutex_lock(&r->lock);
        if (r->failure.kind == ERR_OK)
            r->failure = err;
        pthread_mutex_unlock(&r->lock);
    }
    if (atomic_fetch_sub(&r->left, 1) == 1)
        answer(job);
}
