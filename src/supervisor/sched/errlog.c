/* See errlog.h. Too many lines are dropped and counted, not left in the pipe: a chatty child must not stall
 * on its log. */
#include "supervisor/sched/errlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/limits.h"

#define LINE_BYTES 1024
#define READS_A_TURN 16 /* so that a flood leaves the loop free for others */

struct errlog {
    uv_poll_t poll;
    int fd;
    char name[64];
    char line[LINE_BYTES];
    size_t len;
    char last[256];
    int64_t window_ms;
    unsigned lines, dropped; /* in this second */
};

static enum log_level level_of(const char *line, const char **ret_rest)
{
    static const struct {
        const char *prefix;
        enum log_level level;
    } prefixes[] = {{"DEBUG: ", LOG_LEVEL_DEBUG},
                    {"INFO: ", LOG_LEVEL_INFO},
                    {"WARNING: ", LOG_LEVEL_WARNING},
                    {"ERROR: ", LOG_LEVEL_ERROR}};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t n = strlen(prefixes[i].prefix);
        if (strncmp(line, prefixes[i].prefix, n) == 0) {
            *ret_rest = line + n;
            return prefixes[i].level;
        }
    }
    *ret_rest = line;
    return LOG_LEVEL_WARNING;
}

static void report_dropped(struct errlog *e)
{
    if (e->dropped)
        log_warning("%s: %u lines dropped (more than %d in a second)", e->name, e->dropped,
                    LIMIT_LOG_LINES_PER_WORKER_PER_S);
    e->dropped = 0;
}

static void put_line(struct errlog *e)
{
    e->line[e->len] = '\0';
    e->len = 0;
    if (!e->line[0])
        return;
    int64_t now = clock_mono_ms();
    if (now - e->window_ms >= 1000) {
        report_dropped(e);
        e->window_ms = now;
        e->lines = 0;
    }
    const char *rest;
    enum log_level level = level_of(e->line, &rest);
    if (level >= LOG_LEVEL_WARNING)
        (void)snprintf(e->last, sizeof(e->last), "%.250s", rest);
    if (e->lines++ >= LIMIT_LOG_LINES_PER_WORKER_PER_S)
        e->dropped++;
    else
        log_write(level, "%s: %s", e->name, rest);
}

/* False at the end of the stream. */
static bool read_some(struct errlog *e, int turns)
{
    while (turns-- > 0) {
        char chunk[4096];
        ssize_t n = read(e->fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] != '\n' && e->len < sizeof(e->line) - 1)
                e->line[e->len++] = chunk[i];
            if (chunk[i] == '\n')
                put_line(e);
        }
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct errlog *e = poll->data;
    if (status < 0 || !read_some(e, READS_A_TURN))
        (void)uv_poll_stop(poll);
}

int errlog_new(struct uv_loop_s *loop, const char *name, struct errlog **ret, int *ret_child_fd,
               struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    struct errlog *e = xnew(struct errlog);
    int rc = fd_set_nonblocking(fds[0], err);
    if (rc == 0 && uv_poll_init(loop, &e->poll, fds[0]) != 0)
        rc = err_fail(err, ERR_IO, "watching a pipe");
    if (rc < 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        free(e);
        return rc;
    }
    e->fd = fds[0];
    e->poll.data = e;
    (void)snprintf(e->name, sizeof(e->name), "%s", name);
    (void)uv_poll_start(&e->poll, UV_READABLE, on_readable); /* fails only on a closing handle */
    *ret = e;
    *ret_child_fd = fds[1];
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void errlog_end(struct errlog *e)
{
    if (!e)
        return;
    (void)read_some(e, READS_A_TURN);
    if (e->len)
        put_line(e);
    report_dropped(e);
    uv_close((uv_handle_t *)&e->poll, on_closed);
    fd_closep(&e->fd);
}

const char *errlog_last(const struct errlog *e)
{
    return e->last;
}
