/*
 * The system call filter: the small assembler that turns the table (sandbox_calls.c) into BPF. Invariant: a
 * call of a foreign architecture or of the x32 table ends the process. Written by hand rather than with
 * libseccomp: it is one table either way, and this one adds no library to any program. Arguments are compared
 * as the kernel reads them: the lower half of those that it takes as int.
 */
#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/sandbox_calls.h"
#include "process/sandbox_parts.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif
#define X32_FIRST 0x40000000u
#define MAX_CODE 1024
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
struct program {
    struct sock_filter code[MAX_CODE];
    size_t count;
    bool too_long;
};

/* ---- the assembler ---- */

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    if (p->count == MAX_CODE) {
        p->too_long = true;
        return;
    }
    p->code[p->count++] = (struct sock_filter){code, if_true, if_false, k};
}

static void emit_return(struct program *p, uint32_t value)
{
    emit(p, BPF_RET | BPF_K, value, 0, 0);
}

static void emit_allow(struct program *p)
{
    emit_return(p, SECCOMP_RET_ALLOW);
}

static void emit_errno(struct program *p, int number)
{
    emit_return(p, SECCOMP_RET_ERRNO | (uint32_t)number);
}

static void emit_load(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The lower half of an argument: both architectures are little-endian. */
static void emit_load_argument(struct program *p, size_t index)
{
    emit_load(p, offsetof(struct seccomp_data, args) + index * sizeof(uint64_t));
}

/* Returns value when the accumulator is (not) k, else goes on. */
static void emit_return_if(struct program *p, uint32_t k, uint32_t value)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
    emit_return(p, value);
}

static void emit_return_unless(struct program *p, uint32_t k, uint32_t value)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0);
    emit_return(p, value);
}

static void emit_return_if_bits(struct program *p, uint32_t bits, uint32_t value)
{
    emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    emit_return(p, value);
}

static void emit_list(struct program *p, size_t argument, const uint32_t *values, size_t count)
{
    emit_load_argument(p, argument);
    for (size_t i = 0; i < count; i++)
        emit_return_if(p, values[i], SECCOMP_RET_ALLOW);
    emit_errno(p, EPERM);
}

/* ---- the rules by argument ---- */

#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define NO_ACCESS (SECCOMP_RET_ERRNO | EACCES)

static void emit_thread(struct program *p)
{
    const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                CLONE_NEWPID | CLONE_NEWNET;
    emit_load_argument(p, 0);
    emit(p, BPF_ALU | BPF_AND | BPF_K, CLONE_THREAD | namespaces, 0, 0);
    emit_return_if(p, CLONE_THREAD, SECCOMP_RET_ALLOW);
    emit_errno(p, EPERM);
}

static void emit_query(struct program *p, uint32_t pid)
{
    emit_load_argument(p, 2);
    emit_return_unless(p, 0, REFUSED);
    emit_load(p, offsetof(struct seccomp_data, args[2]) + sizeof(uint32_t));
    emit_return_unless(p, 0, REFUSED);
    const uint32_t pids[] = {0, pid};
    emit_list(p, 0, pids, ARRAY_LEN(pids));
}

static void emit_reading(struct program *p, size_t flags, bool no_open)
{
    if (!no_open) {
        emit_load_argument(p, flags);
        emit_return_if_bits(p, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, NO_ACCESS);
        emit_allow(p);
    } else {
        emit_return(p, NO_ACCESS);
    }
}

static void emit_file_code(struct program *p)
{
    emit_load_argument(p, 2);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
    emit_allow(p);
    emit_return_if_bits(p, PROT_WRITE, REFUSED);
    emit_load_argument(p, 3);
    emit_return_if_bits(p, MAP_ANONYMOUS, REFUSED);
    emit_allow(p);
}

static void emit_connected(struct program *p)
{
    emit_load_argument(p, 4);
    emit_return_unless(p, 0, REFUSED);
    emit_load(p, offsetof(struct seccomp_data, args[4]) + sizeof(uint32_t));
    emit_return_unless(p, 0, REFUSED);
    emit_allow(p);
}

static void emit_verdict(struct program *p, enum sandbox_verdict v, uint32_t pid, bool no_open)
{
    static const uint32_t none[] = {0};
    static const uint32_t fcntls[] = {F_DUPFD,     F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL,
                                      F_ADD_SEALS, F_GET_SEALS,     F_GETLK, F_SETLK, F_SETLKW};
    static const uint32_t ioctls[] = {TCGETS, FIONREAD, FIONBIO, FIOCLEX};
    static const uint32_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE,
                                      PR_GET_NO_NEW_PRIVS};
    const uint32_t own[] = {pid};
    switch (v) {
    case NOSYS: emit_errno(p, ENOSYS); break;
    case ALLOW: emit_allow(p); break;
    case DENY: emit_errno(p, EPERM); break;
    case KILL: emit_return(p, SECCOMP_RET_KILL_PROCESS); break;
    case PRETEND: emit_errno(p, 0); break;
    case IF_OWN_PID: emit_list(p, 0, own, 1); break;
    case IF_SELF: emit_list(p, 0, none, 1); break;
    case IF_THREAD: emit_thread(p); break;
    case IF_FCNTL: emit_list(p, 1, fcntls, ARRAY_LEN(fcntls)); break;
    case IF_IOCTL: emit_list(p, 1, ioctls, ARRAY_LEN(ioctls)); break;
    case IF_PRCTL: emit_list(p, 0, prctls, ARRAY_LEN(prctls)); break;
    case IF_QUERY: emit_query(p, pid); break;
    case IF_READING: emit_reading(p, 2, no_open); break;
    case IF_READING_OLD: emit_reading(p, 1, no_open); break;
    case IF_NOT_CODE:
        emit_load_argument(p, 2);
        emit_return_if_bits(p, PROT_EXEC, REFUSED);
        emit_allow(p);
        break;
    case IF_FILE_CODE: emit_file_code(p); break;
    case IF_CONNECTED: emit_connected(p); break;
    }
}

static void assemble(struct program *p, enum sandbox_role role, bool no_open)
{
    uint32_t pid = (uint32_t)getpid();
    emit_load(p, offsetof(struct seccomp_data, arch));
    emit_return_unless(p, OWN_ARCH, SECCOMP_RET_KILL_PROCESS);
    emit_load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_FIRST, 0, 1);
    emit_return(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < sandbox_call_count; i++) {
        size_t jump = p->count;
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)sandbox_calls[i].number, 0, 0);
        emit_verdict(p, role == SANDBOX_WORKER ? sandbox_calls[i].worker : sandbox_calls[i].engine, pid,
                     no_open);
        if (p->too_long)
            return;
        p->code[jump].jf = (uint8_t)(p->count - jump - 1);
    }
    emit_errno(p, ENOSYS);
}

int sandbox_seccomp_apply(enum sandbox_role role, bool no_open, struct err *err)
{
    struct program p = {0};
    assemble(&p, role, no_open);
    if (p.too_long)
        return err_fail(err, ERR_BUG, "the system call table makes more than %d instructions", MAX_CODE);
    const struct sock_fprog fprog = {.len = (unsigned short)p.count, .filter = p.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_fail(err, ERR_UNSUPPORTED, "this system refuses no_new_privs: %s", strerror(errno));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog) < 0)
        return err_fail(err, ERR_UNSUPPORTED, "this system refuses the system call filter: %s",
                        strerror(errno));
    return 0;
}
