/*
 * `platen convert`: feeds the inputs to a private supervisor, a few at a time, and writes what comes back.
 * Messages go to standard error, only results to standard output. The exit status is that of the failures if
 * they agree, else 1.
 */
#include "cli/convert.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/session.h"

#define EXIT_USAGE 2
#define EXIT_CANNOT_WRITE 5
#define EXIT_PARTIAL 6
#define EXIT_MIXED 1
#define WAIT_MS 200

static volatile sig_atomic_t caught_signal;

static void on_signal(int signal_number)
{
    caught_signal = signal_number;
}

struct run {
    struct convert_args args;
    struct inputs inputs;
    struct session *session;
    struct progress *progress;
    char *options_json;
    FILE *report;
    size_t next, running;
    int exit_status; /* 0, or that of the failures so far */
    bool stop;
    int64_t *started_ms; /* by input */
};

static void note_exit(struct run *r, int status)
{
    if (status != 0)
        r->exit_status = r->exit_status == 0 || r->exit_status == status ? status : EXIT_MIXED;
    if (status != 0 && status != EXIT_PARTIAL && r->args.stop_on_error)
        r->stop = true;
}

static void write_report(struct run *r, size_t job, const char *status, const char *category,
                         const char *message)
{
    if (!r->report)
        return;
    struct buf b = BUF_INIT(4u << 20);
    const char *path = r->inputs.items[job].path;
    buf_puts(&b, "{\"file\":");
    buf_put_json(&b, path, strlen(path));
    buf_printf(&b, ",\"status\":\"%s\",\"category\":", status);
    buf_put_json(&b, category, strlen(category));
    buf_puts(&b, ",\"message\":");
    buf_put_json(&b, message, strlen(message));
    buf_printf(&b, ",\"seconds\":%.3f}\n", (double)(clock_mono_ms() - r->started_ms[job]) / 1000.0);
    (void)fputs(buf_str(&b), r->report);
    buf_done(&b);
}

