/*
 * `platen doctor`: one line a check, "ok" or "PROBLEM" with the mend behind it. The last check converts a
 * page, so that an "ok" at the end means that documents will work, not only that files exist.
 */
#include "cli/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "cli/session.h"
#include "conf/convert_options.h"
#include "conf/settings.h"
#include "process/spawn.h"

#define CHECK_WAIT_MS 60000
#define EXIT_MODELS 8

static int problems;
static int exit_status;

static void ok(const char *what, const char *fact)
{
    (void)printf("ok       %-10s %s\n", what, fact);
}

static void problem(const char *what, const char *fact, const char *mend, int status)
{
    (void)printf("PROBLEM  %-10s %s\n         %-10s mend: %s\n", what, fact, "", mend);
    problems++;
    exit_status = exit_status == 0 || exit_status == status ? status : 1;
}

static void check_programs(void)
{
    static const char *const names[] = {"platend", "platen-worker", "platen-engine"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = NULL;
        struct err e = ERR_INIT;
        if (spawn_find_program(names[i], &path, &e) == 0)
            ok("program", path);
        else
            problem("program", e.message, "build with `make`, or install all programs into one prefix", 70);
        free(path);
    }
}

static void check_cpu(void)
{
    __builtin_cpu_init();
    char fact[128];
    (void)snprintf(fact, sizeof(fact), "%ld cores, %s%s%s", sysconf(_SC_NPROCESSORS_ONLN),
                   __builtin_cpu_supports("avx2") ? "AVX2 " : "no AVX2 (OCR will be slow) ",
                   __builtin_cpu_supports("avx512f") ? "AVX512 " : "",
                   __builtin_cpu_supports("avx512bf16") ? "BF16" : "");
    ok("cpu", fact);
}

static void check_memory(void)
{
    struct buf b = BUF_INIT(65536);
    uint64_t kib = 0;
    if (file_read_all("/proc/meminfo", &b, NULL) == 0) {
        const char *p = strstr(buf_str(&b), "MemAvailable:");
        if (p)
            kib = strtoull(p + strlen("MemAvailable:"), NULL, 10);
    }
    buf_done(&b);
    char fact[96];
    (void)snprintf(fact, sizeof(fact), "%.1f GiB available", (double)kib / 1048576.0);
    if (kib >= 1048576)
        ok("memory", fact);
    else
        problem("memory", fact, "OCR wants about 1 GiB: stop other programs or add memory", 7);
}

static void check_folder(const char *what, const char *path)
{
    struct err e = ERR_INIT;
    struct statvfs v;
    char fact[512];
    if (dir_make_path(path, 0700, &e) < 0 || access(path, W_OK) < 0) {
        (void)snprintf(fact, sizeof(fact), "%s cannot be written", path);
        problem(what, fact, "choose a folder of your own with --data or --cache, or mend its owner", 5);
        return;
    }
    if (statvfs(path, &v) < 0) {
        problem(what, strerror(errno), "check the file system", 5);
        return;
    }
    double free_gib = (double)v.f_bavail * (double)v.f_frsize / (double)(1 << 30);
    (void)snprintf(fact, sizeof(fact), "%s, %.1f GiB free", path, free_gib);
    if (free_gib >= 1.0)
        ok(what, fact);
    else
        problem(what, fact, "free some space: below 1 GiB new work is refused", 5);
}

static void check_port(const struct settings *s)
{
    CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    char fact[64], taken[96];
    (void)snprintf(fact, sizeof(fact), "%" PRId64, s->port);
    (void)snprintf(taken, sizeof(taken), "%s is taken (perhaps by a running platend)", fact);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
        ok("port", fact);
    else
        problem("port", taken, "choose another with --port", 9);
}

/* The engine knows its models best: it checks the manifest and every file's SHA-256. */
static bool check_models(const struct settings *s)
{
    char *program = NULL;
    if (spawn_find_program("platen-engine", &program, NULL) < 0)
        return false; /* check_programs has said so */
    const char *argv[] = {program, "--verify", "--models", s->artifacts_path, NULL};
    const char *env[] = {"LANG=C.UTF-8", NULL};
    struct spawn_request q = {.program = program, .argv = argv, .env = env, .err_fd = STDERR_FILENO};
    struct child c;
    struct child_exit e = {.code = -1};
    struct err err = ERR_INIT;
    int rc = spawn_child(&q, &c, &err);
    if (rc == 0) {
        struct pollfd p = {.fd = c.pidfd, .events = POLLIN};
        if (poll(&p, 1, CHECK_WAIT_MS) <= 0)
            child_signal(&c, SIGKILL);
        (void)poll(&p, 1, -1);
        rc = child_reap(&c, &e, &err);
    }
    char *fact = xasprintf("in %s", s->artifacts_path);
    bool good = rc == 1 && !e.signalled && e.code == 0;
    if (good)
        ok("models", fact);
    else
        problem("models", fact, "run tools/setup, or point --models at the folder with manifest.json",
                EXIT_MODELS);
    free(fact);
    free(program);
    return good;
}

