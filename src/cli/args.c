/*
 * See args.h. Short names and conveniences are rows of one table; everything else goes to the option table of
 * conf, so that a new option is a flag without a line here.
 */
#include "cli/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"

#define MAX_PASSWORD_BYTES 1024
#define MAX_JOBS 64

typedef int set_fn(struct convert_args *a, const char *value, struct err *err);

struct flag {
    const char *name;  /* without dashes */
    char letter;       /* or 0 */
    const char *value; /* what help calls it; NULL: takes none */
    set_fn *set;
    const char *help;
};

static int set_option(struct convert_args *a, const char *option, const char *value, struct err *err)
{
    struct option_problem p = {0};
    int rc = convert_options_set_field(&a->options, option, value, true, &p);
    if (rc == ERR_NOTFOUND)
        return rc;
    return rc < 0 ? err_fail(err, ERR_ARG, "--%s %s: %s", option, value, p.msg) : 0;
}

static int set_ocr(struct convert_args *a, const char *value, struct err *err)
{
    static const struct {
        const char *name, *do_ocr, *force_ocr;
    } modes[] = {{"auto", "true", "false"},
                 {"on", "true", "false"},
                 {"off", "false", "false"},
                 {"force", "true", "true"}};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(value, modes[i].name) != 0)
            continue;
        int rc = set_option(a, "do_ocr", modes[i].do_ocr, err);
        return rc < 0 ? rc : set_option(a, "force_ocr", modes[i].force_ocr, err);
    }
    return err_fail(err, ERR_ARG, "--ocr %s: auto, on, off or force is wanted", value);
}

static int set_password_file(struct convert_args *a, const char *value, struct err *err)
{
    struct buf b = BUF_INIT(MAX_PASSWORD_BYTES);
    int rc = file_read_all(value, &b, err);
    while (rc == 0 && b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r'))
        buf_trim(&b, 1);
    rc = rc < 0 ? rc : set_option(a, "password", buf_str(&b), err);
    if (b.data)
        explicit_bzero(b.data, b.cap);
    buf_done(&b);
    return rc;
}

static int set_output(struct convert_args *a, const char *value, struct err *err)
{
    (void)err;
    free(a->output_dir);
    a->output_dir = xstrdup(value);
    return 0;
}

static int set_report(struct convert_args *a, const char *value, struct err *err)
{
    (void)err;
    free(a->report_path);
    a->report_path = xstrdup(value);
    return 0;
}

static int set_jobs(struct convert_args *a, const char *value, struct err *err)
{
    char *end = NULL;
    long n = strtol(value, &end, 10);
    if (end == value || *end != '\0' || n < 1 || n > MAX_JOBS)
        return err_fail(err, ERR_ARG, "--jobs %s: a number from 1 to %d is wanted", value, MAX_JOBS);
    a->jobs = (int)n;
    return 0;
}

static int set_on_error(struct convert_args *a, const char *value, struct err *err)
{
    if (strcmp(value, "stop") != 0 && strcmp(value, "continue") != 0)
        return err_fail(err, ERR_ARG, "--on-error %s: stop or continue is wanted", value);
    a->stop_on_error = strcmp(value, "stop") == 0;
    return 0;
}

static int set_progress(struct convert_args *a, const char *value, struct err *err)
{
    static const char *const names[] = {"auto", "bar", "plain", "json", "none"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            a->progress = (enum progress_mode)i;
            return 0;
        }
    }
    return err_fail(err, ERR_ARG, "--progress %s: auto, bar, plain, json or none is wanted", value);
}

static int set_skip_existing(struct convert_args *a, const char *value, struct err *err)
{
    (void)value, (void)err;
    a->skip_existing = true;
    return 0;
}

static int set_quiet(struct convert_args *a, const char *value, struct err *err)
{
    (void)value, (void)err;
    a->quiet = true;
    return 0;
}

static int set_verbose(struct convert_args *a, const char *value, struct err *err)
{
    (void)value, (void)err;
    a->verbose = true;
    return 0;
}

static int set_help(struct convert_args *a, const char *value, struct err *err)
{
    (void)value, (void)err;
    a->help = true;
    return 0;
}

/* Settings of the private supervisor that make sense here. */
static const char *const platend_flags[] = {"models",  "cache",         "engine-threads",
                                            "backend", "max-num-pages", "max-file-size"};

