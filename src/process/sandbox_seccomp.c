/*
 * The system call filter: one table of names with what the worker and the engine may do with each, and the
 * small assembler that turns it into BPF. Invariants: a call of a foreign architecture or of the x32 table
 * ends the process; a call that is not in the table gets ENOSYS, as on a kernel that does not have it, so
 * that the C library falls back; calls that only an attacker makes end the process at once (SIGSYS). Written
 * by hand rather than with libseccomp: it is one table either way, and this one adds no library to any
 * program. Arguments are compared as the kernel reads them: the lower half of those that it takes as int.
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
/* Newer than the headers of the build machine may be; one number on all architectures. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum verdict {
    NOSYS, /* as if the kernel did not have it */
    ALLOW,
    DENY,    /* EPERM */
    KILL,    /* SIGSYS for the whole process */
    PRETEND, /* answers 0 and does nothing */
    /* by argument; what does not fit gets EPERM */
    IF_OWN_PID,     /* the first is our pid */
    IF_SELF,        /* the first is 0 */
    IF_THREAD,      /* clone: a thread, no process and no namespace */
    IF_FCNTL,       /* nothing that makes the kernel signal others */
    IF_IOCTL,       /* questions only */
    IF_PRCTL,       /* names of threads and mappings */
    IF_QUERY,       /* prlimit64: of ourselves, and without a new value */
    IF_READING,     /* openat: for reading; EACCES when files are closed altogether */
    IF_READING_OLD, /* open: the same, flags are the second argument */
    IF_NOT_CODE,    /* mprotect: not PROT_EXEC */
    IF_FILE_CODE,   /* mmap: PROT_EXEC only for a file, and not writable */
    IF_CONNECTED,   /* sendto: no address */
};

struct row {
    int number;
    const char *name;
    enum verdict worker, engine;
};

#define CALL(name, worker, engine)                                                                           \
    {                                                                                                        \
        SYS_##name, #name, worker, engine                                                                    \
    }
#define BOTH(name, verdict)                                                                                  \
    {                                                                                                        \
        SYS_##name, #name, verdict, verdict                                                                  \
    }

