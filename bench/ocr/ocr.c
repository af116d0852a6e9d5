/*
 * Reads page images (binary PGM or PPM) with the vision code, `lanes` pages at once, and prints for each a
 * JSON line with its text lines, and on stderr one with the times of each round. With --bare it then runs the
 * very same inferences again, on the same tensors, without any of our own work around them: the least that
 * the pages can cost with these models. (backend_infer is wrapped by the linker for that.)
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "engine/vision/vision.h"

#define MAX_PAGES 256
#define MAX_LANES 64
#define MAX_FILE_BYTES (512u << 20)
#define MAX_CALLS 20000
#define MAX_ROUNDS 1000
#define MAX_DPI 2400

struct page {
    const char *path;
    struct vision_image image;
    char *bytes;
    struct vision_quads quads;
    struct ipc_line *lines;
    struct err err;
};

struct job {
    struct models *models;
    struct page *pages;
    int page_count;
    enum ipc_read_mode mode;
    bool small_detector, textline_cls;
    atomic_int next, failed;
};

/* An inference as it was asked for, with its own copy of the tensor. */
struct call {
    struct backend_request *request;
    struct tensor input;
};
struct calls {
    struct call *items;
    size_t count, cap;
};

struct lane {
    struct job *job;
    int number;
    struct calls *record; /* NULL: do not record */
};

static _Thread_local struct calls *recording;

int __real_backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                         int max_outputs, int *ret_count, struct err *err);
int __wrap_backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                         int max_outputs, int *ret_count, struct err *err);

int __wrap_backend_infer(struct backend_request *r, const struct tensor *input, struct tensor *ret_outputs,
                         int max_outputs, int *ret_count, struct err *err)
{
    if (recording && recording->count < MAX_CALLS) {
        size_t count = 1;
        for (int i = 0; i < input->rank; i++)
            count *= (size_t)input->dims[i];
        struct call *c = VEC_PUSH(recording->items, recording->count, recording->cap);
        *c = (struct call){r, *input};
        c->input.data = xmalloc(count * sizeof(float));
        memcpy(c->input.data, input->data, count * sizeof(float));
    }
    return __real_backend_infer(r, input, ret_outputs, max_outputs, ret_count, err);
}

/* "P5 width height 255" (grey) or P6 (RGB, turned into BGR). */
static int page_load(struct page *p, struct err *err)
{
    struct buf b = BUF_INIT(MAX_FILE_BYTES);
    int r = file_read_all(p->path, &b, err);
    if (r)
        return r;
    int kind, width, height, max, header = 0;
    if (sscanf(buf_str(&b), "P%d %d %d %d%n", &kind, &width, &height, &max, &header) != 4 ||
        (kind != 5 && kind != 6) || max != 255 || width < 1 || height < 1)
        return err_fail(err, ERR_FORMAT, "%s is no 8-bit binary PGM or PPM", p->path);
    size_t channels = kind == 5 ? 1 : 3, need = (size_t)width * (size_t)height * channels;
    if (b.len < (size_t)header + 1 + need)
        return err_fail(err, ERR_FORMAT, "%s is cut short", p->path);
    p->bytes = buf_take(&b);
    uint8_t *px = (uint8_t *)p->bytes + header + 1;
    if (channels == 3)
        for (size_t i = 0; i < need; i += 3) {
            uint8_t red = px[i];
            px[i] = px[i + 2];
            px[i + 2] = red;
        }
    p->image = (struct vision_image){.pixels = px,
                                     .width_px = width,
                                     .height_px = height,
                                     .stride_bytes = (size_t)width * channels,
                                     .channels = (int)channels};
    return 0;
}

static void page_reset(struct page *p)
{
    for (size_t i = 0; p->lines && i < p->quads.count; i++)
        free(p->lines[i].text);
    free(p->lines);
    p->lines = NULL;
    vision_quads_done(&p->quads);
}

