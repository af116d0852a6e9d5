/*
 * platen-engine: holds the models of one device and answers workers. Started by the supervisor with its end
 * of a control socket; sees pixels only, opens no socket, writes nothing outside its cache folder, and ends
 * with its supervisor.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/log.h"
#include "engine/backend/backend.h"
#include "engine/models/models.h"
#include "engine/server/server.h"
#include "process/harden.h"
#include "process/sandbox.h"

#define LARGE_BLOCK_BYTES (1024 * 1024)

struct arguments {
    long control_fd, lanes, parent;
    const char *models, *cache, *backend;
    enum sandbox_mode sandbox;
    bool warm;
};

static const char usage[] = "platen-engine --control-fd N --models DIR --parent PID [--cache DIR] [--lanes "
                            "N] [--backend NAME] [--warm] [--sandbox MODE]\n"
                            "Started by platend; not meant to be run by hand.\n";

static int parse_number(const char *text, const char *name, long min, long max, long *ret, struct err *err)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
        return err_fail(err, ERR_ARG, "--%s takes a number from %ld to %ld, not \"%s\"", name, min, max,
                        text);
    *ret = v;
    return 0;
}

static int parse(int argc, char **argv, struct arguments *ret, struct err *err)
{
    static const struct option options[] = {
        {"control-fd", required_argument, NULL, 'f'},
        {"models", required_argument, NULL, 'm'},
        {"cache", required_argument, NULL, 'c'},
        {"lanes", required_argument, NULL, 'l'},
        {"backend", required_argument, NULL, 'b'},
        {"parent", required_argument, NULL, 'p'},
        {"sandbox", required_argument, NULL, 's'},
        {"warm", no_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct arguments){.control_fd = -1, .lanes = 1, .parent = -1, .backend = "openvino", .sandbox = SANDBOX_REQUIRED};
    int r = 0, c;
    opterr = 0;
    while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'f': r = parse_number(optarg, "control-fd", 3, 1 << 20, &ret->control_fd, err); break;
        case 'l': r = parse_number(optarg, "lanes", 1, SERVER_MAX_LANES, &ret->lanes, err); break;
        case 'p': r = parse_number(optarg, "parent", 1, 1l << 30, &ret->parent, err); break;
        case 'm': ret->models = optarg; break;
        case 'c': ret->cache = optarg; break;
        case 'b': ret->backend = optarg; break;
        case 'w': ret->warm = true; break;
        case 's':
            if (!sandbox_mode_of_name(optarg, &ret->sandbox))
                r = err_fail(err, ERR_ARG, "--sandbox takes required, best_effort or off, not \"%s\"", optarg);
            break;
        case 'h': fputs(usage, stdout); exit(0);
        default: r = err_fail(err, ERR_ARG, "unknown option, or one without its value: %s", argv[optind - 1]);
        }
    }
    if (r == 0 && (optind < argc || ret->control_fd < 0 || ret->parent < 0 || ret->models == NULL))
        r = err_fail(err, ERR_ARG, "--control-fd, --models and --parent are needed, and nothing but options");
    return r;
}

/* Nothing to tidy up: what the engine holds goes with the process, and exit handlers of the runtime only cost
 * time. */
static void end_at_once(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

/* The models for reading, the cache for writing, nothing else of the file system; before the runtime starts its threads. */
static int confine(const struct arguments *a, struct err *err)
{
    const struct sandbox_path paths[] = {{a->models, false}, {a->cache, true}};
    const struct sandbox_policy policy = {
        .role = SANDBOX_ENGINE, .mode = a->sandbox, .paths = paths, .path_count = a->cache != NULL ? 2 : 1};
    struct sandbox_state state;
    return sandbox_apply(&policy, &state, err);
}

static int serve(const struct arguments *a, struct err *err)
{
    int r = 0;
    if (a->cache != NULL)
        r = dir_make_path(a->cache, 0700, err);
    if (r == 0)
        r = confine(a, err);
    struct backend *backend = NULL;
    const struct backend_options bo = {.lanes = (int)a->lanes, .cache_dir = a->cache};
    if (r == 0)
        r = backend_new(a->backend, &bo, &backend, err);
    struct models *models = NULL;
    if (r == 0)
        r = models_open(a->models, backend, (int)a->lanes, &models, err);
    const struct server_options so = {.control_fd = (int)a->control_fd,
                                      .lanes = (int)a->lanes,
                                      .warm = a->warm,
                                      .backend = backend,
                                      .models = models};
    struct server *server;
    if (r == 0)
        r = server_new(&so, &server, err);
    return r == 0 ? server_run(server, err) : r;
}

int main(int argc, char **argv)
{
    log_setup("platen-engine", LOG_LEVEL_INFO, false);
    struct err err = ERR_INIT;
    struct arguments a;
    if (parse(argc, argv, &a, &err) < 0) {
        log_error("%s", err.message);
        fputs(usage, stderr);
        return err_traits(err.kind)->exit_code;
    }
    const struct harden_limits limits = {
        0}; /* a runtime that maps devices and weights takes no RLIMIT_DATA */
    int r = harden_child((pid_t)a.parent, &limits, &err);
    umask(077);
    /* Page-sized buffers go back to the system when they are freed, instead of staying in the heap of the
     * thread that had them. */
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    (void)signal(SIGTERM, end_at_once);
    if (r == 0)
        r = serve(&a, &err);
    if (r < 0)
        log_error("%s", err.message);
    _exit(r < 0 ? err_traits(r)->exit_code : 0);
}
