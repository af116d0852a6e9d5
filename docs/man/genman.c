/*
 * Fills the generated parts of man pages and Markdown files from the tables of the programs, so that docs and
 * programs cannot differ. A line that holds "generated:NAME" opens a part, one with "generated-end" closes
 * it; all lines between are replaced. With --check nothing is printed: the exit status is 1 if the file is
 * stale.
 *
 *   genman FILE              the filled file on standard output
 *   genman --update FILE...  rewrites the files
 *   genman --check FILE...
 */
#include "cli/args.c" /* the table of flags is private to it */
#include "conf/settings.h"
#include "conf/text.h"

#define LINE_MAX_BYTES 65536

/* The manual lists a flag once: the short-named one of the command line, not the option of the same name. */
static bool is_cli_flag(const char *tp_line)
{
    char name[64];
    const char *p = strstr(tp_line, "\\-\\-");
    size_t n = 0;
    for (p = p ? p + 4 : ""; *p && *p != ' ' && *p != '\n' && n + 1 < sizeof(name); p++) {
        if (*p != '\\')
            name[n++] = *p;
    }
    name[n] = '\0';
    return find_flag(name, n) != NULL;
}

static void print_options_man(FILE *out)
{
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    if (!memory)
        abort();
    convert_options_print_man(memory);
    if (fclose(memory) != 0)
        abort();
    char *next = NULL;
    for (char *entry = text; entry && *entry; entry = next) {
        next = strstr(entry + 1, "\n.TP\n");
        next = next ? next + 1 : NULL;
        int entry_len = next ? (int)(next - entry) : (int)strlen(entry);
        if (!is_cli_flag(entry + strlen(".TP\n")))
            (void)fprintf(out, "%.*s", entry_len, entry);
    }
    free(text);
}

static void print_flags_man(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        (void)fprintf(out, ".TP\n.B ");
        if (flags[i].letter)
            (void)fprintf(out, "\\-%c, ", flags[i].letter);
        (void)fprintf(out, "\\-\\-");
        text_print_man(out, flags[i].name);
        if (flags[i].value) {
            (void)fputc(' ', out);
            text_print_man(out, flags[i].value);
        }
        (void)fputc('\n', out);
        text_print_man(out, flags[i].help);
        (void)fputs(".\n", out);
    }
}

static void print_flags_markdown(FILE *out)
{
    (void)fputs("| flag | what it does |\n|---|---|\n", out);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        (void)fputs("| `", out);
        if (flags[i].letter)
            (void)fprintf(out, "-%c`, `", flags[i].letter);
        (void)fprintf(out, "--%s%s%s` | %s |\n", flags[i].name, flags[i].value ? " " : "",
                      flags[i].value ? flags[i].value : "", flags[i].help);
    }
}

static void print_errors_markdown(FILE *out)
{
    (void)fputs("| kind | `category` in the API | HTTP status | exit status of `platen` | worth a retry |\n"
                "|---|---|---|---|---|\n",
                out);
    for (int i = 1; i < ERR_KIND_COUNT; i++) {
        const struct err_traits *t = err_traits(-i);
        (void)fprintf(out, "| %s | %s | %d | %d | %s |\n", t->name, t->category, t->http_status, t->exit_code,
                      t->retryable ? "yes" : "no");
    }
}

static const struct part {
    const char *name;
    void (*print)(FILE *out);
} parts[] = {
    {"convert-flags-man", print_flags_man},
    {"convert-options-man", print_options_man},
    {"settings-man", settings_print_man},
    {"convert-flags", print_flags_markdown},
    {"convert-options", convert_options_print_markdown},
    {"settings", settings_print_markdown},
    {"errors", print_errors_markdown},
};

static const struct part *find_part(const char *line)
{
    const char *name = strstr(line, "generated:");
    if (!name)
        return NULL;
    name += strlen("generated:");
    size_t len = strcspn(name, " \n");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (strlen(parts[i].name) == len && strncmp(parts[i].name, name, len) == 0)
            return &parts[i];
    }
    (void)fprintf(stderr, "genman: no part named %.*s\n", (int)len, name);
    exit(2);
}

static int fill(const char *path, FILE *out)
{
    FILE *in = fopen(path, "re");
    if (!in) {
        perror(path);
        return -1;
    }
    static char line[LINE_MAX_BYTES];
    bool inside = false;
    while (fgets(line, sizeof(line), in)) {
        bool ends = strstr(line, "generated-end") != NULL;
        const struct part *part = inside ? NULL : find_part(line);
        if (!inside || ends)
            (void)fputs(line, out);
        if (part)
            part->print(out);
        inside = part || (inside && !ends);
    }
    bool failed = ferror(in) || inside;
    if (inside)
        (void)fprintf(stderr, "genman: %s: a part is not closed\n", path);
    return fclose(in) != 0 || failed ? -1 : 0;
}

static int fill_text(const char *path, char **ret, size_t *ret_len)
{
    FILE *memory = open_memstream(ret, ret_len);
    if (!memory)
        return -1;
    int rc = fill(path, memory);
    return fclose(memory) != 0 ? -1 : rc;
}

static int update(const char *path)
{
    char *text = NULL;
    size_t len = 0;
    int rc = fill_text(path, &text, &len);
    FILE *out = rc == 0 ? fopen(path, "we") : NULL;
    if (rc == 0 && (!out || fwrite(text, 1, len, out) != len)) {
        perror(path);
        rc = -1;
    }
    if (out && fclose(out) != 0)
        rc = -1;
    free(text);
    return rc;
}

static int check_file(const char *path)
{
    char *text = NULL;
    size_t len = 0;
    struct buf now = BUF_INIT(64u << 20);
    struct err e = ERR_INIT;
    int rc = fill_text(path, &text, &len);
    if (rc == 0 && file_read_all(path, &now, &e) < 0) {
        (void)fprintf(stderr, "genman: %s\n", e.message);
        rc = -1;
    }
    if (rc == 0 && (now.len != len || memcmp(buf_str(&now), text, len) != 0)) {
        (void)fprintf(stderr, "%s: differs from the tables of the programs; run genman --update %s\n", path,
                      path);
        rc = -1;
    }
    buf_done(&now);
    free(text);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc == 2 && argv[1][0] != '-')
        return fill(argv[1], stdout) < 0 || fflush(stdout) != 0 ? 1 : 0;
    bool checks = argc > 2 && strcmp(argv[1], "--check") == 0;
    if (argc < 3 || (!checks && strcmp(argv[1], "--update") != 0)) {
        (void)fprintf(stderr, "usage: genman FILE | genman --update|--check FILE...\n");
        return 2;
    }
    int failed = 0;
    for (int i = 2; i < argc; i++)
        failed |= (checks ? check_file(argv[i]) : update(argv[i])) < 0;
    return failed;
}
