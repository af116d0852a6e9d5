/*
 * Runs a fuzz target on files: `fuzz_pdf FILE…`, where it is not linked with libFuzzer. Each file is read
 * under the worker's memory ceiling and 60 s; a crash or a timeout ends the program, which is the finding.
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "conf/limits.h"

#define PAGES 3
#define DPI 72
#define SECONDS 60

int replay_verbose;

/* Every box and index that the contract promises to be sane, looked at; abort is how a fuzz target speaks. */
static void check_content(const struct reader_content *c)
{
    for (size_t i = 0; i < c->char_count; i++) {
        const struct reader_char *ch = &c->chars[i];
        if (ch->font >= c->font_count || ch->codepoint > 0x10ffff || ch->codepoint == 0 ||
            !(ch->box.left <= ch->box.right) || !(ch->box.top <= ch->box.bottom) ||
            !(ch->loose.left <= ch->loose.right) || !(ch->size_pt >= 0))
            abort();
    }
    for (size_t i = 0; i < c->segment_count; i++)
        if (!(c->segments[i].x0 <= c->segments[i].x1) || !(c->segments[i].y0 <= c->segments[i].y1))
            abort();
    for (size_t i = 0; i < c->picture_count; i++)
        if (!(c->pictures[i].box.left < c->pictures[i].box.right) ||
            !(c->pictures[i].box.top < c->pictures[i].box.bottom))
            abort();
}

static int replay_page(struct reader *r, int page, struct err *err)
{
    float width, height;
    int rc = reader_page_size(r, page, &width, &height, err);
    if (rc < 0)
        return rc;
    struct reader_content content;
    rc = reader_read_content(r, page, &content, err);
    if (rc < 0)
        return rc;
    check_content(&content);
    reader_content_done(&content);
    CLEANUP(image_freep) struct image *im = NULL;
    return reader_render(r, page, DPI, &im, err);
}

int replay_document(const uint8_t *data, size_t len, enum reader_format format, struct err *err)
{
    CLEANUP(fd_closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, data, len, err) < 0)
        abort();
    (void)reader_sniff(fd, "x");
    struct reader_limits limits = {.max_pages = 0};
    CLEANUP(reader_freep) struct reader *r = NULL;
    int rc = reader_open(fd, format, NULL, &limits, &r, err);
    if (rc < 0)
        return rc;
    int pages = reader_page_count(r);
    for (int i = 0; i < pages && i < PAGES; i++) {
        struct err page_err = ERR_INIT;
        int page_rc = replay_page(r, i, &page_err);
        if (page_rc < 0 && rc == 0) {
            rc = page_rc;
            *err = page_err;
        }
    }
    struct reader_outline_entry *entries;
    size_t count;
    if (reader_outline(r, &entries, &count, NULL) == 0)
        reader_outline_free(entries, count);
    return rc;
}

#ifndef PLATEN_LIBFUZZER
/* A few bytes changed, a part cut out or doubled: enough to shake a parser where libFuzzer is not at hand. */
static size_t mutate(uint8_t *bytes, size_t len, size_t room, unsigned *seed)
{
    int changes = 1 + rand_r(seed) % 8;
    for (int i = 0; i < changes && len > 4; i++) {
        size_t at = (size_t)rand_r(seed) % len, part = 1 + (size_t)rand_r(seed) % 64;
        static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '<', '[', ' '};
        switch (rand_r(seed) % 6) {
        case 0:
            part = MIN(part, len - at);
            memmove(bytes + at, bytes + at + part, len - at - part);
            len -= part;
            break;
        case 1:
            part = MIN(part, len - at);
            if (len + part <= room) {
                memmove(bytes + at + part, bytes + at, len - at);
                len += part;
            }
            break;
        case 2: bytes[at] = edges[(size_t)rand_r(seed) % sizeof(edges)]; break;
        default: bytes[at] = (uint8_t)rand_r(seed); break;
        }
    }
    return len;
}

static void run_mutated(const char *name, const struct buf *b, long rounds)
{
    size_t room = b->len + 4096;
    CLEANUP(freep) uint8_t *bytes = xmalloc(room);
    for (long i = 0; i < rounds; i++) {
        unsigned seed = (unsigned)i;
        memcpy(bytes, b->data, b->len);
        size_t len = mutate(bytes, b->len, room, &seed);
        alarm(SECONDS);
        fprintf(stderr, "\r%s round %ld ", name, i); /* after a crash, this is the way back to it */
        LLVMFuzzerTestOneInput(bytes, len);
    }
}

/* PLATEN_FUZZ_ROUNDS=n: besides each file as it is, n changed copies of it. */
int main(int argc, char **argv)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory is larger than any such limit */
    struct rlimit data = {LIMIT_WORKER_DATA_BYTES, LIMIT_WORKER_DATA_BYTES};
    setrlimit(RLIMIT_DATA, &data);
#endif
    const char *rounds = getenv("PLATEN_FUZZ_ROUNDS");
    for (int i = 1; i < argc; i++) {
        struct buf b = BUF_INIT((size_t)LIMIT_WORKER_DATA_BYTES / 4);
        struct err err = ERR_INIT;
        if (file_read_all(argv[i], &b, &err) < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], err.message);
            return 1;
        }
        printf("%s: ", argv[i]);
        fflush(stdout);
        alarm(SECONDS);
        int64_t start = clock_mono_ms();
        replay_verbose = 1;
        LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&b), b.len);
        printf("%lld ms\n", (long long)(clock_mono_ms() - start));
        replay_verbose = 0;
        if (rounds && b.len > 0)
            run_mutated(argv[i], &b, strtol(rounds, NULL, 10));
        buf_done(&b);
    }
    return 0;
}
#endif
