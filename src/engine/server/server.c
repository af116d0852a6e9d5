/*
 * See server.h. The poll thread never blocks: it receives, checks, and hands over. Invariant: only it touches
 * the client list, the clients' page tables and the control socket.
 */
#include "engine/server/server.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/server/dispatch.h"
#include "engine/server/lane.h"
#include "ipc/messages.h"

#define STATS_INTERVAL_MS 100
#define TRIM_AFTER_MS 200

struct server {
    struct server_options o;
    int epoll_fd, wake_fd;
    struct queue queue;
    struct lanes *lanes;
    struct client *clients;
    uint32_t client_count;
    atomic_int pages;    /* mapped */
    atomic_bool changed; /* since the last stats */
    int64_t stats_sent_ms;
    bool trimmed; /* nothing was allocated for pages since the last malloc_trim */
    /* ids whose DETACHED did not fit into the control socket yet */
    uint32_t *detached;
    size_t detached_count, detached_cap;
    struct ipc_frame frame;
};

/* From any thread: stats are due. Wakes the poll thread only for the first change. */
static void note_change(void *ctx)
{
    struct server *s = ctx;
    if (atomic_exchange(&s->changed, true))
        return;
    uint64_t one = 1;
    if (write(s->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_error("the poll thread cannot be woken: %s", strerror(errno));
}

static int watch(struct server *s, int fd, void *tag, struct err *err)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = tag};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? err_errno(err, "epoll_ctl") : 0;
}

