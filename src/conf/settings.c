/*
 * The table of settings, and its three readers: environment, flags, help. Invariant: every field of struct
 * settings has exactly one row, so a setting cannot exist without a flag or an environment name, a range, a
 * default and a sentence of help.
 *
 * Deliberate difference from docling-serve: the default host is 127.0.0.1, not 0.0.0.0. A service that reads
 * private documents and has no key by default should not be open to the network because someone forgot a
 * flag.
 */
#include "conf/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/macros.h"
#include "base/mem.h"
#include "conf/text.h"

enum row_type { ROW_STRING, ROW_CHOICE, ROW_BOOL, ROW_INT, ROW_BYTES, ROW_SECONDS, ROW_NUMBER };

#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)
#define TIB (1024.0 * GIB)
#define DAY 86400.0

struct row {
    const char *flag;   /* without dashes, or NULL */
    const char *env[4]; /* first found wins */
    size_t offset;
    enum row_type type;
    double min, max;
    bool clamp;            /* over max: max is used (docling's sys.maxsize) */
    const char *choices;   /* ROW_CHOICE: "a|b|c" */
    const char *def;       /* as text */
    const char *def_shown; /* when the default is computed */
    const char *group;     /* heading; set on the first row of a group */
    const char *help;
};

#define AT(field) .offset = offsetof(struct settings, field)

