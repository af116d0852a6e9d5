/*
 * See orchestrator.h. A lease is a socket pair whose engine end we keep until the worker has sent its first
 * frame: documents that need no inference never wake an engine. After the worker's end a lease asks again
 * and again (1, 2, 4 … ms, and whenever something happens) whether anything of the task is left, and ends
 * what is.
 */
#include "supervisor/sched/orchestrator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/sched/orchestrator_parts.h"

#define ROUND_FIRST_MS 1
#define ROUND_LAST_MS 250

/* ---- preflight ---- */

static int check_scratch(const char *path, uint64_t floor_bytes, struct err *err)
{
    int rc = dir_make_path(path, 0700, err);
    if (rc < 0)
        return rc;
    CLEANUP(fd_closep) int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) /* a file system that has no such files */
        return access(path, W_OK | X_OK) == 0 ? 0 : err_errno(err, "the scratch folder %s", path);
    if (fd < 0)
        return err_errno(err, "the scratch folder %s cannot be written", path);
    struct statvfs v;
    if (fstatvfs(fd, &v) < 0)
        return err_errno(err, "%s", path);
    uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    if (free_bytes < floor_bytes)
        return err_fail(
            err, ERR_LIMIT, "only %llu MiB are free in the scratch folder %s, and %llu MiB are kept free",
            (unsigned long long)(free_bytes >> 20), path, (unsigned long long)(floor_bytes >> 20));
    return 0;
}

int orchestrator_preflight(const struct settings *settings, const char *worker_program,
                           const char *engine_program, struct err *err)
{
    const char *const programs[] = {worker_program, engine_program};
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        if (access(programs[i], X_OK) < 0)
            return err_errno(err, "the program %s", programs[i]);
    }
    return *settings->scratch_path
               ? check_scratch(settings->scratch_path, (uint64_t)settings->free_space_floor_bytes, err)
               : 0;
}

/* ---- engines ---- */

int orchestrator_start_engine(struct orchestrator *o, struct engine_entry *e,
                              const struct engine_process_spec *spec, struct err *err)
{
    if (o->stopping)
        return err_fail(err, ERR_BUSY, "shutting down");
    int rc = engine_process_start(o->config.loop, spec, &e->process, err);
    if (rc < 0)
        return rc;
    e->o = o;
    e->next = o->processes;
    o->processes = e;
    return 0;
}

static void check_gone(struct orchestrator *o)
{
    if (o->gone && o->stopping && !o->processes)
        o->gone(o->gone_ctx);
}

void orchestrator_engine_ended(struct engine_entry *e)
{
    struct orchestrator *o = e->o;
    struct engine_entry **link = &o->processes;
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    check_gone(o);
}

void orchestrator_note_death(struct orchestrator *o, const char *text)
{
    (void)snprintf(o->last_death, sizeof(o->last_death), "%s", text);
    o->last_death_ms = clock_mono_ms();
}

void orchestrator_idle(struct orchestrator *o, void (*on_idle)(uv_timer_t *timer))
{
    if (!o->stopping) /* fails only on a closing handle */
        (void)uv_timer_start(&o->idle_timer, on_idle, (uint64_t)(o->config.settings->engine_idle_s * 1000),
                             0);
}

bool orchestrator_knows_pid(const struct orchestrator *o, pid_t pid)
{
    for (const struct engine_entry *e = o->processes; e; e = e->next) {
        if (engine_process_pid(e->process) == pid)
            return true;
    }
    return false;
}

/* ---- the beginning of a lease ---- */