static int page_read(const struct job *j, int lane_number, struct page *p)
{
    struct vision_lane l = {.models = j->models, .lane = lane_number};
    int r = vision_detect(&l, &p->image, j->small_detector, &p->quads, &p->err);
    if (r)
        return r;
    p->lines = xnew_array(struct ipc_line, p->quads.count + 1);
    return vision_read(&l, &p->image, p->quads.items, p->quads.count, j->mode, j->textline_cls, p->lines,
                       &p->err);
}

static void *lane_run(void *arg)
{
    struct lane *l = arg;
    struct job *j = l->job;
    recording = l->record;
    for (int i; (i = atomic_fetch_add(&j->next, 1)) < j->page_count;)
        if (page_read(j, l->number, &j->pages[i])) {
            fprintf(stderr, "%s: %s\n", j->pages[i].path, j->pages[i].err.message);
            atomic_fetch_add(&j->failed, 1);
        }
    recording = NULL;
    return NULL;
}

static void *lane_repeat(void *arg)
{
    struct lane *l = arg;
    struct tensor out[BACKEND_MAX_OUTPUTS];
    int count;
    for (size_t i = 0; i < l->record->count; i++)
        if (__real_backend_infer(l->record->items[i].request, &l->record->items[i].input, out,
                                 BACKEND_MAX_OUTPUTS, &count, NULL))
            atomic_fetch_add(&l->job->failed, 1);
    return NULL;
}

/* Runs `work` on each lane and waits. */
static int lanes_run(struct job *j, int lanes, void *(*work)(void *), struct calls *records)
{
    pthread_t threads[MAX_LANES];
    struct lane lane[MAX_LANES];
    atomic_store(&j->next, 0);
    for (int i = 0; i < lanes; i++) {
        lane[i] = (struct lane){j, i, records ? &records[i] : NULL};
        if (pthread_create(&threads[i], NULL, work, &lane[i])) {
            fprintf(stderr, "cannot start a thread\n");
            exit(1);
        }
    }
    for (int i = 0; i < lanes; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&j->failed);
}

static void pages_reset(struct job *j)
{
    for (int i = 0; i < j->page_count; i++)
        page_reset(&j->pages[i]);
}

struct times {
    int64_t wall_us, cpu_us;
};

static struct times times_now(void)
{
    return (struct times){clock_mono_us(), clock_cpu_us()};
}

static void times_print(const char *what, int pages, struct times from)
{
    struct times now = times_now();
    struct rusage usage_now;
    getrusage(RUSAGE_SELF, &usage_now);
    fprintf(stderr,
            "{\"what\": \"%s\", \"pages\": %d, \"wall_s\": %.4f, \"cpu_s\": %.4f, \"peak_rss_kb\": %ld}\n",
            what, pages, (double)(now.wall_us - from.wall_us) / 1e6, (double)(now.cpu_us - from.cpu_us) / 1e6,
            usage_now.ru_maxrss);
}

/* Records one round, then repeats its inferences. The copies made while recording have warmed the tensors'
 * memory. */
static int bare_run(struct job *j, int lanes)
{
    static struct calls records[MAX_LANES];
    pages_reset(j);
    int failed = lanes_run(j, lanes, lane_run, records);
    struct times from = times_now();
    failed |= lanes_run(j, lanes, lane_repeat, records);
    times_print("bare", j->page_count, from);
    for (int i = 0; i < lanes; i++) {
        for (size_t k = 0; k < records[i].count; k++)
            free(records[i].items[k].input.data);
        free(records[i].items);
    }
    return failed;
}

static void page_print(const struct page *p)
{
    struct buf b = BUF_INIT(64u << 20);
    buf_puts(&b, "{\"page\": ");
    buf_put_json(&b, p->path, strlen(p->path));
    buf_puts(&b, ", \"lines\": [");
    for (size_t i = 0; p->lines && i < p->quads.count; i++) {
        const struct ipc_line *line = &p->lines[i];
        buf_puts(&b, i ? ", {\"quad\": [" : "{\"quad\": [");
        for (int k = 0; k < 8; k++)
            buf_printf(&b, k ? ", %.1f" : "%.1f", (double)line->quad[k]);
        buf_printf(&b, "], \"found\": %.4f, \"score\": %.4f, \"text\": ", (double)p->quads.items[i].score,
                   (double)line->score);
        buf_put_json(&b, line->text, strlen(line->text));
        buf_putc(&b, '}');
    }
    buf_puts(&b, "]}");
    puts(buf_str(&b));
    buf_done(&b);
}

