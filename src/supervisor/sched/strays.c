/*
 * What a worker leaves behind. Members of its group die with it (supervise.c); a descendant that has left the
 * group becomes our child when its parent ends, for we are its subreaper. So a child that we know nothing of
 * is a stray: it is ended and reaped. While it lives unreaped, its number cannot be another's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/log.h"
#include "supervisor/sched/inside.h"

#define LIST_BYTES 4096 /* more strays than fit come up when the first have ended */

/* The kernel gives orphans to the main thread, and only that one spawns. */
static size_t read_children(char *text, size_t size)
{
    char path[48];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0 || fd_read_full(fd, text, size - 1, &n, NULL) < 0)
        n = 0; /* a kernel without this list: strays then live until the container ends */
    text[n] = '\0';
    return n;
}

void strays_kill(const struct service *s)
{
    char text[LIST_BYTES];
    (void)read_children(text, sizeof(text));
    char *at = text;
    for (;;) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (*end != ' ') /* each number is followed by one; a cut one is not */
            return;
        at = end + 1;
        if (pid <= 1 || dispatch_knows_pid(s, (pid_t)pid) || kill((pid_t)pid, SIGKILL) < 0)
            continue;
        log_debug("killed a stray process pid=%ld", pid);
    }
}

void service_reap_strays(struct service *s)
{
    strays_kill(s);
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        if (dispatch_knows_pid(s, info.si_pid))
            return; /* its pidfd brings it; its end comes back here */
        log_debug("reaped a stray process pid=%d", (int)info.si_pid);
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}