static const struct row rows[] = {
    {"host",
     {"PLATEN_HOST", "UVICORN_HOST"},
     AT(host),
     ROW_STRING,
     .def = "127.0.0.1",
     .group = "Serving",
     .help = "address to listen on; 0.0.0.0 opens the service to the network (docling-serve's default; here "
             "you ask for it)"},
    {"port",
     {"PLATEN_PORT", "UVICORN_PORT"},
     AT(port),
     ROW_INT,
     0,
     65535,
     .def = "5001",
     .help = "port to listen on; 0 takes any free port and prints it"},
    {"data",
     {"PLATEN_DATA"},
     AT(data_dir),
     ROW_STRING,
     .def = "",
     .def_shown = "~/.local/state/platen",
     .help = "folder for the task store, uploads and results"},
    {"scratch",
     {"PLATEN_SCRATCH_PATH", "DOCLING_SERVE_SCRATCH_PATH"},
     AT(scratch_path),
     ROW_STRING,
     .def = "",
     .def_shown = "DATA/scratch",
     .help = "folder for the files of running tasks"},
    {"models",
     {"PLATEN_MODELS", "DOCLING_SERVE_ARTIFACTS_PATH"},
     AT(artifacts_path),
     ROW_STRING,
     .def = "",
     .def_shown = "beside the programs",
     .help = "folder with the models and their manifest.json"},
    {"cache",
     {"PLATEN_CACHE_DIR"},
     AT(cache_dir),
     ROW_STRING,
     .def = "",
     .def_shown = "~/.cache/platen",
     .help = "folder for compiled models"},
    {"log-level",
     {"PLATEN_LOG_LEVEL", "DOCLING_SERVE_LOG_LEVEL"},
     AT(log_level),
     ROW_CHOICE,
     .choices = "debug|info|warning|error",
     .def = "info",
     .help = "least severity that is logged"},
    {"log-format",
     {"PLATEN_LOG_FORMAT", "DOCLING_SERVE_LOG_FORMAT"},
     AT(log_format),
     ROW_CHOICE,
     .choices = "text|json",
     .def = "text",
     .help = "form of the log lines on stderr"},
    {NULL,
     {"PLATEN_API_KEY", "DOCLING_SERVE_API_KEY"},
     AT(api_key),
     ROW_STRING,
     .def = "",
     .help = "key that clients must send as X-Api-Key; no flag, since it would show in ps"},
    {"show-version-info",
     {"PLATEN_SHOW_VERSION_INFO", "DOCLING_SERVE_SHOW_VERSION_INFO"},
     AT(show_version_info),
     ROW_BOOL,
     .def = "true",
     .help = "answer GET /version"},

    {"max-file-size",
     {"PLATEN_MAX_FILE_SIZE", "DOCLING_SERVE_MAX_FILE_SIZE"},
     AT(max_file_bytes),
     ROW_BYTES,
     1,
     TIB,
     .clamp = true,
     .def = "100M",
     .group = "Limits",
     .help = "largest single file"},
    {"max-body-size",
     {"PLATEN_MAX_BODY_SIZE"},
     AT(max_body_bytes),
     ROW_BYTES,
     1024,
     TIB,
     .clamp = true,
     .def = "256M",
     .help = "largest request"},
    {"max-num-pages",
     {"PLATEN_MAX_NUM_PAGES", "DOCLING_SERVE_MAX_NUM_PAGES"},
     AT(max_num_pages),
     ROW_INT,
     1,
     1e6,
     .clamp = true,
     .def = "2000",
     .help = "most pages of one document"},
    {"max-sources",
     {"PLATEN_MAX_SOURCES", "DOCLING_SERVE_MAX_SOURCES_PER_REQUEST"},
     AT(max_sources),
     ROW_INT,
     1,
     1000,
     .clamp = true,
     .def = "20",
     .help = "most documents of one request"},
    {"max-images-scale",
     {"PLATEN_MAX_IMAGES_SCALE", "DOCLING_SERVE_MAX_IMAGES_SCALE"},
     AT(max_images_scale),
     ROW_NUMBER,
     0.1,
     8,
     .def = "2.0",
     .help = "largest images_scale that a request may ask for"},
    {"queue-max-size",
     {"PLATEN_QUEUE_MAX_SIZE", "DOCLING_SERVE_QUEUE_MAX_SIZE"},
     AT(queue_max_size),
     ROW_INT,
     1,
     1e6,
     .clamp = true,
     .def = "1000",
     .help = "most waiting tasks; then new ones get 503 with Retry-After"},
    {"queue-max-bytes",
     {"PLATEN_QUEUE_MAX_BYTES"},
     AT(queue_max_bytes),
     ROW_BYTES,
     1024,
     1024 * TIB,
     .clamp = true,
     .def = "10G",
     .help = "most bytes of waiting uploads"},
    {"free-space-floor",
     {"PLATEN_FREE_SPACE_FLOOR"},
     AT(free_space_floor_bytes),
     ROW_BYTES,
     0,
     1024 * TIB,
     .clamp = true,
     .def = "1G",
     .help = "free disk space below which new work gets 507"},

    {"max-sync-wait",
     {"PLATEN_MAX_SYNC_WAIT", "DOCLING_SERVE_MAX_SYNC_WAIT"},
     AT(max_sync_wait_s),
     ROW_SECONDS,
     0.1,
     7 * DAY,
     .def = "120",
     .group = "Times (seconds)",
     .help = "longest wait of a synchronous call; then 504"},
    {"max-document-timeout",
     {"PLATEN_MAX_DOCUMENT_TIMEOUT", "DOCLING_SERVE_MAX_DOCUMENT_TIMEOUT"},
     AT(max_document_timeout_s),
     ROW_SECONDS,
     0.1,
     7 * DAY,
     .clamp = true,
     .def = "1800",
     .help = "longest run of one task; a request may ask for less"},
    {"no-progress-timeout",
     {"PLATEN_NO_PROGRESS_TIMEOUT"},
     AT(no_progress_timeout_s),
     ROW_SECONDS,
     0.1,
     7 * DAY,
     .def = "120",
     .help = "a worker that reports nothing for so long is ended"},
    {"kill-grace",
     {"PLATEN_KILL_GRACE"},
     AT(kill_grace_s),
     ROW_SECONDS,
     0,
     600,
     .def = "2",
     .help = "time between SIGTERM and SIGKILL"},
    {"result-removal-delay",
     {"PLATEN_RESULT_REMOVAL_DELAY", "DOCLING_SERVE_RESULT_REMOVAL_DELAY"},
     AT(result_removal_delay_s),
     ROW_SECONDS,
     0,
     365 * DAY,
     .def = "300",
     .help = "a result leaves so long after its first fetch"},
    {"result-ttl",
     {"PLATEN_RESULT_TTL"},
     AT(result_ttl_s),
     ROW_SECONDS,
     1,
     3650 * DAY,
     .def = "86400",
     .help = "a result that nobody fetched leaves after this"},
    {"single-use-results",
     {"PLATEN_SINGLE_USE_RESULTS", "DOCLING_SERVE_SINGLE_USE_RESULTS"},
     AT(single_use_results),
     ROW_BOOL,
     .def = "true",
     .help = "remove results after the first fetch (and the delay above)"},

    {"workers",
     {"PLATEN_WORKERS", "DOCLING_SERVE_ENG_LOC_NUM_WORKERS"},
     AT(num_workers),
     ROW_INT,
     1,
     1024,
     .def = "2",
     .group = "Work",
     .help = "documents converted at the same time"},
    {"engine-threads",
     {"PLATEN_ENGINE_THREADS", "DOCLING_NUM_THREADS"},
     AT(engine_threads),
     ROW_INT,
     0,
     1024,
     .def = "0",
     .help = "inference threads; 0 = one for each core"},
    {"engine-idle",
     {"PLATEN_ENGINE_IDLE"},
     AT(engine_idle_s),
     ROW_SECONDS,
     0,
     365 * DAY,
     .def = "60",
     .help = "an engine without work leaves after this, and its memory with it"},
    {"backend",
     {"PLATEN_BACKEND"},
     AT(engine_backend),
     ROW_CHOICE,
     .choices = "openvino|fake",
     .def = "openvino",
     .help = "what runs the models; fake answers made-up text, for tests"},
    {"page-batch-size",
     {"PLATEN_PAGE_BATCH_SIZE", "DOCLING_PERF_PAGE_BATCH_SIZE"},
     AT(page_batch_size),
     ROW_INT,
     1,
     64,
     .def = "10",
     .help = "pages of one document in work at the same time"},
    {"isolated",
     {"PLATEN_ISOLATED", "DOCLING_SERVE_FREE_VRAM_ON_IDLE"},
     AT(free_vram_on_idle),
     ROW_BOOL,
     .def = "false",
     .help = "an engine of its own for each task, gone with it (no effect yet: engines are pooled)"},

    {"ready-fd",
     {NULL},
     AT(ready_fd),
     ROW_INT,
     -1,
     1 << 20,
     .def = "-1",
     .group = "For programs that start platend",
     .help = "\"port N\" is written to this open file descriptor when the service answers"},
    {"private-fd",
     {NULL},
     AT(private_fd),
     ROW_INT,
     -1,
     1 << 20,
     .def = "-1",
     .help = "take jobs as frames on this open socket instead of serving HTTP; end, with the data folder, "
             "when it closes"},
    {"exit-with-parent",
     {NULL},
     AT(exit_with_parent),
     ROW_BOOL,
     .def = "false",
     .help = "end when the process that started this one ends"},
};