static int usage(void)
{
    fprintf(stderr, "usage: bench-ocr --models DIR [--mode auto|tiny|small] [--detector tiny|small] [--lanes "
                    "N] [--rounds N] "
                    "[--cls] [--bare] [--cache DIR] [--dpi N] PAGE.pgm...\n");
    return 2;
}

struct arguments {
    const char *models, *cache;
    int lanes, rounds, dpi;
    bool bare;
};

static bool number_read(const char *text, long min, long max, int *ret)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
        return false;
    *ret = (int)v;
    return true;
}

/* One option with its value; false: unknown, or no such value. */
static bool option_read(const char *name, const char *value, struct arguments *a, struct job *j)
{
    static const char *const modes[IPC_READ_MODE_COUNT] = {"auto", "tiny", "small"};
    if (strcmp(name, "--models") == 0)
        a->models = value;
    else if (strcmp(name, "--cache") == 0)
        a->cache = value;
    else if (strcmp(name, "--lanes") == 0)
        return number_read(value, 1, MAX_LANES, &a->lanes);
    else if (strcmp(name, "--rounds") == 0)
        return number_read(value, 1, MAX_ROUNDS, &a->rounds);
    else if (strcmp(name, "--dpi") == 0)
        return number_read(value, 0, MAX_DPI, &a->dpi);
    else if (strcmp(name, "--detector") == 0)
        j->small_detector = strcmp(value, "small") == 0;
    else if (strcmp(name, "--mode") == 0) {
        for (int i = 0; i < IPC_READ_MODE_COUNT; i++)
            if (strcmp(modes[i], value) == 0) {
                j->mode = (enum ipc_read_mode)i;
                return true;
            }
        return false;
    } else
        return false;
    return true;
}

static bool arguments_read(int argc, char **argv, struct arguments *a, struct job *j)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (j->page_count == MAX_PAGES)
                return false;
            j->pages[j->page_count++].path = argv[i];
        } else if (strcmp(argv[i], "--cls") == 0) {
            j->textline_cls = true;
        } else if (strcmp(argv[i], "--bare") == 0) {
            a->bare = true;
        } else if (i + 1 == argc || !option_read(argv[i], argv[i + 1], a, j)) {
            return false;
        } else {
            i++;
        }
    }
    return a->models && j->page_count > 0;
}

int main(int argc, char **argv)
{
    static struct page pages[MAX_PAGES];
    struct job job = {.pages = pages, .mode = IPC_READ_AUTO};
    struct arguments a = {.lanes = 1, .rounds = 1};
    struct err err = ERR_INIT;
    if (!arguments_read(argc, argv, &a, &job))
        return usage();
    struct backend *backend;
    struct backend_options options = {.lanes = a.lanes, .cache_dir = a.cache};
    int r = backend_new("openvino", &options, &backend, &err);
    if (r == 0)
        r = models_open(a.models, backend, a.lanes, &job.models, &err);
    for (int i = 0; i < job.page_count && r == 0; i++) {
        r = page_load(&pages[i], &err);
        pages[i].image.dpi = (float)a.dpi;
    }
    if (r) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = 0;
    for (int k = 0; k < a.rounds; k++) {
        pages_reset(&job);
        struct times from = times_now();
        failed |= lanes_run(&job, a.lanes, lane_run, NULL);
        times_print("read", job.page_count, from);
    }
    if (a.bare)
        failed |= bare_run(&job, a.lanes);
    for (int i = 0; i < job.page_count; i++)
        page_print(&pages[i]);
    pages_reset(&job);
    for (int i = 0; i < job.page_count; i++)
        free(pages[i].bytes);
    models_free(job.models);
    backend_free(backend);
    return failed ? 1 : 0;
}
