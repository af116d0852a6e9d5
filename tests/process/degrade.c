/*
 * Runs a program as on a kernel that lacks something:
 *   degrade seccomp|landlock PROGRAM ARGS...
 * A filter of our own refuses the calls with which it would be put on. It is inherited by all below, and made
 * with bare BPF, so that nothing of what it tests is part of it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LANDLOCK_CREATE_RULESET 444

/* number: the call that fails with error, if its first argument is first (or any, for -1). */
static int refuse(unsigned number, long first, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, first < 0 ? 1 : 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    if (first < 0) { /* without the look at the argument */
        code[2] = code[4];
        code[3] = code[5];
    }
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("degrade");
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int rc = 2;
    if (strcmp(argv[1], "seccomp") == 0)
        rc = refuse(SYS_prctl, PR_SET_SECCOMP, EINVAL);
    else if (strcmp(argv[1], "landlock") == 0)
        rc = refuse(LANDLOCK_CREATE_RULESET, -1, ENOSYS);
    if (rc != 0)
        return rc;
    (void)execv(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
