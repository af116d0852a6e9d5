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
#include "base/mem.h"
#include "engine/backend/backend.h"
#include "engine/models/manifest.h"
#include "engine/models/models.h"
#include "engine/server/server.h"
#include "engine/zygote/zygote.h"
#include "process/harden.h"
#include "process/sandbox.h"

#define LARGE_BLOCK_BYTES (256 * 1024)

struct arguments {
    long control_fd, lanes, parent;
    const char *models, *cache, *backend, *preload;
    enum sandbox_mode sandbox;
    bool warm, zygote, verify;
};

/* What reading needs; layout, orientation and table are asked for by name. */
#define DEFAULT_PRELOAD "det_tiny,rec_tiny,rec_small"

static const char
    usage[] = "platen-engine --control-fd N --models DIR --parent PID [--cache DIR] [--lanes "
              "N] [--backend NAME] [--warm] [--sandbox MODE] [--zygote [--preload ROLE,ROLE…]]\n"
              "platen-engine --verify --models DIR\n"
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
        {"zygote", no_argument, NULL, 'z'},
        {"preload", required_argument, NULL, 'l' << 8},
        {"verify", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct arguments){.control_fd = -1,
                              .lanes = 1,
                              .parent = -1,
                              .backend = "openvino",
                              .preload = DEFAULT_PRELOAD,
                              .sandbox = SANDBOX_REQUIRED};
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
        case 'z': ret->zygote = true; break;
        case 'v': ret->verify = true; break;
        case 'l' << 8: ret->preload = optarg; break;
        case 's':
            if (!sandbox_mode_of_name(optarg, &ret->sandbox))
                r = err_fail(err, ERR_ARG, "--sandbox takes required, best_effort or off, not \"%s\"",
                             optarg);
            break;
        case 'h': fputs(usage, stdout); exit(0);
        default: r = err_fail(err, ERR_ARG, "unknown option, or one without its value: %s", argv[optind - 1]);
        }
    }
    if (r == 0 && ret->verify && ret->models != NULL && optind == argc)
        return 0;
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

/* The models for reading, the cache for writing, nothing else of the file system; before the runtime starts
 * its threads. */
static int confine(const struct arguments *a, struct err *err)
{
    const struct sandbox_path paths[] = {{a->models, false}, {a->cache, true}};
    const struct sandbox_policy policy = {
        .role = SANDBOX_ENGINE, .mode = a->sandbox, .paths = paths, .path_count = a->cache != NULL ? 2 : 1};
    struct sandbox_state state;
    return sandbox_apply(&policy, &state, err);
}

static int role_of_name(const char *name, enum model_role *ret)
{
    for (int role = 0; role < MODEL_ROLE_COUNT; role++) {
        if (strcmp(manifest_role_name((enum model_role)role), name) == 0) {
            *ret = (enum model_role)role;
            return 0;
        }
    }
    return ERR_ARG;
}

static int parse_roles(const char *list, enum model_role roles[MODEL_ROLE_COUNT], size_t *ret_count,
                       struct err *err)
{
    CLEANUP(freep) char *copy = xstrdup(list);
    size_t count = 0;
    char *rest = copy;
    for (const char *name; (name = strsep(&rest, ",")) != NULL;) {
        if (*name == '\0')
            continue;
        if (count == MODEL_ROLE_COUNT || role_of_name(name, &roles[count]) < 0)
            return err_fail(err, ERR_ARG, "--preload: \"%s\" is no role of a model", name);
        count++;
    }
    *ret_count = count;
    return 0;
}

/* Returns as zygote_run. The children confine themselves: what the zygote sees is its supervisor's and its
 * own models, and a filter for one that forks would let every child fork too. */
static int be_zygote(struct arguments *a, struct models *models, struct err *err)
{
    enum model_role roles[MODEL_ROLE_COUNT];
    struct zygote_options o = {
        .control_fd = (int)a->control_fd, .lanes = (int)a->lanes, .models = models, .preload = roles};
    struct zygote_child child;
    int r = parse_roles(a->preload, roles, &o.preload_count, err);
    if (r == 0)
        r = zygote_run(&o, &child, err);
    if (r != 1)
        return r;
    a->control_fd = child.control_fd;
    a->lanes = child.lanes;
    r = confine(a, err);
    return r < 0 ? r : 1;
}

/* For `platen doctor`: the manifest and every file that it names. */
static int verify(const char *folder, struct err *err)
{
    struct manifest m;
    int r = manifest_read(folder, &m, err);
    if (r < 0)
        return r;
    for (int role = 0; role < MODEL_ROLE_COUNT && r == 0; role++) {
        const struct manifest_model *model = &m.models[role];
        const struct manifest_file *const files[] = {&model->graph, &model->weights, &model->dictionary};
        for (size_t i = 0; model->name && i < ARRAY_LEN(files) && r == 0; i++)
            r = files[i]->name ? manifest_verify(folder, files[i], err) : 0;
    }
    manifest_done(&m);
    return r;
}

static int serve(struct arguments *a, struct err *err)
{
    int r = 0;
    if (a->cache != NULL)
        r = dir_make_path(a->cache, 0700, err);
    if (r == 0 && !a->zygote)
        r = confine(a, err);
    struct backend *backend = NULL;
    const struct backend_options bo = {.lanes = (int)a->lanes, .cache_dir = a->cache, .fork_safe = a->zygote};
    if (r == 0)
        r = backend_new(a->backend, &bo, &backend, err);
    struct models *models = NULL;
    if (r == 0)
        r = models_open(a->models, backend, (int)a->lanes, &models, err);
    if (r == 0 && a->zygote) {
        r = be_zygote(a, models, err);
        if (r <= 0)
            return r;
        r = 0;
    }
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
    if (a.verify) {
        int rc = verify(a.models, &err);
        if (rc < 0)
            log_error("%s", err.message);
        return rc < 0 ? err_traits(rc)->exit_code : 0;
    }
    const struct harden_limits limits = {
        0}; /* a runtime that maps devices and weights takes no RLIMIT_DATA */
    int r = harden_child((pid_t)a.parent, &limits, &err);
    umask(077);
    /* Page-sized buffers go back to the system when they are freed, instead of staying in the heap of the
     * thread that had them. */
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    mallopt(M_ARENA_MAX, 1); /* lanes hardly allocate beside each other; each further heap costs some 10 MB */
    (void)signal(SIGTERM, end_at_once);
    if (r == 0)
        r = serve(&a, &err);
    if (r < 0)
        log_error("%s", err.message);
    _exit(r < 0 ? err_traits(r)->exit_code : 0);
}