/* One line on standard error for each line of text, with the file's name in front. */
static void complain(struct run *r, size_t job, const char *text)
{
    progress_clear(r->progress);
    const char *path = r->inputs.items[job].path;
    while (*text) {
        size_t len = strcspn(text, "\n");
        (void)fprintf(stderr, "platen: %s: %.*s\n", path, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void end_input(struct run *r, size_t job, const char *status, int exit_status, const char *category,
                      const char *message)
{
    const char *path = r->inputs.items[job].path;
    bool failed = exit_status != 0;
    if (*message && (failed || !r->args.quiet))
        complain(r, job, message);
    progress_end(r->progress, (uint32_t)job, path, status);
    write_report(r, job, status, category, message);
    note_exit(r, exit_status);
}

static void take_failure(struct run *r, size_t job, const struct ipc_failure *f)
{
    const struct err_traits *t = err_traits(f->kind);
    end_input(r, job, "failure", t->exit_code, t->category, f->message);
}

static void take_result(struct run *r, size_t job, const struct session_event *ev)
{
    struct output_result result = {0};
    struct err e = ERR_INIT;
    bool zip = strcmp(ev->done.content_type, "application/zip") == 0;
    int rc = (zip ? output_write_zip : output_write)(&r->args, &r->inputs.items[job], ev->result_fd, &result,
                                                     &e);
    if (zip && rc == 0 && ev->done.partial > 0)
        (void)snprintf(result.status, sizeof(result.status), "partial_success");
    if (rc < 0) {
        end_input(r, job, "failure", rc == ERR_BUG ? err_traits(ERR_BUG)->exit_code : EXIT_CANNOT_WRITE,
                  "internal", e.message);
    } else if (strcmp(result.status, "success") == 0) {
        end_input(r, job, result.status, 0, "", result.message);
    } else if (strcmp(result.status, "partial_success") == 0) {
        end_input(r, job, result.status, EXIT_PARTIAL, result.category, result.message);
    } else {
        int kind = ev->done.error_kind ? ev->done.error_kind : ERR_FORMAT;
        end_input(r, job, result.status, err_traits(kind)->exit_code, result.category, result.message);
    }
    output_result_done(&result);
}

static void submit_next(struct run *r)
{
    size_t job = r->next++;
    const struct input *in = &r->inputs.items[job];
    static char stdin_name[] = "stdin"; /* "-" says nothing to the service */
    struct err e = ERR_INIT;
    r->started_ms[job] = clock_mono_ms();
    if (r->args.skip_existing && output_exists(&r->args, in)) {
        end_input(r, job, "skipped", 0, "", "");
        return;
    }
    CLEANUP(fd_closep) int fd = -1;
    int rc = input_open(in, &fd, &e);
    struct ipc_job m = {in->filename, r->options_json, r->args.options.document_timeout_s};
    if (rc == 0 && strcmp(in->path, "-") == 0)
        m.filename = stdin_name;
    rc = rc < 0 ? rc : session_submit(r->session, (uint32_t)job, &m, fd, &e);
    if (rc < 0)
        end_input(r, job, "failure",
                  rc == ERR_IO ? err_traits(ERR_FORMAT)->exit_code : err_traits(rc)->exit_code,
                  err_traits(rc)->category, e.message);
    else
        r->running++;
}

static void take_event(struct run *r, struct session_event *ev)
{
    size_t job = ev->job;
    CLEANUP(fd_closep) int fd = ev->result_fd;
    if (job >= r->inputs.count)
        return;
    if (ev->type == IPC_JOB_PROGRESS) {
        progress_update(r->progress, ev->job, r->inputs.items[job].path, &ev->progress);
        return;
    }
    r->running--;
    if (ev->type == IPC_JOB_FAIL)
        take_failure(r, job, &ev->failure);
    else
        take_result(r, job, ev);
}

static int run_all(struct run *r, struct err *err)
{
    while (!caught_signal && (r->running > 0 || (r->next < r->inputs.count && !r->stop))) {
        while (r->running < (size_t)r->args.jobs && r->next < r->inputs.count && !r->stop)
            submit_next(r);
        if (r->running == 0)
            continue;
        struct session_event ev;
        int rc = session_wait(r->session, WAIT_MS, &ev, err);
        if (rc < 0 && !caught_signal)
            return rc;
        if (rc > 0)
            take_event(r, &ev);
    }
    return 0;
}

static int open_run(struct run *r, struct err *err)
{
    int rc = inputs_collect(r->args.inputs, r->args.input_count, &r->inputs, err);
    if (rc < 0)
        return rc;
    if (r->inputs.count == 0)
        return err_fail(err, ERR_NOTFOUND, "no files in what was named");
    if (!r->args.output_dir && r->inputs.count > 1)
        return err_fail(err, ERR_ARG, "several inputs need --output DIR");
    r->started_ms = xnew_array(int64_t, r->inputs.count);
    if (r->args.report_path) {
        r->report = fopen(r->args.report_path, "we");
        if (!r->report)
            return err_errno(err, "%s", r->args.report_path);
    }
    json_t *options = convert_options_to_json(&r->args.options);
    r->options_json = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    struct session_options o = {
        .workers = r->args.jobs, .extra = r->args.platend_flags, .verbose = r->args.verbose};
    return session_open(&o, &r->session, err);
}

int convert_main(int argc, char **argv)
{
    struct run r = {0};
    struct err e = ERR_INIT;
    int rc = convert_args_parse(&r.args, argc, argv, &e);
    if (rc == 0 && r.args.help) {
        convert_args_print_help();
        convert_args_done(&r.args);
        return 0;
    }
    bool usage = rc < 0;
    struct sigaction on = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &on, NULL);
    (void)sigaction(SIGTERM, &on, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    rc = rc < 0 ? rc : open_run(&r, &e);
    r.progress = progress_new(r.args.quiet ? PROGRESS_NONE : r.args.progress, r.inputs.count);
    rc = rc < 0 ? rc : run_all(&r, &e);
    session_close(r.session);
    progress_free(r.progress);
    int status = r.exit_status;
    if (rc < 0) {
        (void)fprintf(stderr, "platen: %s\n", e.message);
        status = usage || rc == ERR_ARG ? EXIT_USAGE : err_traits(rc)->exit_code;
    }
    if (caught_signal)
        status = 128 + caught_signal;
    if (r.report && fclose(r.report) != 0 && status == 0) {
        (void)fprintf(stderr, "platen: %s cannot be written\n", r.args.report_path);
        status = EXIT_CANNOT_WRITE;
    }
    free(r.options_json);
    free(r.started_ms);
    inputs_done(&r.inputs);
    convert_args_done(&r.args);
    return status;
}
