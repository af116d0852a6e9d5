/*
 * Reads page images (binary PGM or PPM) with the vision code, `lanes` pages at once, and prints for each a JSON line with its text lines,
 * then one with the times. With --bare it also runs the very same model inputs again without any of our own work around them: the
 * least time that the pages can take with these models.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
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

struct lane {
    struct job *job;
    int number;
};

/* "P5 width height 255" (grey) or P6 (RGB, turned into BGR). */
static int page_load(struct page *p, struct err *err)
{
    struct buf b = BUF_INIT(MAX_FILE_BYTES);
    int r = file_read_all(p->path, &b, err);
    if (r)
        return r;
    int kind, width, height, max, header = 0;
    if (sscanf(buf_str(&b), "P%d %d %d %d%n", &kind, &width, &height, &max, &header) != 4 || (kind != 5 && kind != 6) ||
        max != 255 || width < 1 || height < 1)
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
    struct vision_lane l = {j->models, lane_number};
    int r = vision_detect(&l, &p->image, j->small_detector, &p->quads, &p->err);
    if (r)
        return r;
    p->lines = xnew_array(struct ipc_line, p->quads.count + 1);
    return vision_read(&l, &p->image, p->quads.items, p->quads.count, j->mode, j->textline_cls, p->lines, &p->err);
}

static void *lane_run(void *arg)
{
    struct lane *l = arg;
    struct job *j = l->job;
    for (int i; (i = atomic_fetch_add(&j->next, 1)) < j->page_count;)
        if (page_read(j, l->number, &j->pages[i])) {
            fprintf(stderr, "%s: %s\n", j->pages[i].path, j->pages[i].err.message);
            atomic_fetch_add(&j->failed, 1);
        }
    return NULL;
}

static int pages_read(struct job *j, int lanes)
{
    pthread_t threads[MAX_LANES];
    struct lane lane[MAX_LANES];
    atomic_store(&j->next, 0);
    for (int i = 0; i < j->page_count; i++)
        page_reset(&j->pages[i]);
    for (int i = 0; i < lanes; i++) {
        lane[i] = (struct lane){j, i};
        if (pthread_create(&threads[i], NULL, lane_run, &lane[i])) {
            fprintf(stderr, "cannot start a thread\n");
            exit(1);
        }
    }
    for (int i = 0; i < lanes; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&j->failed);
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
    fprintf(stderr, "usage: bench-ocr --models DIR [--mode auto|tiny|small] [--detector tiny|small] [--lanes N] [--rounds N] "
                    "[--cls] [--dpi N] PAGE.pgm...\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"auto", "tiny", "small"};
    static struct page pages[MAX_PAGES];
    struct job job = {.pages = pages, .mode = IPC_READ_AUTO};
    const char *models = NULL, *cache = NULL;
    int lanes = 1, rounds = 1;
    float dpi = 0;
    struct err err = ERR_INIT;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (strncmp(a, "--", 2) != 0) {
            if (job.page_count == MAX_PAGES)
                return usage();
            pages[job.page_count++].path = a;
            continue;
        }
        if (strcmp(a, "--cls") == 0) {
            job.textline_cls = true;
            continue;
        }
        i++;
        if (strcmp(a, "--models") == 0)
            models = v;
        else if (strcmp(a, "--cache") == 0)
            cache = v;
        else if (strcmp(a, "--lanes") == 0)
            lanes = MIN(MAX(atoi(v), 1), MAX_LANES);
        else if (strcmp(a, "--rounds") == 0)
            rounds = MAX(atoi(v), 1);
        else if (strcmp(a, "--dpi") == 0)
            dpi = (float)atof(v);
        else if (strcmp(a, "--detector") == 0)
            job.small_detector = strcmp(v, "small") == 0;
        else if (strcmp(a, "--mode") == 0) {
            for (job.mode = 0; job.mode < IPC_READ_MODE_COUNT && strcmp(modes[job.mode], v) != 0;)
                job.mode++;
            if (job.mode == IPC_READ_MODE_COUNT)
                return usage();
        } else
            return usage();
    }
    if (!models || job.page_count == 0)
        return usage();
    struct backend *backend;
    struct backend_options options = {.lanes = lanes, .cache_dir = cache};
    if (backend_new("openvino", &options, &backend, &err) || models_open(models, backend, lanes, &job.models, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (int i = 0; i < job.page_count; i++) {
        if (page_load(&pages[i], &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        pages[i].image.dpi = dpi;
    }
    int failed = 0;
    for (int k = 0; k < rounds; k++) {
        int64_t wall = clock_mono_us(), cpu = clock_cpu_us();
        failed |= pages_read(&job, lanes);
        wall = clock_mono_us() - wall;
        cpu = clock_cpu_us() - cpu;
        struct rusage usage_now;
        getrusage(RUSAGE_SELF, &usage_now);
        fprintf(stderr, "{\"round\": %d, \"pages\": %d, \"wall_s\": %.4f, \"cpu_s\": %.4f, \"peak_rss_kb\": %ld}\n", k,
                job.page_count, (double)wall / 1e6, (double)cpu / 1e6, usage_now.ru_maxrss);
    }
    for (int i = 0; i < job.page_count; i++)
        page_print(&pages[i]);
    return failed ? 1 : 0;
}
