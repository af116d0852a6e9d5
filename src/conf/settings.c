/* Reads the settings table (setting_table.c) from environment and flags into struct settings. */
#include "conf/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fdio.h"
#include "base/macros.h"
#include "base/mem.h"
#include "conf/setting_table.h"
#include "conf/text.h"

static void *field_of(struct settings *s, const struct setting_row *r)
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
static void describe_allowed(const struct setting_row *r, struct buf *out)
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

static int bad_value(const struct setting_row *r, const char *origin, const char *text, struct err *err)
{
    struct buf allowed = BUF_INIT(512);
    describe_allowed(r, &allowed);
    int rc = err_fail(err, ERR_ARG, "%s: \"%.200s\" is not allowed; it takes %s", origin, text,
                      buf_str(&allowed));
    buf_done(&allowed);
    return rc;
}

static bool in_range(const struct setting_row *r, double *value)
{
    if (r->clamp && *value > r->max)
        *value = r->max;
    return *value >= r->min && *value <= r->max;
}

static bool set_choice(const struct setting_row *r, const char *text, char **field)
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
static int set_value(struct settings *s, const struct setting_row *r, const char *origin, const char *text,
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
    for (size_t i = 0; i < setting_row_count; i++) {
        struct err err = ERR_INIT;
        if (set_value(s, &setting_rows[i], "default", setting_rows[i].def, &err) != 0)
            abort(); /* a wrong table; the unit test runs this */
    }
}

void settings_done(struct settings *s)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        if (setting_rows[i].type == ROW_STRING || setting_rows[i].type == ROW_CHOICE)
            freep(field_of(s, &setting_rows[i]));
    }
    memset(s, 0, sizeof(*s));
}

static int load_environment(struct settings *s, struct err *err)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(setting_rows[i].env) && setting_rows[i].env[k]; k++) {
            const char *text = getenv(setting_rows[i].env[k]);
            if (!text || !*text) /* empty means unset, as compose files write it */
                continue;
            char origin[128];
            (void)snprintf(origin, sizeof(origin), "environment variable %s", setting_rows[i].env[k]);
            int rc = set_value(s, &setting_rows[i], origin, text, err);
            if (rc != 0)
                return rc;
            break;
        }
    }
    return 0;
}

static const struct setting_row *row_of_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        if (setting_rows[i].flag && strlen(setting_rows[i].flag) == len &&
            strncmp(setting_rows[i].flag, name, len) == 0)
            return &setting_rows[i];
    }
    return NULL;
}

static int unknown_flag(const char *arg, size_t name_len, struct err *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(name_len, sizeof(name) - 1), arg);
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < setting_row_count; i++) {
        size_t d = setting_rows[i].flag ? text_distance(name, setting_rows[i].flag) : SIZE_MAX;
        if (d < best_distance) {
            best_distance = d;
            best = setting_rows[i].flag;
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
    const struct setting_row *r = row_of_flag(arg, name_len);
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