static void *field_of(struct settings *s, const struct row *r)
{
    return (char *)s + r->offset;
}

static bool parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* A whole number with an optional unit k, M, G (of 1024); false when it is not one. Values beyond int64
 * become the largest. */
static bool parse_whole(const char *text, bool units, int64_t *ret)
{
    const char *p = text;
    bool negative = *p == '-';
    p += negative;
    if (*p < '0' || *p > '9')
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(p, &end, 10);
    if (errno == ERANGE)
        value = INT64_MAX;
    int64_t factor = 1;
    if (units && *end) {
        static const char letters[] = "kmgt";
        const char *at = strchr(letters, *end | 0x20);
        if (!at)
            return false;
        for (const char *l = letters; l <= at; l++)
            factor *= 1024;
        end++;
        if (*end == 'i')
            end++;
        if (*end == 'B' || *end == 'b')
            end++;
    }
    if (*end)
        return false;
    int64_t product;
    if (__builtin_mul_overflow((int64_t)value, factor, &product))
        product = INT64_MAX;
    *ret = negative ? -product : product;
    return true;
}

static bool parse_number(const char *text, double *ret)
{
    if (!strchr("0123456789.-", *text) || *text == '\0')
        return false;
    char *end;
    double value = strtod(text, &end);
    if (*end || value != value)
        return false;
    *ret = value;
    return true;
}