static const struct flag flags[] = {
    {"output", 'o', "DIR", set_output,
     "write NAME.EXT.md … there; needed for several inputs, folders or formats"},
    {"ocr", 0, "MODE", set_ocr, "auto (where a page has no text), on, off, force (auto)"},
    {"password-file", 0, "FILE", set_password_file, "password for encrypted documents, in a file"},
    {"jobs", 'j', "N", set_jobs, "documents at once (2)"},
    {"skip-existing", 0, NULL, set_skip_existing, "leave inputs out whose outputs exist"},
    {"on-error", 0, "ACT", set_on_error, "continue with the other inputs, or stop (continue)"},
    {"report", 0, "FILE", set_report,
     "write one JSON object an input there: status, category, message, times"},
    {"progress", 0, "MODE", set_progress, "auto, bar, plain, json or none, on standard error (auto)"},
    {"quiet", 'q', NULL, set_quiet, "only errors"},
    {"verbose", 'v', NULL, set_verbose, "the log of the processes, too"},
    {"help", 'h', NULL, set_help, "this text"},
};

/* Letters for flags of the option table. */
static const struct {
    char letter;
    const char *flag;
} option_letters[] = {{'f', "to"}, {'p', "pages"}, {'l', "ocr-lang"}};

void convert_args_print_help(void)
{
    (void)puts(
        "Usage: platen convert [FLAGS] FILE|DIR|- ...\n\n"
        "Converts documents to structured text. One input: to standard output. Several: --output DIR.\n\n"
        "  platen convert report.pdf\n"
        "  platen convert scans/ -o out/ -j4\n"
        "  curl -s URL | platen convert - -f json | jq .\n\nFlags:");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "--%s%s%s", flags[i].name, flags[i].value ? " " : "",
                       flags[i].value ? flags[i].value : "");
        if (flags[i].letter)
            (void)printf("  -%c, %-22s %s\n", flags[i].letter, name, flags[i].help);
        else
            (void)printf("      %-22s %s\n", name, flags[i].help);
    }
    (void)puts("\nOptions of the conversion (-f is --to, -p is --pages, -l is --ocr-lang):");
    convert_options_print_help(stdout);
    (void)puts(
        "\nSettings of the engine: --models DIR, --cache DIR, --engine-threads N, --backend NAME,\n"
        "--max-num-pages N, --max-file-size BYTES (see platend --help).\n\n"
        "Exit status: 0 all done, 1 inputs failed for different reasons, 2 usage, 3 unreadable or "
        "unsupported input,\n"
        "4 password needed, 5 cannot write, 6 partial result, 7 memory or time limit, 8 model missing,\n"
        "9 service unavailable, 70 our bug, 130/143 interrupted.");
}

static const struct flag *find_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0)
            return &flags[i];
    }
    return NULL;
}

static bool is_platend_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(platend_flags); i++) {
        if (strlen(platend_flags[i]) == len && strncmp(platend_flags[i], name, len) == 0)
            return true;
    }
    return false;
}

/* The value behind "=" or in the next argument. NULL and an error when there is none. */
static const char *take_value(int argc, char **argv, int *i, const char *equals, struct err *err)
{
    if (equals)
        return equals + 1;
    if (*i + 1 < argc)
        return argv[++*i];
    (void)err_fail(err, ERR_ARG, "%s needs a value", argv[*i]);
    return NULL;
}

