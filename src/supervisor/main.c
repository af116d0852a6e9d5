/*
 * platend: wires settings, log, loop, store and service to their face (HTTP, or one private socket for the
 * command line), and sees to an orderly end: SIGTERM or SIGINT drains, a second one leaves at once (what was
 * accepted is on the disk).
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/settings.h"
#include "process/probe.h"
#include "process/spawn.h"
#include "supervisor/api/api.h"
#include "supervisor/http/http.h"
#include "supervisor/local/local.h"
#include "supervisor/sched/service_new.h"
#include "supervisor/store/failpoint.h"
#include "supervisor/store/store.h"

#define DRAIN_GRACE_S 10.0
#define FLUSH_TICK_MS 20
#define FLUSH_TICKS 25 /* half a second for answers that are on their way out */

struct platend {
    uv_loop_t loop;
    struct settings settings;
    char *worker_program, *engine_program;
    struct sandbox_report sandbox;
    struct service *service;
    struct api *api;
    struct http_server *http;
    struct local *local;
    uv_signal_t sigterm, sigint, sigchld;
    uv_timer_t flush_timer;
    int flush_ticks;
    bool leaving;
};

static void on_fatal(void *ctx, const char *message)
{
    (void)ctx;
    log_error("%s: this process ends, so that the next start recovers what was accepted", message);
    _exit(err_traits(ERR_IO)->exit_code); /* children go with us (PR_SET_PDEATHSIG) */
}

/* ---- the end ---- */

static void close_faces(struct platend *p)
{
    http_server_free(take_ptr(&p->http));
    local_stop(take_ptr(&p->local));
    uv_handle_t *const handles[] = {(uv_handle_t *)&p->sigterm, (uv_handle_t *)&p->sigint,
                                    (uv_handle_t *)&p->sigchld, (uv_handle_t *)&p->flush_timer};
    for (size_t i = 0; i < ARRAY_LEN(handles); i++)
        uv_close(handles[i], NULL);
    uv_stop(&p->loop);
}

static void on_flush_tick(uv_timer_t *timer)
{
    struct platend *p = timer->data;
    if (++p->flush_ticks >= FLUSH_TICKS || !p->http || http_server_connections(p->http) == 0)
        close_faces(p);
}

static void on_drained(void *ctx)
{
    struct platend *p = ctx;
    (void)uv_timer_start(&p->flush_timer, on_flush_tick, 0,
                         FLUSH_TICK_MS); /* fails only on a closing handle */
}

static void leave(struct platend *p, double grace_s)
{
    if (p->leaving)
        return;
    p->leaving = true;
    if (p->http)
        http_server_quiesce(p->http);
    service_drain(p->service, grace_s, on_drained, p);
}

static void on_end_signal(uv_signal_t *handle, int signal_number)
{
    struct platend *p = handle->data;
    if (p->leaving) {
        log_warning("second SIG%s: leaving at once", sigabbrev_np(signal_number));
        _exit(128 + signal_number);
    }
    log_info("SIG%s: shutting down", sigabbrev_np(signal_number));
    leave(p, p->settings.exit_with_parent ? 0.0 : DRAIN_GRACE_S);
}

static void on_child_signal(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    const struct platend *p = handle->data;
    service_reap_strays(p->service);
}

/* The command line that we served alone has gone: nobody waits for anything. */
static void on_client_gone(void *ctx)
{
    leave(ctx, 0.0);
}

/* ---- the start ---- */

static int find_program(const char *variable, const char *name, char **ret, struct err *err)
{
    const char *path = getenv(variable); /* for tests */
    if (path && *path) {
        *ret = xstrdup(path);
        return 0;
    }
    return spawn_find_program(name, ret, err);
}

static int harden_self(const struct settings *s, struct err *err)
{
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mallopt(M_ARENA_MAX, 2); /* the pool threads allocate little */
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_errno(err, "PR_SET_CHILD_SUBREAPER");
#ifndef __SANITIZE_ADDRESS__           /* its leak check attaches by ptrace */
    if (prctl(PR_SET_DUMPABLE, 0) < 0) /* no child of the same user may read our memory */
        return err_errno(err, "PR_SET_DUMPABLE");
#endif
    if (!s->exit_with_parent)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return err_errno(err, "PR_SET_PDEATHSIG");
    return getppid() == 1 ? err_fail(err, ERR_CRASH, "the program that started platend has gone") : 0;
}

/* Before anything is served: what cannot be confined as asked is not started. */
static int probe_sandbox(struct platend *p, struct err *err)
{
    enum sandbox_mode mode = SANDBOX_REQUIRED;
    (void)sandbox_mode_of_name(p->settings.sandbox, &mode); /* settings_load has checked it */
    int rc = sandbox_probe(p->worker_program, mode, &p->sandbox, err);
    if (rc == 0)
        rc = sandbox_report_check(&p->sandbox, err);
    if (rc < 0)
        return rc;
    if (mode == SANDBOX_OFF)
        log_warning("sandbox=off: documents are read without protection (PLATEN_SANDBOX)");
    else
        log_info("sandbox=%s", p->sandbox.text);
    return 0;
}

