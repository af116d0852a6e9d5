/*
 * platen-worker: converts the documents of one task, then exits.
 *   platen-worker --parent PID [--sandbox MODE]
 *       a task; descriptors 3 input, 4 output, 5 supervisor, 6 engine, 7… sources
 *   platen-worker --probe-sandbox
 *       says on descriptor 3 what of the sandbox holds here (process/probe.h)
 *   platen-worker --run FILE [--to md,json,html,text,doctags]
 *       by hand, without an engine: text layers only, to stdout
 *
 * Invariant: when the supervisor's socket says cancel or ends, the process is gone at once; the supervisor
 * owns all files.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/limits.h"
#include "ipc/frame.h"
#include "process/harden.h"
#include "process/probe.h"
#include "process/sandbox.h"
#include "worker/engine_client.h"
#include "worker/export/export.h"
#include "worker/response.h"
#include "worker/task.h"

enum { FD_INPUT = 3, FD_OUTPUT = 4, FD_CONTROL = 5, FD_ENGINE = 6 };

#define EXIT_CANCELLED 3

static struct ipc_frame control_frame; /* 64 KiB: not on the stack */

/* The supervisor spoke, or is gone. There is nothing to save: it owns the files. */
static int on_control(void *ctx, struct err *err)
{
    (void)ctx;
    int rc = ipc_recv(FD_CONTROL, &control_frame, err);
    if (rc == ERR_BUSY)
        return 0;
    if (rc == 1)
        fd_closep(&control_frame.fd);
    if (rc != 1 || control_frame.type == IPC_WORKER_CANCEL)
        _exit(EXIT_CANCELLED);
    return err_fail(err, ERR_FORMAT, "the supervisor sent a frame of type %u", (unsigned)control_frame.type);
}

static int check_control(void *ctx, struct err *err)
{
    struct pollfd p = {.fd = FD_CONTROL, .events = POLLIN};
    return poll(&p, 1, 0) > 0 ? on_control(ctx, err) : 0;
}

static void send_progress(void *ctx, int done, int total, const char *stage)
{
    (void)ctx;
    static uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
    struct ipc_progress m = {.pages_done = (uint32_t)MAX(done, 0), .pages_total = (uint32_t)MAX(total, 0)};
    (void)snprintf(m.stage, sizeof(m.stage), "%s", stage);
    size_t len = ipc_encode_progress(&m, payload);
    struct err err = ERR_INIT;
    if (len > 0 && ipc_send(FD_CONTROL, IPC_WORKER_PROGRESS, 0, 0, payload, len, -1, &err) == ERR_CRASH)
        _exit(EXIT_CANCELLED);
}

static int report(int rc, const struct ipc_done *done, const struct err *error)
{
    static uint8_t payload[IPC_PAYLOAD_MAX_BYTES];
    struct err err = ERR_INIT;
    size_t len;
    if (rc == 0) {
        len = ipc_encode_done(done, payload);
        rc = ipc_send(FD_CONTROL, IPC_WORKER_DONE, 0, 0, payload, len, -1, &err);
        return rc == 0 ? 0 : 1;
    }
    struct ipc_failure f = {.kind = rc};
    (void)snprintf(f.message, sizeof(f.message), "%s", error->message);
    len = ipc_encode_failure(&f, payload);
    (void)ipc_send(FD_CONTROL, IPC_WORKER_FAIL, 0, 0, payload, len, -1, &err);
    return err_traits(error->kind)->exit_code;
}