/* "a whole number from 0 to 65535" */
static void describe_allowed(const struct row *r, struct buf *out)
{
    switch (r->type) {
    case ROW_STRING: buf_puts(out, "text"); break;
    case ROW_BOOL: buf_puts(out, "true or false"); break;
    case ROW_CHOICE:
        buf_puts(out, "one of ");
        for (const char *c = r->choices; *c; c++) {
            if (*c == '|')
                buf_puts(out, ", ");
            else
                buf_putc(out, *c);
        }
        break;
    case ROW_INT: buf_printf(out, "a whole number from %.0f to %.0f", r->min, r->max); break;
    case ROW_BYTES: buf_printf(out, "a size of at least %.0f bytes, such as 500k, 100M or 2G", r->min); break;
    case ROW_SECONDS: buf_printf(out, "seconds from %g to %.0f", r->min, r->max); break;
    case ROW_NUMBER: buf_printf(out, "a number from %g to %g", r->min, r->max); break;
    }
}

static int bad_value(const struct row *r, const char *origin, const char *text, struct err *err)
{
    struct buf allowed = BUF_INIT(512);
    describe_allowed(r, &allowed);
    int rc = err_fail(err, ERR_ARG, "%s: \"%.200s\" is not allowed; it takes %s", origin, text,
                      buf_str(&allowed));
    buf_done(&allowed);
    return rc;
}

static bool in_range(const struct row *r, double *value)
{
    if (r->clamp && *value > r->max)
        *value = r->max;
    return *value >= r->min && *value <= r->max;
}

static bool set_choice(const struct row *r, const char *text, char **field)
{
    size_t len = strlen(text);
    for (const char *c = r->choices; len > 0; c++) {
        size_t n = strcspn(c, "|");
        if (n == len && strncasecmp(c, text, n) == 0) {
            free(*field);
            *field = xstrndup(c, n); /* the table's spelling, so that users may compare */
            return true;
        }
        c += n;
        if (!*c)
            break;
    }
    return false;
}

/* origin: "--port" or "environment variable UVICORN_PORT". */
static int set_value(struct settings *s, const struct row *r, const char *origin, const char *text,
                     struct err *err)
{
    void *field = field_of(s, r);
    switch (r->type) {
    case ROW_STRING:
        free(*(char **)field);
        *(char **)field = xstrdup(text);
        return 0;
    case ROW_CHOICE: return set_choice(r, text, field) ? 0 : bad_value(r, origin, text, err);
    case ROW_BOOL: return parse_bool(text, field) ? 0 : bad_value(r, origin, text, err);
    case ROW_INT:
    case ROW_BYTES: {
        int64_t value;
        if (!parse_whole(text, r->type == ROW_BYTES, &value))
            return bad_value(r, origin, text, err);
        double as_double = (double)value;
        if (!in_range(r, &as_double))
            return bad_value(r, origin, text, err);
        *(int64_t *)field = (double)value > r->max ? (int64_t)r->max : value;
        return 0;
    }
    case ROW_SECONDS:
    case ROW_NUMBER: {
        double value;
        if (!parse_number(text, &value) || !in_range(r, &value))
            return bad_value(r, origin, text, err);
        *(double *)field = value;
        return 0;
    }
    }
    return err_fail(err, ERR_BUG, "setting %s has no type", origin);
}