/* A page with two words, as a PDF that needs no file. It has no xref table: readers rebuild it. */
static const char
    page_pdf[] = "%PDF-1.4\n"
                 "1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
                 "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
                 "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 144]/Contents 4 0 "
                 "R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
                 "4 0 obj<</Length 41>>stream\nBT /F1 24 Tf 40 70 Td (platen works) Tj ET\nendstream endobj\n"
                 "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
                 "trailer<</Root 1 0 R/Size 6>>\n%%EOF\n";

static int convert_page(const struct settings *s, bool force_ocr, double *ret_ms, struct err *err)
{
    struct session *session = NULL;
    const char *const extra[] = {"--models", s->artifacts_path, "--cache", s->cache_dir, NULL};
    struct session_options o = {.workers = 1, .extra = extra};
    int64_t start_ms = clock_mono_ms();
    int rc = session_open(&o, &session, err);
    if (rc < 0)
        return rc;
    CLEANUP(fd_closep) int fd = memfd_create("page.pdf", MFD_CLOEXEC);
    char name[] = "page.pdf", plain[] = "{}", forced[] = "{\"force_ocr\":true}";
    struct ipc_job m = {name, force_ocr ? forced : plain, 0};
    rc = fd < 0 ? err_errno(err, "memfd_create") : fd_write_all(fd, page_pdf, sizeof(page_pdf) - 1, err);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = err_errno(err, "lseek");
    rc = rc < 0 ? rc : session_submit(session, 0, &m, fd, err);
    struct session_event ev = {.result_fd = -1};
    while (rc == 0) {
        rc = session_wait(session, CHECK_WAIT_MS, &ev, err);
        if (rc == 0)
            rc = err_fail(err, ERR_TIMEOUT, "no answer within %d s", CHECK_WAIT_MS / 1000);
        else if (rc > 0)
            rc = ev.type == IPC_JOB_PROGRESS ? 0 : 1;
    }
    if (rc > 0 && ev.type == IPC_JOB_FAIL)
        rc = err_fail(err, ev.failure.kind, "%s", ev.failure.message);
    struct buf b = BUF_INIT(1u << 20);
    if (rc > 0)
        rc = fd_read_all(ev.result_fd, &b, err);
    if (rc == 0 && !strstr(buf_str(&b), "platen works"))
        rc = err_fail(err, ERR_BUG, "the text of the page did not come back");
    fd_closep(&ev.result_fd);
    buf_done(&b);
    session_close(session);
    *ret_ms = (double)(clock_mono_ms() - start_ms);
    return rc;
}

static void check_conversion(const struct settings *s, const char *what, bool force_ocr)
{
    struct err e = ERR_INIT;
    double ms = 0;
    char fact[ERR_MESSAGE_BYTES + 32];
    if (convert_page(s, force_ocr, &ms, &e) == 0) {
        (void)snprintf(fact, sizeof(fact), "a page converted in %.0f ms, start of all processes included",
                       ms);
        ok(what, fact);
    } else {
        problem(what, e.message, "see the lines above; platend --log-level debug tells more",
                err_traits(e.kind)->exit_code);
    }
}

int doctor_main(int argc, char **argv)
{
    struct settings s;
    struct err e = ERR_INIT;
    int action = 0;
    settings_init(&s);
    if (settings_load(&s, argc + 1, argv - 1, &action, &e) < 0) { /* it skips the name in front */
        (void)fprintf(stderr, "platen: %s\n", e.message);
        settings_done(&s);
        return 2;
    }
    if (action == 'h') {
        (void)puts("Usage: platen doctor [SETTINGS OF platend]\n\nChecks programs, models, folders, the "
                   "port, and converts a page.");
        settings_done(&s);
        return 0;
    }
    check_programs();
    check_cpu();
    check_memory();
    bool models = check_models(&s);
    check_folder("data", s.data_dir);
    check_folder("cache", s.cache_dir);
    check_port(&s);
    (void)fflush(stdout);
    check_conversion(&s, "text", false);
    if (models)
        check_conversion(&s, "ocr", true);
    if (problems)
        (void)printf("\n%d problem%s.\n", problems, problems == 1 ? "" : "s");
    else
        (void)puts("\nAll well.");
    settings_done(&s);
    return exit_status;
}