static bool is_socket(int fd)
{
    int type;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

/* Before the first input byte is read. */
static int confine(pid_t parent, enum sandbox_mode mode, struct err *err)
{
    const struct harden_limits limits = {.data_bytes = LIMIT_WORKER_DATA_BYTES,
                                         .file_bytes = LIMIT_OUTPUT_BYTES,
                                         .open_files = LIMIT_WORKER_OPEN_FILES,
                                         .alone = true};
    const struct sandbox_policy policy = {.role = SANDBOX_WORKER, .mode = mode};
    struct sandbox_state state;
    int rc = harden_child(parent, &limits, err);
    return rc == 0 ? sandbox_apply(&policy, &state, err) : rc;
}

static int run_task(pid_t parent, enum sandbox_mode mode)
{
    static const struct pipeline_hooks hooks = {.progress = send_progress, .check = check_control};
    struct err err = ERR_INIT;
    int rc = confine(parent, mode, &err);
    if (rc != 0)
        return report(rc, NULL, &err);
    struct task task = {0};
    rc = task_read(FD_INPUT, &task, &err);
    struct engine_client *engine = is_socket(FD_ENGINE)
                                       ? engine_client_new(FD_ENGINE, FD_CONTROL, on_control, NULL)
                                       : NULL;
    struct ipc_done done = {0};
    if (rc == 0)
        rc = task_run(&task, FD_OUTPUT, engine ? engine_client_vision(engine) : NULL, &hooks, &done, &err);
    int code = report(rc, &done, &err);
    engine_client_free(engine);
    task_done(&task);
    return code;
}

static int run_file(const char *path, const char *formats)
{
    struct convert_options o;
    struct option_problem problem;
    struct document *d = NULL;
    struct err err = ERR_INIT;
    convert_options_init(&o);
    if (convert_options_set_field(&o, "to_formats", formats, true, &problem) != 0) {
        log_error("--to %s: %s", formats, problem.msg);
        convert_options_done(&o);
        return 2;
    }
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *slash = strrchr(path, '/');
    struct pipeline_job job = {
        .fd = fd, .filename = slash ? slash + 1 : path, .options = &o, .max_pages = LIMIT_PDF_PAGES};
    int rc = fd < 0 ? err_errno(&err, "opening %s", path) : pipeline_convert(&job, &d, &err);
    if (rc == 0) {
        static void (*const exports[])(const struct document *, const struct export_options *,
                                       struct buf *) = {export_markdown, export_json, export_html,
                                                        export_text, export_doctags};
        struct export_options eo;
        response_export_options(&o, "artifacts", &eo);
        for (size_t i = 0; i < ARRAY_LEN(exports) && rc == 0; i++) {
            if (!(o.to_formats & (1u << i)))
                continue;
            struct buf b = BUF_INIT(LIMIT_OUTPUT_BYTES);
            exports[i](d, &eo, &b);
            buf_putc(&b, '\n');
            rc = fd_write_all(STDOUT_FILENO, buf_str(&b), b.len, &err);
            buf_done(&b);
        }
    }
    for (size_t i = 0; d && i < d->error_count; i++)
        log_warning("%s", d->errors[i].message);
    if (rc != 0)
        log_error("%s", err.message);
    document_free(d);
    convert_options_done(&o);
    return rc == 0 ? 0 : err_traits(err.kind)->exit_code;
}

int main(int argc, char **argv)
{
    log_setup("platen-worker", LOG_LEVEL_INFO, false);
    (void)signal(SIGPIPE, SIG_IGN);
    enum sandbox_mode mode = SANDBOX_REQUIRED;
    bool mode_known = argc == 3 || (argc == 5 && strcmp(argv[3], "--sandbox") == 0 &&
                                    sandbox_mode_of_name(argv[4], &mode));
    if (mode_known && strcmp(argv[1], "--parent") == 0)
        return run_task((pid_t)atol(argv[2]), mode);
    if (argc == 2 && strcmp(argv[1], "--probe-sandbox") == 0)
        return sandbox_probe_run(PROBE_FD);
    if (argc >= 3 && strcmp(argv[1], "--run") == 0)
        return run_file(argv[2], argc == 5 && strcmp(argv[3], "--to") == 0 ? argv[4] : "md");
    (void)fprintf(stderr, "platen-worker is started by platend.\nBy hand: platen-worker --run FILE [--to "
                          "md,json,html,text,doctags]\n");
    return 2;
}