static const struct row rows[] = {
    /* what both do most, first */
    BOTH(futex, ALLOW),
    BOTH(read, ALLOW),
    BOTH(write, ALLOW),
    CALL(mprotect, IF_NOT_CODE, ALLOW), /* the engine generates code */
    CALL(mmap, IF_FILE_CODE, ALLOW),
    BOTH(munmap, ALLOW),
    BOTH(madvise, ALLOW),
    BOTH(mremap, ALLOW),
    BOTH(brk, ALLOW),
    BOTH(close, ALLOW),
    BOTH(clock_gettime, ALLOW),
    BOTH(sched_yield, ALLOW),
    BOTH(recvmsg, ALLOW),
    BOTH(sendmsg, ALLOW), /* over inherited sockets, which are connected */
    /* files and descriptors that we hold */
    BOTH(pread64, ALLOW),
    BOTH(pwrite64, ALLOW),
    BOTH(readv, ALLOW),
    BOTH(writev, ALLOW),
    BOTH(lseek, ALLOW),
    BOTH(fstat, ALLOW),
    BOTH(fsync, ALLOW),
    BOTH(fdatasync, ALLOW),
    BOTH(ftruncate, ALLOW),
    BOTH(fallocate, ALLOW),
    BOTH(dup, ALLOW),
    BOTH(dup3, ALLOW),
    BOTH(fcntl, IF_FCNTL),
    BOTH(ioctl, IF_IOCTL),
    BOTH(memfd_create, ALLOW), /* pages go to the engine in these */
    BOTH(msync, ALLOW),
    CALL(flock, DENY, ALLOW),
    CALL(getdents64, ALLOW, ALLOW),
    /* paths: Landlock decides which */
    CALL(openat, IF_READING, ALLOW),
    BOTH(newfstatat, ALLOW), /* fstat of the C library is this one, with an empty path */
    CALL(readlinkat, DENY, ALLOW),
    CALL(faccessat, DENY, ALLOW),
    CALL(statfs, DENY, ALLOW),
    BOTH(fstatfs, ALLOW),
    CALL(getcwd, DENY, ALLOW),
    CALL(mkdirat, DENY, ALLOW),
    CALL(unlinkat, DENY, ALLOW),
    CALL(renameat2, DENY, ALLOW),
    CALL(fchmod, DENY, PRETEND), /* Landlock knows nothing of modes, and OpenVINO sets those of its cache */
    CALL(fchmodat, DENY, PRETEND),
    BOTH(openat2, NOSYS),
    BOTH(statx, NOSYS),
    BOTH(faccessat2, NOSYS),
    BOTH(fchown, DENY),
    BOTH(fchownat, DENY),
    BOTH(linkat, DENY),
    BOTH(symlinkat, DENY),
    BOTH(mknodat, DENY),
    BOTH(truncate, DENY),
    BOTH(utimensat, DENY),
    BOTH(chdir, DENY),
    BOTH(fchdir, DENY),
    BOTH(setxattr, DENY),
    BOTH(lsetxattr, DENY),
    BOTH(fsetxattr, DENY),
    BOTH(removexattr, DENY),
    BOTH(getxattr, DENY),
    BOTH(inotify_init1, DENY),
    BOTH(inotify_add_watch, DENY),
    /* waiting */
    BOTH(ppoll, ALLOW),
    BOTH(pselect6, ALLOW),
    CALL(epoll_create1, DENY, ALLOW),
    CALL(epoll_ctl, DENY, ALLOW),
    CALL(epoll_pwait, DENY, ALLOW),
    CALL(eventfd2, DENY, ALLOW),
    CALL(timerfd_create, DENY, ALLOW),
    CALL(timerfd_settime, DENY, ALLOW),
    CALL(pipe2, DENY, ALLOW),
    BOTH(nanosleep, ALLOW),
    BOTH(clock_nanosleep, ALLOW),
    BOTH(clock_getres, ALLOW),
    BOTH(gettimeofday, ALLOW),
    BOTH(restart_syscall, ALLOW),
    /* ourselves */
    BOTH(exit, ALLOW),
    BOTH(exit_group, ALLOW),
    BOTH(rt_sigaction, ALLOW),
    BOTH(rt_sigprocmask, ALLOW),
    BOTH(rt_sigreturn, ALLOW),
    BOTH(sigaltstack, ALLOW),
    BOTH(getpid, ALLOW),
    BOTH(gettid, ALLOW),
    BOTH(getppid, ALLOW),
    BOTH(getuid, ALLOW),
    BOTH(geteuid, ALLOW),
    BOTH(getgid, ALLOW),
    BOTH(getegid, ALLOW),
    BOTH(getrusage, ALLOW),
    BOTH(getrandom, ALLOW),
    BOTH(sysinfo, ALLOW),
    BOTH(uname, ALLOW),
    BOTH(sched_getaffinity, ALLOW),
    CALL(sched_setaffinity, DENY, IF_SELF),
    CALL(sched_getparam, DENY, ALLOW),
    CALL(sched_getscheduler, DENY, ALLOW),
    CALL(sched_get_priority_min, DENY, ALLOW),
    CALL(sched_get_priority_max, DENY, ALLOW),
    BOTH(getcpu, ALLOW),
    CALL(mbind, DENY, ALLOW),
    CALL(get_mempolicy, DENY, ALLOW),
    CALL(membarrier, NOSYS, ALLOW),
    CALL(mincore, DENY, ALLOW),
    BOTH(set_robust_list, ALLOW),
    BOTH(rseq, ALLOW),
    CALL(set_tid_address, DENY, ALLOW),
    CALL(clone, DENY, IF_THREAD),
    BOTH(clone3, NOSYS), /* its flags lie in memory; the C library falls back to clone */
    BOTH(futex_waitv, NOSYS),
    BOTH(tgkill, IF_OWN_PID), /* abort() */
    BOTH(kill, IF_OWN_PID),
    BOTH(prctl, IF_PRCTL),
    BOTH(prlimit64, IF_QUERY),
    BOTH(getrlimit, ALLOW),
    /* sockets that we hold */
    BOTH(getsockopt, ALLOW),
    CALL(setsockopt, DENY, ALLOW),
    BOTH(shutdown, ALLOW),
    BOTH(sendto, IF_CONNECTED),
    BOTH(recvfrom, ALLOW),
    BOTH(socketpair, DENY),
    /* what a library may try and live without */
    BOTH(tkill, DENY),
    BOTH(rt_sigqueueinfo, DENY),
    BOTH(rt_tgsigqueueinfo, DENY),
    BOTH(pidfd_open, DENY),
    BOTH(pidfd_send_signal, DENY),
    BOTH(setrlimit, DENY),
    BOTH(setpriority, DENY),
    BOTH(ioprio_set, DENY),
    BOTH(sched_setscheduler, DENY),
    BOTH(sched_setparam, DENY),
    BOTH(sched_setattr, DENY),
    BOTH(set_mempolicy, DENY),
    BOTH(migrate_pages, DENY),
    BOTH(move_pages, DENY),
    BOTH(pkey_mprotect, DENY),
    BOTH(mlock, DENY),
    BOTH(mlockall, DENY),
    BOTH(setpgid, DENY),
    BOTH(setsid, DENY),
    BOTH(wait4, DENY),
    BOTH(waitid, DENY),
    BOTH(capget, DENY),
    BOTH(capset, DENY),
    BOTH(personality, DENY),
    BOTH(seccomp, DENY),
    BOTH(timer_create, DENY),
    BOTH(shmget, DENY),
    BOTH(shmat, DENY),
    BOTH(msgget, DENY),
    BOTH(semget, DENY),
    BOTH(mq_open, DENY),
    BOTH(syslog, DENY),
    /* what only an attacker does here */
    BOTH(execve, KILL),
    BOTH(execveat, KILL),
    BOTH(ptrace, KILL),
    BOTH(process_vm_readv, KILL),
    BOTH(process_vm_writev, KILL),
    BOTH(pidfd_getfd, KILL),
    BOTH(kcmp, KILL),
    BOTH(socket, KILL),
    BOTH(connect, KILL),
    BOTH(bind, KILL),
    BOTH(listen, KILL),
    BOTH(accept, KILL),
    BOTH(accept4, KILL),
    BOTH(bpf, KILL),
    BOTH(perf_event_open, KILL),
    BOTH(keyctl, KILL),
    BOTH(add_key, KILL),
    BOTH(request_key, KILL),
    BOTH(userfaultfd, KILL),
    BOTH(io_uring_setup, KILL),
    BOTH(io_uring_enter, KILL),
    BOTH(io_uring_register, KILL),
    BOTH(mount, KILL),
    BOTH(umount2, KILL),
    BOTH(pivot_root, KILL),
    BOTH(chroot, KILL),
    BOTH(open_tree, KILL),
    BOTH(move_mount, KILL),
    BOTH(fsopen, KILL),
    BOTH(fsmount, KILL),
    BOTH(unshare, KILL),
    BOTH(setns, KILL),
    BOTH(name_to_handle_at, KILL),
    BOTH(open_by_handle_at, KILL),
    BOTH(fanotify_init, KILL),
    BOTH(setuid, KILL),
    BOTH(setgid, KILL),
    BOTH(setreuid, KILL),
    BOTH(setregid, KILL),
    BOTH(setresuid, KILL),
    BOTH(setresgid, KILL),
    BOTH(setfsuid, KILL),
    BOTH(setfsgid, KILL),
    BOTH(setgroups, KILL),
    BOTH(init_module, KILL),
    BOTH(finit_module, KILL),
    BOTH(delete_module, KILL),
    BOTH(kexec_load, KILL),
    BOTH(reboot, KILL),
    BOTH(swapon, KILL),
    BOTH(swapoff, KILL),
    BOTH(acct, KILL),
    BOTH(quotactl, KILL),
    BOTH(sethostname, KILL),
    BOTH(setdomainname, KILL),
    BOTH(settimeofday, KILL),
    BOTH(clock_settime, KILL),
    BOTH(clock_adjtime, KILL),
    BOTH(adjtimex, KILL),
    BOTH(vhangup, KILL),
    BOTH(lookup_dcookie, KILL),
#ifdef __x86_64__ /* the old names, which newer architectures never had */
    CALL(open, IF_READING_OLD, ALLOW),
    BOTH(creat, DENY),
    BOTH(stat, ALLOW),
    BOTH(lstat, ALLOW),
    CALL(access, DENY, ALLOW),
    CALL(readlink, DENY, ALLOW),
    CALL(mkdir, DENY, ALLOW),
    CALL(unlink, DENY, ALLOW),
    CALL(rename, DENY, ALLOW),
    CALL(renameat, DENY, ALLOW),
    BOTH(rmdir, DENY),
    BOTH(link, DENY),
    BOTH(symlink, DENY),
    BOTH(mknod, DENY),
    CALL(chmod, DENY, PRETEND),
    BOTH(chown, DENY),
    BOTH(lchown, DENY),
    BOTH(utimes, DENY),
    BOTH(dup2, ALLOW),
    BOTH(poll, ALLOW),
    BOTH(select, ALLOW),
    CALL(epoll_create, DENY, ALLOW),
    CALL(epoll_wait, DENY, ALLOW),
    CALL(pipe, DENY, ALLOW),
    BOTH(time, ALLOW),
    BOTH(fork, DENY),
    BOTH(vfork, DENY),
    BOTH(arch_prctl, DENY),
    BOTH(iopl, KILL),
    BOTH(ioperm, KILL),
    BOTH(modify_ldt, KILL),
    BOTH(kexec_file_load, KILL),
#endif
};

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

static void emit_verdict(struct program *p, enum verdict v, uint32_t pid, bool no_open)
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
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t jump = p->count;
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rows[i].number, 0, 0);
        emit_verdict(p, role == SANDBOX_WORKER ? rows[i].worker : rows[i].engine, pid, no_open);
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