void settings_init(struct settings *s)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = ERR_INIT;
        if (set_value(s, &rows[i], "default", rows[i].def, &err) != 0)
            abort(); /* a wrong table; the unit test runs this */
    }
}

void settings_done(struct settings *s)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == ROW_STRING || rows[i].type == ROW_CHOICE)
            freep(field_of(s, &rows[i]));
    }
    memset(s, 0, sizeof(*s));
}

static int load_environment(struct settings *s, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rows[i].env) && rows[i].env[k]; k++) {
            const char *text = getenv(rows[i].env[k]);
            if (!text || !*text) /* empty means unset, as compose files write it */
                continue;
            char origin[128];
            (void)snprintf(origin, sizeof(origin), "environment variable %s", rows[i].env[k]);
            int rc = set_value(s, &rows[i], origin, text, err);
            if (rc != 0)
                return rc;
            break;
        }
    }
    return 0;
}

static const struct row *row_of_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].flag && strlen(rows[i].flag) == len && strncmp(rows[i].flag, name, len) == 0)
            return &rows[i];
    }
    return NULL;
}

static int unknown_flag(const char *arg, size_t name_len, struct err *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(name_len, sizeof(name) - 1), arg);
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t d = rows[i].flag ? text_distance(name, rows[i].flag) : SIZE_MAX;
        if (d < best_distance) {
            best_distance = d;
            best = rows[i].flag;
        }
    }
    if (best && best_distance <= 1 + strlen(best) / 3)
        return err_fail(err, ERR_ARG, "unknown flag --%s; did you mean --%s?", name, best);
    return err_fail(err, ERR_ARG, "unknown flag --%s; --help lists all", name);
}

/* Handles argv[*i], and takes the next argument where the flag needs one. */
static int load_flag(struct settings *s, int argc, char **argv, int *i, struct err *err)
{
    const char *arg = argv[*i] + 2;
    size_t name_len = strcspn(arg, "=");
    const char *value = arg[name_len] == '=' ? arg + name_len + 1 : NULL;
    const struct row *r = row_of_flag(arg, name_len);
    if (!r && !value && strncmp(arg, "no-", 3) == 0) {
        r = row_of_flag(arg + 3, name_len - 3);
        if (r && r->type == ROW_BOOL)
            value = "false";
        else
            r = NULL;
    }
    if (!r)
        return unknown_flag(arg, name_len, err);
    char origin[80];
    (void)snprintf(origin, sizeof(origin), "--%s", r->flag);
    if (!value && r->type == ROW_BOOL)
        value = "true";
    if (!value) {
        if (*i + 1 >= argc) {
            struct buf allowed = BUF_INIT(512);
            describe_allowed(r, &allowed);
            int rc = err_fail(err, ERR_ARG, "%s needs a value: %s", origin, buf_str(&allowed));
            buf_done(&allowed);
            return rc;
        }
        value = argv[++*i];
    }
    return set_value(s, r, origin, value, err);
}

/* $XDG_x/platen, $HOME/fallback/platen, or the system folder where there is no home. */
static char *default_folder(const char *xdg, const char *fallback, const char *system)
{
    const char *base = getenv(xdg);
    if (base && base[0] == '/')
        return xasprintf("%s/platen", base);
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return xasprintf("%s/%s/platen", home, fallback);
    return xstrdup(system);
}

static char *default_models(void)
{
    char *dir = exe_dir();
    char *candidates[] = {xasprintf("%s/../../share/platen/models", dir),
                          xasprintf("%s/../share/platen/models", dir), xasprintf("%s/models", dir),
                          xstrdup(PLATEN_SDK_MODELS)};
    free(dir);
    size_t chosen = ARRAY_LEN(candidates) - 1;
    for (size_t i = ARRAY_LEN(candidates); i-- > 0;) {
        char *manifest = xasprintf("%s/manifest.json", candidates[i]);
        if (access(manifest, R_OK) == 0)
            chosen = i;
        free(manifest);
    }
    char *ret = take_ptr(&candidates[chosen]);
    for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
        free(candidates[i]);
    return ret;
}

