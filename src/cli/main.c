/* platen: the command line. Each verb is a file; `serve` becomes platend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "cli/convert.h"
#include "cli/doctor.h"
#include "process/spawn.h"

static int serve_main(int argc, char **argv)
{
    (void)argc;
    char *program = NULL;
    struct err e = ERR_INIT;
    if (spawn_find_program("platend", &program, &e) == 0) {
        argv[-1] = program;
        (void)execv(program, argv - 1);
        (void)err_errno(&e, "%s", program);
    }
    (void)fprintf(stderr, "platen: %s\n", e.message);
    free(program);
    return 70;
}

static int version_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    (void)puts("platen " PLATEN_VERSION);
    return 0;
}

static int help_main(int argc, char **argv);

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv); /* without the verb itself */
    const char *help;
} verbs[] = {
    {"convert", convert_main, "convert files to Markdown, JSON, HTML, text or DocTags"},
    {"serve", serve_main, "run the service (the same as platend)"},
    {"doctor", doctor_main, "check that everything is in place, and say how to mend it"},
    {"version", version_main, "print the version"},
    {"help", help_main, "this text, or that of a verb"},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int help_main(int argc, char **argv)
{
    const struct verb *v = argc > 0 ? find_verb(argv[0]) : NULL;
    if (v && v->run != help_main && v->run != version_main) {
        char flag[] = "--help";
        char *args[] = {argv[0], flag, NULL};
        return v->run(1, args + 1);
    }
    (void)puts("platen turns documents into structured text.\n\n"
               "  platen convert report.pdf            Markdown to standard output\n"
               "  platen convert scans/ -o out/ -j4    a folder, four documents at once\n"
               "  platen serve                         the HTTP service on port 5001\n\nVerbs:");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        (void)printf("  %-10s %s\n", verbs[i].name, verbs[i].help);
    (void)puts("\n`platen VERB --help` tells more; platen(1) is the manual.");
    return 0;
}

int main(int argc, char **argv)
{
    log_setup("platen", LOG_LEVEL_WARNING, false);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_main(0, argv + argc);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return version_main(0, NULL);
    const struct verb *v = find_verb(argv[1]);
    if (!v) {
        (void)fprintf(stderr, "platen: no verb '%s' (platen help lists them)\n", argv[1]);
        return 2;
    }
    return v->run(argc - 2, argv + 2);
}
