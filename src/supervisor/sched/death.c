/*
 * See death.h. Order: our own reason > a complete result > what it reported > signal > exit status. ERR_CRASH
 * from a worker means that its engine went away: the task may have done that, so it is blamed and tried
 * again. SIGKILL without a known sender (an operator, the kernel's out-of-memory killer) is tried again too;
 * any other signal is this document's own doing and final.
 */
#include "supervisor/sched/death.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void set(struct verdict *v, enum verdict_kind kind, int error_kind, const char *message)
{
    v->kind = kind;
    v->error_kind = error_kind;
    (void)snprintf(v->message, sizeof(v->message), "%s", message);
}

static bool judge_reason(const struct death *d, struct verdict *v)
{
    char text[160];
    switch (d->reason) {
    case STOP_CANCEL: set(v, VERDICT_CANCEL, ERR_CANCELLED, "the task was cancelled"); return true;
    case STOP_TIMEOUT:
        (void)snprintf(text, sizeof(text), "the document took longer than its timeout of %g s", d->limit_s);
        set(v, VERDICT_FAIL, ERR_TIMEOUT, text);
        return true;
    case STOP_STALLED:
        (void)snprintf(text, sizeof(text), "no progress for %g s", d->limit_s);
        set(v, VERDICT_FAIL, ERR_TIMEOUT, text);
        return true;
    case STOP_PROTOCOL:
        (void)snprintf(text, sizeof(text), "the worker broke the protocol: %.100s",
                       d->message ? d->message : "bad frame");
        set(v, VERDICT_FAIL, ERR_CRASH, text);
        return true;
    case STOP_SHUTDOWN:
        if (d->done)
            return false;
        set(v, VERDICT_INTERRUPT, 0, "");
        return true;
    case STOP_NONE:
    case STOP_LINGER: break;
    }
    return false;
}

static void judge_signal(const struct death *d, struct verdict *v)
{
    char text[160];
    int signal_number = d->exit.code;
    if (signal_number == SIGKILL || signal_number == SIGTERM || signal_number == SIGINT) {
        set(v, VERDICT_BLAME, ERR_CRASH,
            "the worker was killed from outside (perhaps by the kernel, for want of memory)");
        return;
    }
    if (signal_number == SIGXCPU) {
        set(v, VERDICT_FAIL, ERR_TIMEOUT, "the document used more processor time than allowed");
        return;
    }
    /* A buffer that doubles fails as soon as its double no longer fits: just above half of the limit. The
     * last sample may be older than that, the kernel's own peak is not. */
    uint64_t peak_bytes = MAX(d->data_peak_bytes, (uint64_t)d->exit.usage.ru_maxrss << 10);
    bool near_limit = d->data_limit_bytes && peak_bytes >= d->data_limit_bytes / 5 * 2;
    if (signal_number == SIGABRT && near_limit) {
        (void)snprintf(text, sizeof(text),
                       "the document needs more memory than the %llu MiB that a worker may use",
                       (unsigned long long)(d->data_limit_bytes >> 20));
        set(v, VERDICT_FAIL, ERR_MEMORY, text);
        return;
    }
    (void)snprintf(text, sizeof(text), "the worker died on this document (SIG%s)",
                   sigabbrev_np(signal_number));
    set(v, VERDICT_FAIL, ERR_CRASH, text);
}

void death_judge(const struct death *d, struct verdict *ret)
{
    struct verdict v = {0};
    if (judge_reason(d, &v)) {
        *ret = v;
        return;
    }
    if (d->done) {
        set(&v, VERDICT_DONE, 0, "");
    } else if (d->failure_kind == ERR_CRASH) {
        set(&v, VERDICT_BLAME, ERR_CRASH, d->message);
    } else if (d->failure_kind) {
        set(&v, VERDICT_FAIL, d->failure_kind, d->message);
    } else if (d->exit.signalled) {
        judge_signal(d, &v);
    } else {
        char text[80];
        (void)snprintf(text, sizeof(text), "the worker ended with status %d and no result", d->exit.code);
        set(&v, VERDICT_FAIL, ERR_CRASH, text);
    }
    *ret = v;
}