/* The worker has said its first word, or has gone. */
static void on_worker_speaks(uv_poll_t *handle, int status, int events)
{
    (void)events;
    struct lease *l = handle->data;
    char byte;
    bool speaks = status >= 0 && recv(l->engine_end, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    struct err err = ERR_INIT;
    l->spoken = speaks;
    if (speaks &&
        l->o->ops->attach(l, &err) < 0) { /* the worker sees the end of its socket and fails its task */
        char *text = xasprintf("no engine: %.480s", err.message);
        log_error("Task %s: %s", l->task_id, text);
        orchestrator_note_death(l->o, text);
        free(text);
    }
    watched_close(&l->speaks, &l->engine_end); /* the engine has its own copy now */
}

int lease_new(struct orchestrator *o, const struct lease_request *q, struct lease **ret, int *ret_worker_fd,
              struct err *err)
{
    int pair[2];
    int rc = ipc_pair(pair, err);
    if (rc < 0)
        return rc;
    struct lease *l = xnew(struct lease);
    l->o = o;
    rc = watched_new(o->config.loop, pair[1], l, &l->speaks, err);
    if (rc < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(l);
        return rc;
    }
    l->request = *q;
    (void)snprintf(l->task_id, sizeof(l->task_id), "%s", q->task_id);
    l->id = ++o->next_id;
    l->engine_end = pair[1];
    (void)uv_timer_init(o->config.loop, &l->timer); /* cannot fail */
    l->timer.data = l;
    l->next = o->leases;
    o->leases = l;
    (void)uv_poll_start(l->speaks, UV_READABLE | UV_DISCONNECT, on_worker_speaks);
    *ret = l;
    *ret_worker_fd = pair[0];
    return 0;
}

void lease_join(struct lease *l, pid_t group)
{
    l->group = group;
    if (l->o->expecting && l->o->ops->prepare)
        l->o->ops->prepare(l);
}

void lease_tell_first(const struct ipc_frame *f, struct lease *l)
{
    struct ipc_first m;
    if (ipc_decode_first(f, &m, NULL) == 0 && !l->ending)
        l->request.first(l->request.ctx, (int64_t)m.mono_us);
}

const char *lease_engine_death(const struct lease *l)
{
    const char *own = l->o->ops->death(l);
    if (*own)
        return own;
    return l->o->last_death_ms && clock_mono_ms() - l->o->last_death_ms < LAST_DEATH_MS ? l->o->last_death
                                                                                        : "";
}

/* ---- its end, and the proof ---- */

static void on_lease_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void prove(struct lease *l, uint64_t rss_after_bytes)
{
    struct orchestrator *o = l->o;
    double seconds = (double)(clock_mono_us() - l->end_us) / 1e6;
    release_count(&o->releases, seconds);
    /* Of pooled workers there may be thousands, and none holds a model. */
    log_write(orchestrator_is_isolated(o) || l->alarmed ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "Task %s released: group %d is empty, rss_before_kb=%llu rss_after_kb=%llu release_ms=%.1f",
              l->task_id, (int)l->group, (unsigned long long)(l->rss_bytes >> 10),
              (unsigned long long)(rss_after_bytes >> 10), seconds * 1000);
}

static void finish(struct lease *l)
{
    struct orchestrator *o = l->o;
    struct lease **link = &o->leases;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    o->ops->forget(l);
    const struct lease_request q = l->request;
    uv_close((uv_handle_t *)&l->timer, on_lease_closed);
    q.released(q.ctx);
}

static void alarm_about(struct lease *l)
{
    l->alarmed = true;
    l->o->releases.failures++;
    log_error(
        "Task %s is not released after %d ms: its process group %d %s, its engine %s; its slot stays in use",
        l->task_id, RELEASE_ALARM_MS, (int)l->group,
        release_group_exists(l->group) ? "still has members" : "is empty",
        l->o->ops->is_clear(l) ? "is gone" : "is still there");
    if (l->o->ops->heal)
        l->o->ops->heal(l);
}

static void on_round(uv_timer_t *timer)
{
    struct lease *l = timer->data;
    struct orchestrator *o = l->o;
    pid_t pid;
    uint64_t start_ticks, unused;
    o->ops->measure(l, &pid, &start_ticks, &unused);
    uint64_t rss_after = orchestrator_is_isolated(o) ? release_rss_bytes(pid, start_ticks) : 0;
    bool exists = release_group_exists(l->group);
    if (!exists && rss_after == 0 && o->ops->is_clear(l)) {
        if (l->group)
            prove(l, rss_after);
        finish(l);
        return;
    }
    /* Its number is not another's: it has had members at every look so far. */
    if (exists)
        (void)kill(-l->group, SIGKILL);
    o->ops->detach(l);
    o->config.sweep(o->config.ctx);
    if (!l->alarmed && clock_mono_us() - l->end_us > (int64_t)RELEASE_ALARM_MS * 1000)
        alarm_about(l);
    uint64_t wait_ms = l->rounds < 8 ? (uint64_t)ROUND_FIRST_MS << l->rounds : ROUND_LAST_MS;
    l->rounds++;
    (void)uv_timer_start(&l->timer, on_round, wait_ms, 0); /* fails only on a closing handle */
}

void lease_poke(struct lease *l)
{
    if (l->ending)
        (void)uv_timer_start(&l->timer, on_round, 0, 0);
}

void lease_end(struct lease *l, uint64_t rss_bytes)
{
    pid_t pid;
    uint64_t start_ticks, engine_bytes = 0;
    l->o->ops->measure(l, &pid, &start_ticks, &engine_bytes);
    l->rss_bytes = rss_bytes + engine_bytes;
    if (l->group)
        l->o->expecting = l->spoken;
    l->ending = true;
    l->end_us = clock_mono_us();
    watched_close(&l->speaks, &l->engine_end);
    l->o->ops->detach(l);
    (void)uv_timer_start(&l->timer, on_round, 0, 0); /* never from inside this call */
}

/* ---- the orchestrator ---- */

struct orchestrator *orchestrator_new(const struct orchestrator_config *config)
{
    struct orchestrator *o = xnew(struct orchestrator);
    o->config = *config;
    o->program = xstrdup(config->engine_program);
    o->ops = config->isolated ? &orchestrator_isolated : &orchestrator_pooled;
    (void)uv_timer_init(config->loop, &o->idle_timer); /* cannot fail */
    o->idle_timer.data = o;
    return o;
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct orchestrator *o = handle->data;
    o->stopping = true; /* the last engine's end calls gone */
    check_gone(o);
}

void orchestrator_stop(struct orchestrator *o, void (*gone)(void *ctx), void *ctx)
{
    o->gone = gone;
    o->gone_ctx = ctx;
    o->ops->stop(o);
    uv_close((uv_handle_t *)&o->idle_timer, on_idle_closed);
}

void orchestrator_free(struct orchestrator *o)
{
    if (!o)
        return;
    free(o->program);
    free(o);
}

bool orchestrator_is_isolated(const struct orchestrator *o)
{
    return o->config.isolated;
}

const struct release_counters *orchestrator_releases(const struct orchestrator *o)
{
    return &o->releases;
}
