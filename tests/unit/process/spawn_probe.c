/* Child for test_process: hardens itself, then does what its argument says and reports on descriptor 3. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdio.h"
#include "process/harden.h"
#include "process/probe.h"

static void report_state(void)
{
    int open_fds = 0, env = 0;
    for (int fd = 3; fd < 1024; fd++)
        open_fds += fcntl(fd, F_GETFD) >= 0;
    while (environ[env])
        env++;
    dprintf(3, "fds=%d env=%d leader=%d", open_fds, env, getpgrp() == getpid());
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--probe-sandbox") == 0)
        return sandbox_probe_run(PROBE_FD);
    struct err e = ERR_INIT;
    struct harden_limits limits = {.data_bytes = 256u << 20, .file_bytes = 1u << 20};
    if (argc != 3 || harden_child((pid_t)strtol(argv[1], NULL, 10), &limits, &e) < 0)
        return 99;
    if (strcmp(argv[2], "state") == 0) {
        report_state();
        return 7;
    }
    if (strcmp(argv[2], "memory") == 0) {
        char *p = malloc(512u << 20);
        int refused = p == NULL;
        free(p);
        dprintf(3, "refused=%d", refused);
        return 0;
    }
    if (strcmp(argv[2], "hang") == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        dprintf(3, "ready");
        for (;;)
            pause();
    }
    return 98;
}
