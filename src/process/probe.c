/*
 * See probe.h. The supervisor's side: the line that the child sends is the line that is logged, so there is
 * one format and one parser. Invariant: whatever the child does, this returns within its time limit and
 * leaves no process behind.
 */
#include "process/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdio.h"
#include "base/mem.h"
#include "process/spawn.h"

#define PROBE_LIMIT_MS 5000
#define MISSING ";missing="
#define SANITIZED "sanitized"

static void append(char *text, size_t *len, const char *word)
{
    int n = snprintf(text + *len, PROBE_TEXT_BYTES - *len, "%s", word);
    *len = MIN(*len + (size_t)MAX(n, 0), (size_t)PROBE_TEXT_BYTES - 1);
}

static void append_names(const struct sandbox_report *r, bool wanted, char *text, size_t *len)
{
    bool first = true;
    for (unsigned i = 0; i < SANDBOX_FACILITY_COUNT; i++) {
        if (((r->facilities >> i) & 1) != wanted)
            continue;
        if (!first)
            append(text, len, ",");
        first = false;
        append(text, len, sandbox_facility_name(i));
        if (wanted && 1u << i == SANDBOX_HAS_LANDLOCK) {
            char abi[16];
            (void)snprintf(abi, sizeof(abi), "%d", r->landlock_abi);
            append(text, len, abi);
        }
    }
}

void sandbox_report_print(struct sandbox_report *r)
{
    size_t len = 0;
    r->text[0] = '\0';
    if (r->mode == SANDBOX_OFF) {
        append(r->text, &len, "off");
        return;
    }
    append_names(r, true, r->text, &len);
    if (r->sanitized)
        append(r->text, &len, r->facilities ? "," SANITIZED : SANITIZED);
    if (r->facilities != (1u << SANDBOX_FACILITY_COUNT) - 1) {
        append(r->text, &len, MISSING);
        append_names(r, false, r->text, &len);
    }
}

/* One word of what holds; false when there is no such thing. */
static bool take_word(const char *word, size_t len, struct sandbox_report *r)
{
    if (len == strlen(SANITIZED) && memcmp(word, SANITIZED, len) == 0) {
        r->sanitized = true;
        return true;
    }
    for (unsigned i = 0; i < SANDBOX_FACILITY_COUNT; i++) {
        const char *name = sandbox_facility_name(i);
        size_t n = strlen(name);
        if (len < n || memcmp(word, name, n) != 0)
            continue;
        if (1u << i == SANDBOX_HAS_LANDLOCK) {
            char *end;
            long abi = strtol(word + n, &end, 10);
            if (end != word + len || len == n || abi < 1 || abi > 1000)
                continue;
            r->landlock_abi = (int)abi;
        } else if (len != n) {
            continue;
        }
        r->facilities |= 1u << i;
        return true;
    }
    return false;
}

int sandbox_report_parse(const char *line, struct sandbox_report *ret, struct err *err)
{
    struct sandbox_report r = {.mode = SANDBOX_REQUIRED};
    if (*line == '\0' || *line == '\n')
        return err_fail(err, ERR_FORMAT, "the sandbox probe answered nothing");
    const char *end = strstr(line, MISSING);
    if (!end)
        end = line + strcspn(line, "\n");
    for (const char *p = line; p < end;) {
        size_t len = strcspn(p, ",;\n");
        if (!take_word(p, len, &r))
            return err_fail(err, ERR_FORMAT, "the sandbox probe answered \"%.100s\"", line);
        p += len + (p[len] == ',');
    }
    sandbox_report_print(&r);
    *ret = r;
    return 0;
}

/* Reads until the child closes its end, or the time is over. */
static int read_line(int fd, int64_t deadline_ms, char *line, size_t size, struct err *err)
{
    size_t len = 0;
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return err_fail(err, ERR_TIMEOUT, "the sandbox probe did not answer within %d ms",
                            PROBE_LIMIT_MS);
        ssize_t n = read(fd, line + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        if (len == size - 1)
            break;
    }
    line[len] = '\0';
    return 0;
}

static int end_child(struct child *c, int64_t deadline_ms, struct err *err)
{
    struct child_exit x = {0};
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    int64_t left = deadline_ms - clock_mono_ms();
    if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0) {
        child_signal(c, SIGKILL);
        (void)poll(&p, 1, PROBE_LIMIT_MS);
    }
    int rc = child_reap(c, &x, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_fail(err, ERR_TIMEOUT, "the sandbox probe does not end");
    if (x.signalled || x.code != 0)
        return err_fail(err, ERR_CRASH, "the sandbox probe ended with %s %d",
                        x.signalled ? "signal" : "status", x.code);
    return 0;
}

int sandbox_probe(const char *program, enum sandbox_mode mode, struct sandbox_report *ret, struct err *err)
{
    struct sandbox_report r = {.mode = mode};
    if (mode == SANDBOX_OFF) {
        sandbox_report_print(&r);
        *ret = r;
        return 0;
    }
    int64_t began_ms = clock_mono_ms();
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    const char *const argv[] = {program, "--probe-sandbox", NULL};
    const char *const env[] = {"LANG=C.UTF-8", NULL};
    const struct spawn_request q = {
        .program = program, .argv = argv, .env = env, .fds = &fds[1], .fd_count = 1, .err_fd = STDERR_FILENO};
    struct child c;
    char line[PROBE_TEXT_BYTES] = "";
    int rc = spawn_child(&q, &c, err);
    fd_closep(&fds[1]);
    if (rc == 0) {
        struct err end_err = ERR_INIT;
        rc = read_line(fds[0], began_ms + PROBE_LIMIT_MS, line, sizeof(line), err);
        int end_rc = end_child(&c, began_ms + PROBE_LIMIT_MS, &end_err);
        if (rc == 0 && end_rc < 0)
            rc = err_fail(err, end_rc, "%s", end_err.message);
    }
    fd_closep(&fds[0]);
    if (rc == 0)
        rc = sandbox_report_parse(line, &r, err);
    if (rc < 0)
        return rc;
    r.mode = mode;
    r.took_ms = clock_mono_ms() - began_ms;
    *ret = r;
    return 0;
}

int sandbox_report_check(const struct sandbox_report *r, struct err *err)
{
    unsigned needed = SANDBOX_MUST_HAVE;
    if (r->sanitized)
        needed &= ~(unsigned)SANDBOX_HAS_SECCOMP;
    unsigned missing = needed & ~r->facilities;
    if (r->mode != SANDBOX_REQUIRED || missing == 0)
        return 0;
    char names[PROBE_TEXT_BYTES] = "";
    size_t len = 0;
    for (unsigned i = 0; i < SANDBOX_FACILITY_COUNT; i++) {
        if (!((missing >> i) & 1))
            continue;
        if (len > 0)
            append(names, &len, ", ");
        append(names, &len, sandbox_facility_name(i));
    }
    return err_fail(
        err, ERR_UNSUPPORTED,
        "this system cannot confine the processes that read documents (missing: %s); mend that, or accept "
        "less with PLATEN_SANDBOX=best_effort",
        names);
}
