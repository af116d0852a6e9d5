/* See session.h. The supervisor notices our end, even by SIGKILL, because its socket then closes. */
#include "cli/session.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "process/spawn.h"

#define MAX_ARGS 64
#define CLOSE_WAIT_MS 10000

struct session {
    int sock;
    struct child child;
    char *dir; /* the supervisor removes it, unless it was killed */
    struct ipc_frame frame;
    uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
};

static char *make_data_dir(struct err *err)
{
    const char *base = getenv("TMPDIR");
    char *dir = xasprintf("%s/platen-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(dir))
        return dir;
    (void)err_errno(err, "a folder for work in progress (%s)", dir);
    free(dir);
    return NULL;
}

static int start(struct session *s, const char *program, const char *dir, const struct session_options *o,
                 int sock, struct err *err)
{
    char workers[16];
    (void)snprintf(workers, sizeof(workers), "%d", o->workers);
    const char *argv[MAX_ARGS] = {program,
                                  "--private-fd",
                                  "3",
                                  "--data",
                                  dir,
                                  "--workers",
                                  workers,
                                  "--log-level",
                                  o->verbose ? "debug" : "warning"};
    size_t n = 9;
    for (size_t i = 0; o->extra && o->extra[i]; i++) {
        if (n + 1 >= MAX_ARGS)
            return err_fail(err, ERR_ARG, "more than %d arguments", MAX_ARGS);
        argv[n++] = o->extra[i];
    }
    struct spawn_request q = {
        .program = program, .argv = argv, .fds = &sock, .fd_count = 1, .err_fd = STDERR_FILENO};
    const char *const *env = NULL;
    char **own = environ;
    memcpy(&env, &own, sizeof(env));
    q.env = env; /* it is the user's own program, run with the user's settings */
    return spawn_child(&q, &s->child, err);
}

int session_open(const struct session_options *o, struct session **ret, struct err *err)
{
    char *program = NULL;
    int fds[2] = {-1, -1};
    int rc = spawn_find_program("platend", &program, err);
    if (rc < 0)
        return rc;
    char *dir = make_data_dir(err);
    struct session *s = xnew(struct session);
    s->sock = -1;
    rc = dir ? ipc_pair(fds, err) : ERR_IO;
    rc = rc < 0 ? rc : start(s, program, dir, o, fds[1], err);
    fd_closep(&fds[1]);
    if (rc < 0 && dir)
        (void)rmdir(dir);
    free(program);
    if (rc < 0) {
        fd_closep(&fds[0]);
        free(dir);
        free(s);
        return rc;
    }
    s->dir = dir;
    s->sock = fds[0];
    *ret = s;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void session_close(struct session *s)
{
    if (!s)
        return;
    fd_closep(&s->sock);
    struct pollfd p = {.fd = s->child.pidfd, .events = POLLIN};
    struct child_exit e;
    if (s->child.pid > 0 && poll(&p, 1, CLOSE_WAIT_MS) <= 0) {
        child_signal(&s->child, SIGKILL);
        (void)poll(&p, 1, -1);
    }
    if (s->child.pid > 0)
        (void)child_reap(&s->child, &e, NULL);
    if (access(s->dir, F_OK) == 0)
        (void)nftw(s->dir, remove_one, 16,
                   FTW_DEPTH | FTW_PHYS); /* what cannot be removed stays: it is in TMPDIR */
    free(s->dir);
    free(s);
}

int session_submit(struct session *s, uint32_t job, const struct ipc_job *m, int fd, struct err *err)
{
    size_t len = ipc_encode_job(m, s->payload);
    if (len == 0)
        return err_fail(err, ERR_LIMIT, "the options of %s are too long", m->filename);
    return ipc_send(s->sock, IPC_JOB_SUBMIT, 0, job, s->payload, len, fd, err);
}

static int decode(struct session *s, struct session_event *ret, struct err *err)
{
    struct ipc_frame *f = &s->frame;
    *ret = (struct session_event){.job = f->id, .type = f->type, .result_fd = -1};
    int rc = ERR_FORMAT;
    if (f->type == IPC_JOB_PROGRESS)
        rc = ipc_decode_progress(f, &ret->progress, err);
    else if (f->type == IPC_JOB_DONE && f->fd >= 0)
        rc = ipc_decode_done(f, &ret->done, err);
    else if (f->type == IPC_JOB_FAIL)
        rc = ipc_decode_failure(f, &ret->failure, err);
    else
        (void)err_fail(err, ERR_FORMAT, "message %u from the supervisor", f->type);
    if (rc < 0)
        fd_closep(&f->fd);
    else
        ret->result_fd = f->fd;
    return rc < 0 ? rc : 1;
}

int session_wait(struct session *s, int timeout_ms, struct session_event *ret, struct err *err)
{
    struct pollfd p = {.fd = s->sock, .events = POLLIN};
    int n = poll(&p, 1, timeout_ms);
    if (n == 0 || (n < 0 && errno == EINTR))
        return 0;
    if (n < 0)
        return err_errno(err, "poll");
    int rc = ipc_recv(s->sock, &s->frame, err);
    if (rc == 0)
        return err_fail(err, ERR_CRASH, "the supervisor has ended before its time");
    return rc < 0 ? rc : decode(s, ret, err);
}