static void fill_computed(struct settings *s)
{
    char *value;
    if (!*s->data_dir) {
        value = default_folder("XDG_STATE_HOME", ".local/state", "/var/lib/platen");
        free(s->data_dir);
        s->data_dir = value;
    }
    if (!*s->scratch_path) {
        value = xasprintf("%s/scratch", s->data_dir);
        free(s->scratch_path);
        s->scratch_path = value;
    }
    if (!*s->cache_dir) {
        value = default_folder("XDG_CACHE_HOME", ".cache", "/var/cache/platen");
        free(s->cache_dir);
        s->cache_dir = value;
    }
    if (!*s->artifacts_path) {
        value = default_models();
        free(s->artifacts_path);
        s->artifacts_path = value;
    }
}

int settings_load(struct settings *s, int argc, char **argv, int *ret_action, struct err *err)
{
    *ret_action = 0;
    /* Help first: it must work even where the environment is wrong. */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            *ret_action = 'h';
        else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
            *ret_action = 'V';
        if (*ret_action)
            return 0;
    }
    int rc = load_environment(s, err);
    for (int i = 1; rc == 0 && i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
            return err_fail(err, ERR_ARG, "unexpected argument \"%.200s\"; flags begin with --", argv[i]);
        rc = load_flag(s, argc, argv, &i, err);
    }
    if (rc == 0)
        fill_computed(s);
    return rc;
}

static const char *placeholder(const struct row *r)
{
    static const char *const names[] = {"TEXT", "NAME", "", "N", "SIZE", "SECONDS", "NUMBER"};
    return names[r->type];
}

static const char *shown_default(const struct row *r)
{
    return r->def_shown ? r->def_shown : *r->def ? r->def : "none";
}

void settings_print_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        if (r->group)
            (void)fprintf(out, "%s%s:\n", i ? "\n" : "", r->group);
        char left[64];
        if (r->flag)
            (void)snprintf(left, sizeof(left), "--%s %s", r->flag, placeholder(r));
        else
            (void)snprintf(left, sizeof(left), "(environment only)");
        (void)fprintf(out, "  %-30s %s", left, r->help);
        if (r->type == ROW_CHOICE)
            (void)fprintf(out, " (%s)", r->choices);
        (void)fprintf(out, "\n  %-30s default: %s", "", shown_default(r));
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++)
            (void)fprintf(out, "%s%s", k ? ", " : "; environment: ", r->env[k]);
        (void)fprintf(out, "\n");
    }
}

void settings_print_man(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        if (r->group)
            (void)fprintf(out, ".SS %s\n", r->group);
        (void)fprintf(out, ".TP\n");
        if (r->flag) {
            (void)fprintf(out, ".B \\-\\-");
            text_print_man(out, r->flag);
            (void)fprintf(out, " %s\n", placeholder(r));
        } else {
            (void)fprintf(out, ".B ");
            text_print_man(out, r->env[0]);
            (void)fprintf(out, "\n");
        }
        text_print_man(out, r->help);
        (void)fprintf(out, ". Default: ");
        text_print_man(out, shown_default(r));
        (void)fprintf(out, ".");
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++) {
            (void)fprintf(out, "%s", k ? ", " : " Environment: ");
            text_print_man(out, r->env[k]);
        }
        (void)fprintf(out, "\n");
    }
}

void settings_print_markdown(FILE *out)
{
    (void)fprintf(out, "| flag | environment | default | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        (void)fprintf(out, "| ");
        if (r->flag)
            (void)fprintf(out, "`--%s`", r->flag);
        (void)fprintf(out, " | ");
        for (size_t k = 0; k < ARRAY_LEN(r->env) && r->env[k]; k++)
            (void)fprintf(out, "%s`%s`", k ? " " : "", r->env[k]);
        (void)fprintf(out, " | %s | %s |\n", shown_default(r), r->help);
    }
}
