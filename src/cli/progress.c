/*
 * See progress.h. Pages of all documents under way are summed; the time left is the pages left at the rate so
 * far, and is only shown once the rate means something.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define REDRAW_MS 100
#define BAR_CELLS 24
#define NAME_COLUMNS 28
#define LINE_BYTES 512

struct job_pages {
    uint32_t done, total;
};

struct progress {
    enum progress_mode mode;
    size_t input_count, ended;
    struct job_pages *jobs; /* by job number */
    size_t job_count, job_cap;
    int64_t start_ms, drawn_ms;
    bool on_screen;
};

struct progress *progress_new(enum progress_mode mode, size_t input_count)
{
    struct progress *p = xnew(struct progress);
    if (mode == PROGRESS_AUTO)
        mode = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_NONE;
    p->mode = mode;
    p->input_count = input_count;
    p->start_ms = clock_mono_ms();
    return p;
}

static struct job_pages *pages_of(struct progress *p, uint32_t job)
{
    while (p->job_count <= job)
        (void)VEC_PUSH(p->jobs, p->job_count, p->job_cap);
    return &p->jobs[job];
}

static int terminal_columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void format_duration(double seconds, char *out, size_t bytes)
{
    int s = (int)(seconds + 0.5);
    if (s >= 3600)
        (void)snprintf(out, bytes, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        (void)snprintf(out, bytes, "%d:%02d", s / 60, s % 60);
}

static void draw_bar(struct progress *p, const char *name)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < p->job_count; i++) {
        done += p->jobs[i].done;
        total += p->jobs[i].total;
    }
    double seconds = (double)(clock_mono_ms() - p->start_ms) / 1000.0;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    int filled = total ? (int)(BAR_CELLS * done / total) : 0;
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    bar[BAR_CELLS] = '\0';
    char line[LINE_BYTES], left[32] = "-:--";
    if (done >= 2 && rate > 0 && total >= done)
        format_duration((double)(total - done) / rate, left, sizeof(left));
    int n = snprintf(line, sizeof(line), "[%s] page %llu of %llu  %.1f/s  left %s  ", bar,
                     (unsigned long long)done, (unsigned long long)total, rate, left);
    if (p->input_count > 1 && n > 0 && n < LINE_BYTES)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "file %zu of %zu  ",
                      MIN(p->ended + 1, p->input_count), p->input_count);
    if (n > 0 && n < LINE_BYTES)
        (void)snprintf(line + n, sizeof(line) - (size_t)n, "%.*s", NAME_COLUMNS, name);
    (void)fprintf(stderr, "\r%.*s\x1b[K", terminal_columns() - 1, line);
    (void)fflush(stderr);
    p->on_screen = true;
}

static void put_json(const char *name, const char *state, const struct ipc_progress *m)
{
    struct buf b = BUF_INIT(65536);
    buf_puts(&b, "{\"file\":");
    buf_put_json(&b, name, strlen(name));
    buf_printf(&b, ",\"state\":\"%s\"", state);
    if (m)
        buf_printf(&b, ",\"stage\":\"%s\",\"page\":%u,\"pages\":%u", m->stage, m->pages_done, m->pages_total);
    buf_puts(&b, "}\n");
    (void)fputs(buf_str(&b), stderr);
    buf_done(&b);
}

void progress_update(struct progress *p, uint32_t job, const char *name, const struct ipc_progress *m)
{
    struct job_pages *j = pages_of(p, job);
    bool moved = m->pages_done != j->done || m->pages_total != j->total;
    *j = (struct job_pages){m->pages_done, m->pages_total};
    int64_t now_ms = clock_mono_ms();
    if (p->mode == PROGRESS_BAR && now_ms - p->drawn_ms >= REDRAW_MS) {
        p->drawn_ms = now_ms;
        draw_bar(p, name);
    } else if (p->mode == PROGRESS_PLAIN && moved && m->pages_total) {
        (void)fprintf(stderr, "%s: page %u of %u\n", name, m->pages_done, m->pages_total);
    } else if (p->mode == PROGRESS_JSON && moved) {
        put_json(name, "started", m);
    }
}

void progress_end(struct progress *p, uint32_t job, const char *name, const char *status)
{
    struct job_pages *j = pages_of(p, job);
    j->done = j->total;
    p->ended++;
    if (p->mode == PROGRESS_BAR)
        draw_bar(p, name);
    else if (p->mode == PROGRESS_PLAIN)
        (void)fprintf(stderr, "%s: %s\n", name, status);
    else if (p->mode == PROGRESS_JSON)
        put_json(name, status, NULL);
}

void progress_clear(struct progress *p)
{
    if (p->on_screen)
        (void)fputs("\r\x1b[K", stderr);
    p->on_screen = false;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    progress_clear(p);
    free(p->jobs);
    free(p);
}