static bool is_bool_word(const char *word)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};
    for (size_t i = 0; word && i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

/* --name=value, --name value, and --name alone for what is on or off: flag is the name in the option table.
 */
static int parse_option(struct convert_args *a, const char *flag, const char *equals, int argc, char **argv,
                        int *i, struct err *err)
{
    int kind = convert_options_flag_kind(flag);
    if (kind == 0)
        return err_fail(err, ERR_ARG, "unknown flag --%s (platen convert --help lists them)", flag);
    if (strcmp(flag, "password") == 0)
        return err_fail(err, ERR_ARG, "a password on the command line would show in ps: use --password-file");
    const char *value = NULL;
    if (kind != 2 || equals || (*i + 1 < argc && is_bool_word(argv[*i + 1]))) {
        value = take_value(argc, argv, i, equals, err);
        if (!value)
            return ERR_ARG;
    }
    struct option_problem p = {0};
    if (convert_options_set_flag(&a->options, flag, value, &p) < 0)
        return err_fail(err, ERR_ARG, "--%s %s: %s", flag, value ? value : "", p.msg);
    return 0;
}

static int pass_on(struct convert_args *a, int argc, char **argv, int *i, const char *equals, struct err *err)
{
    const char *whole = argv[*i];
    const char *value = take_value(argc, argv, i, equals, err);
    if (!value)
        return ERR_ARG;
    if (a->platend_flag_count + 3 > ARRAY_LEN(a->platend_flags))
        return err_fail(err, ERR_ARG, "too many settings");
    a->platend_flags[a->platend_flag_count++] = whole;
    if (!equals)
        a->platend_flags[a->platend_flag_count++] = value;
    return 0;
}

static int parse_long(struct convert_args *a, int argc, char **argv, int *i, struct err *err)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct flag *f = find_flag(name, len);
    if (!f && is_platend_flag(name, len))
        return pass_on(a, argc, argv, i, equals, err);
    if (!f) {
        char *flag = xstrndup(name, len);
        int rc = parse_option(a, flag, equals, argc, argv, i, err);
        free(flag);
        return rc;
    }
    if (!f->value)
        return equals ? err_fail(err, ERR_ARG, "--%s takes no value", f->name) : f->set(a, NULL, err);
    const char *value = take_value(argc, argv, i, equals, err);
    return value ? f->set(a, value, err) : ERR_ARG;
}

static int parse_short(struct convert_args *a, int argc, char **argv, int *i, struct err *err)
{
    const char *text = argv[*i];
    for (size_t k = 0; k < ARRAY_LEN(flags); k++) {
        if (flags[k].letter != text[1])
            continue;
        if (!flags[k].value)
            return text[2] ? err_fail(err, ERR_ARG, "-%c takes no value", text[1])
                           : flags[k].set(a, NULL, err);
        const char *value = text[2] ? text + 2 : take_value(argc, argv, i, NULL, err);
        return value ? flags[k].set(a, value, err) : ERR_ARG;
    }
    for (size_t k = 0; k < ARRAY_LEN(option_letters); k++) {
        if (option_letters[k].letter == text[1])
            return parse_option(a, option_letters[k].flag, text[2] ? text + 1 : NULL, argc, argv, i, err);
    }
    return err_fail(err, ERR_ARG, "unknown flag %s (platen convert --help lists them)", text);
}

static int check(struct convert_args *a, struct err *err)
{
    struct option_problem p = {0};
    if (a->help)
        return 0;
    if (a->input_count == 0)
        return err_fail(err, ERR_ARG, "no input file (platen convert --help shows how)");
    if (convert_options_check(&a->options, 1e9, 10.0, &p) < 0)
        return err_fail(err, ERR_ARG, "%s: %s", p.loc, p.msg);
    if (!a->output_dir && a->input_count > 1)
        return err_fail(err, ERR_ARG, "several inputs need --output DIR");
    if (!a->output_dir && (a->options.to_formats & (a->options.to_formats - 1)) != 0)
        return err_fail(err, ERR_ARG, "several formats need --output DIR");
    bool referenced = a->options.image_export_mode == IMAGE_EXPORT_REFERENCED;
    if (!a->output_dir && referenced)
        return err_fail(err, ERR_ARG, "referenced images need --output DIR");
    a->options.target_zip = referenced; /* pictures as files of their own */
    return 0;
}

int convert_args_parse(struct convert_args *a, int argc, char **argv, struct err *err)
{
    *a = (struct convert_args){.jobs = 2};
    convert_options_init(&a->options);
    bool only_inputs = false;
    int rc = 0;
    for (int i = 0; i < argc && rc == 0; i++) {
        const char *t = argv[i];
        if (only_inputs || t[0] != '-' || t[1] == '\0')
            *VEC_PUSH(a->inputs, a->input_count, a->input_cap) = argv[i];
        else if (strcmp(t, "--") == 0)
            only_inputs = true;
        else
            rc = t[1] == '-' ? parse_long(a, argc, argv, &i, err) : parse_short(a, argc, argv, &i, err);
    }
    return rc < 0 ? rc : check(a, err);
}

void convert_args_done(struct convert_args *a)
{
    convert_options_done(&a->options);
    free(a->inputs);
    free(a->output_dir);
    free(a->report_path);
}