int server_new(const struct server_options *o, struct server **ret, struct err *err)
{
    if (o->lanes < 1 || o->lanes > SERVER_MAX_LANES)
        return err_fail(err, ERR_ARG, "%d lanes, possible are 1 to %d", o->lanes, SERVER_MAX_LANES);
    struct server *s = xnew(struct server);
    s->o = *o;
    s->trimmed = true;
    queue_init(&s->queue, o->lanes);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = s->epoll_fd < 0 || s->wake_fd < 0 ? err_errno(err, "epoll") : 0;
    if (r == 0)
        r = fd_set_nonblocking(o->control_fd, err);
    if (r == 0)
        r = watch(s, o->control_fd, &s->o, err);
    if (r == 0)
        r = watch(s, s->wake_fd, &s->wake_fd, err);
    struct lanes_options lo = {.models = o->models,
                               .queue = &s->queue,
                               .count = o->lanes,
                               .warm = o->warm,
                               .changed = note_change,
                               .ctx = s};
    if (r == 0)
        r = lanes_start(&lo, &s->lanes, err);
    if (r < 0) {
        server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void free_jobs(struct job *jobs)
{
    while (jobs != NULL) {
        struct job *next = jobs->next;
        job_free(jobs);
        jobs = next;
    }
}

static void close_client(struct server *s, struct client *c)
{
    for (struct client **at = &s->clients; *at != NULL; at = &(*at)->next) {
        if (*at != c)
            continue;
        *at = c->next;
        break;
    }
    epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    atomic_store(&c->gone, true);
    free_jobs(queue_remove_client(&s->queue, c));
    *VEC_PUSH(s->detached, s->detached_count, s->detached_cap) = c->id;
    s->client_count--;
    client_close(c);
    note_change(s);
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    lanes_stop(s->lanes);
    while (s->clients != NULL)
        close_client(s, s->clients);
    while (s->queue.ring_first != NULL) /* what a lane still queued for a client that had gone */
        free_jobs(queue_remove_client(&s->queue, s->queue.ring_first));
    queue_done(&s->queue);
    fd_closep(&s->epoll_fd);
    fd_closep(&s->wake_fd);
    free(s->detached);
    free(s);
}

static void attach(struct server *s, uint32_t id, int fd)
{
    struct err err = ERR_INIT;
    struct client *c = NULL;
    int r;
    if (s->client_count >= SERVER_MAX_CLIENTS) {
        r = err_fail(&err, ERR_LIMIT, "more than %d clients", SERVER_MAX_CLIENTS);
        close(fd);
    } else {
        r = client_new(id, fd, &c, &err);
    }
    if (r == 0)
        r = watch(s, fd, c, &err);
    if (r < 0) {
        log_warning("client %u is not served: %s", id, err.message);
        if (c != NULL)
            client_close(c);
        *VEC_PUSH(s->detached, s->detached_count, s->detached_cap) = id;
    } else {
        c->next = s->clients;
        s->clients = c;
        s->client_count++;
    }
    note_change(s);
}

/* 1: served, 0: the supervisor has gone. What it sends is our own program's: a broken frame is an error. */
static int serve_control(struct server *s, struct err *err)
{
    int r = ipc_recv(s->o.control_fd, &s->frame, err);
    if (r == ERR_BUSY)
        return 1;
    if (r == ERR_CRASH)
        return 0;
    if (r <= 0)
        return r;
    if (s->frame.type != IPC_ENGINE_ATTACH || s->frame.fd < 0) {
        fd_closep(&s->frame.fd);
        return err_fail(err, ERR_FORMAT, "the supervisor sent a message of type %u", s->frame.type);
    }
    attach(s, s->frame.id, s->frame.fd);
    return 1;
}

static void serve_client(struct server *s, struct client *c)
{
    struct err err = ERR_INIT;
    int r = ipc_recv(c->fd, &s->frame, &err);
    if (r == 1) {
        r = dispatch_request(c, &s->frame, &s->queue, &s->pages, &err);
        fd_closep(&s->frame.fd);
        if (r == 0) {
            note_change(s);
            return;
        }
    }
    if (r < 0 && r != ERR_CRASH)
        log_warning("client %u is cut off: %s", c->id, err.message);
    close_client(s, c);
}

/* 0 when /proc cannot be read: the figure is for people, nothing depends on it. */
static uint64_t own_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total, resident = 0;
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Tells the supervisor what is due. A full control socket is tried again at the next turn. */
static int report(struct server *s, struct err *err)
{
    while (s->detached_count > 0) {
        int r = ipc_send(s->o.control_fd, IPC_ENGINE_DETACHED, 0, s->detached[0], NULL, 0, -1, err);
        if (r < 0)
            return r == ERR_BUSY ? 0 : r;
        memmove(s->detached, s->detached + 1, --s->detached_count * sizeof(*s->detached));
    }
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        const struct ipc_first m = {.mono_us = (uint64_t)atomic_load(&c->first_us)};
        if (m.mono_us == 0 || c->first_told)
            continue;
        size_t len = ipc_encode_first(&m, s->frame.payload);
        int r = ipc_send(s->o.control_fd, IPC_ENGINE_FIRST, 0, c->id, s->frame.payload, len, -1, err);
        if (r < 0)
            return r == ERR_BUSY ? 0 : r;
        c->first_told = true;
    }
    int64_t now_ms = clock_mono_ms();
    if (!atomic_load(&s->changed) || now_ms - s->stats_sent_ms < STATS_INTERVAL_MS)
        return 0;
    atomic_store(&s->changed, false);
    struct ipc_engine_stats stats = {
        .clients = s->client_count,
        .pages = (uint32_t)atomic_load(&s->pages),
        .busy = (uint32_t)queue_busy(&s->queue),
        .inferences = backend_inferences(s->o.backend),
        .cpu_us = (uint64_t)clock_cpu_us(),
        .rss_bytes = own_rss_bytes(),
    };
    size_t len = ipc_encode_engine_stats(&stats, s->frame.payload);
    int r = ipc_send(s->o.control_fd, IPC_ENGINE_STATS, 0, 0, s->frame.payload, len, -1, err);
    s->stats_sent_ms = now_ms;
    return r == ERR_BUSY ? 0 : r;
}

/* How long the poll may sleep: until stats are due, or until it is time to give memory back. */
static int sleep_ms(struct server *s)
{
    int ms = -1;
    if (atomic_load(&s->changed))
        ms = (int)MAX(0, s->stats_sent_ms + STATS_INTERVAL_MS - clock_mono_ms());
    if (s->detached_count > 0)
        ms = STATS_INTERVAL_MS;
    if (ms < 0 && !s->trimmed && atomic_load(&s->pages) == 0)
        ms = TRIM_AFTER_MS;
    return ms;
}

/* Nothing has happened for a while and no page is open: what the last pages needed goes back to the system.
 */
static void give_back(struct server *s)
{
    if (s->trimmed || atomic_load(&s->pages) > 0 || queue_busy(&s->queue) > 0)
        return;
    malloc_trim(0);
    s->trimmed = true;
    note_change(s); /* the new RSS is worth a word */
}

static int serve_event(struct server *s, void *tag, struct err *err)
{
    if (tag == &s->o)
        return serve_control(s, err);
    if (tag != &s->wake_fd) {
        serve_client(s, tag);
        return 1;
    }
    uint64_t count;
    if (read(s->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return err_errno(err, "eventfd");
    return 1;
}

int server_run(struct server *s, struct err *err)
{
    int r = ipc_send(s->o.control_fd, IPC_ENGINE_READY, 0, 0, NULL, 0, -1, err);
    if (r < 0)
        return r == ERR_CRASH ? 0 : r;
    for (;;) {
        /* One event a turn: a client that it closes cannot be meant by another event of the same batch. */
        struct epoll_event e;
        int n = epoll_wait(s->epoll_fd, &e, 1, sleep_ms(s));
        if (n < 0 && errno != EINTR)
            return err_errno(err, "epoll_wait");
        if (n == 0)
            give_back(s);
        r = n > 0 ? serve_event(s, e.data.ptr, err) : 1;
        if (r <= 0)
            return r;
        if (atomic_load(&s->pages) > 0)
            s->trimmed = false;
        r = report(s, err);
        if (r < 0)
            return r == ERR_CRASH ? 0 : r;
    }
}