static int start_signals(struct platend *p, struct err *err)
{
    const struct {
        uv_signal_t *handle;
        uv_signal_cb cb;
        int number;
    } rows[] = {{&p->sigterm, on_end_signal, SIGTERM},
                {&p->sigint, on_end_signal, SIGINT},
                {&p->sigchld, on_child_signal, SIGCHLD}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows[i].handle->data = p;
        if (uv_signal_init(&p->loop, rows[i].handle) != 0 ||
            uv_signal_start(rows[i].handle, rows[i].cb, rows[i].number) != 0)
            return err_fail(err, ERR_IO, "signal handlers");
    }
    p->flush_timer.data = p;
    (void)uv_timer_init(&p->loop, &p->flush_timer); /* cannot fail */
    return 0;
}

static int tell_ready(const struct platend *p, struct err *err)
{
    const struct settings *s = &p->settings;
    int port = p->http ? http_server_port(p->http) : 0;
    if (p->http) {
        bool v6 = strchr(s->host, ':') != NULL;
        (void)printf("platend %s on http://%s%s%s:%d (data %s, %lld workers, backend %s)\n", PLATEN_VERSION,
                     v6 ? "[" : "", s->host, v6 ? "]" : "", port, s->data_dir, (long long)s->num_workers,
                     s->engine_backend);
        (void)fflush(stdout); /* a closed stdout is no reason not to serve */
    }
    if (s->ready_fd < 0)
        return 0;
    char line[32];
    (void)snprintf(line, sizeof(line), "port %d\n", port);
    CLEANUP(fd_closep) int fd = (int)s->ready_fd;
    return fd_write_all(fd, line, strlen(line), err);
}

static int start_face(struct platend *p, struct err *err)
{
    const struct settings *s = &p->settings;
    if (s->private_fd >= 0)
        return local_start(&p->loop, p->service, (int)s->private_fd, on_client_gone, p, &p->local, err);
    p->api = api_new(&p->loop, p->service, s);
    struct http_handler handler = api_handler(p->api);
    struct http_limits limits = http_limits_default((uint64_t)s->max_body_bytes);
    return http_server_new(&p->loop, s->host, (int)s->port, &handler, &limits, &p->http, err);
}

static int start(struct platend *p, struct err *err)
{
    int rc = harden_self(&p->settings, err);
    if (rc == 0)
        rc = find_program("PLATEN_WORKER_PROGRAM", "platen-worker", &p->worker_program, err);
    if (rc == 0)
        rc = find_program("PLATEN_ENGINE_PROGRAM", "platen-engine", &p->engine_program, err);
    if (rc == 0)
        rc = probe_sandbox(p, err);
    if (rc == 0 && uv_loop_init(&p->loop) != 0)
        rc = err_fail(err, ERR_IO, "event loop");
    if (rc < 0)
        return rc;
    const struct service_config sc = {.settings = &p->settings,
                                      .worker_program = p->worker_program,
                                      .engine_program = p->engine_program,
                                      .sandbox = &p->sandbox,
                                      .fatal = on_fatal,
                                      .ctx = p};
    rc = service_new(&p->loop, &sc, &p->service, err);
    if (rc == 0)
        rc = start_signals(p, err);
    if (rc == 0)
        rc = start_face(p, err);
    return rc < 0 ? rc : tell_ready(p, err);
}

static void finish(struct platend *p)
{
    api_free(p->api);
    service_free(p->service);
    if (p->settings.private_fd >= 0)
        store_erase(p->settings.data_dir, p->settings.scratch_path);
    while (uv_loop_close(&p->loop) == UV_EBUSY && uv_run(&p->loop, UV_RUN_NOWAIT) != 0)
        continue; /* closing handles */
    settings_done(&p->settings);
    free(p->worker_program);
    free(p->engine_program);
}

int main(int argc, char **argv)
{
    static struct platend p;
    struct err err = ERR_INIT;
    int action;
    settings_init(&p.settings);
    log_setup("platend", LOG_LEVEL_INFO, false);
    int rc = settings_load(&p.settings, argc, argv, &action, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "platend: %s\n", err.message);
        return err_traits(rc)->exit_code;
    }
    if (action == 'h') {
        (void)printf("platend: the document service. Speaks the docling-serve v1 API.\n\n");
        settings_print_help(stdout);
        return 0;
    }
    if (action == 'V') {
        (void)printf("platend %s\n", PLATEN_VERSION);
        return 0;
    }
    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_of_name(p.settings.log_level, &level); /* settings_load has checked it */
    log_setup("platend", level, strcmp(p.settings.log_format, "json") == 0);
    failpoint_setup();
    rc = start(&p, &err);
    if (rc < 0) {
        log_error("%s", err.message);
        return err_traits(rc)->exit_code; /* before serving: nothing to hand over */
    }
    (void)uv_run(&p.loop, UV_RUN_DEFAULT);
    finish(&p);
    log_info("platend has ended");
    return 0;
}
