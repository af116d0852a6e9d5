/*
 * The ways out, one small function each. Nothing here does harm where it succeeds: signals are 0, and the
 * dangerous calls get arguments that fail.
 */
#include "escape_acts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fdio.h"
#include "conf/limits.h"

const char *secret;
pid_t supervisor;
struct sockaddr_in tcp_address;
struct sockaddr_un abstract_address;
socklen_t abstract_length;
static char word[64] = "a word of the supervisor";

/* A probe returns 0 when it got through, else errno. */
#define OUTCOME(call) ((call) < 0 ? errno : 0)

static int open_as(const char *path, int flags)
{
    return OUTCOME(open(path, flags | O_CLOEXEC, 0600));
}

static int open_of_supervisor(const char *name, int flags)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)supervisor, name);
    return open_as(path, flags);
}

/* ---- files ---- */
static int p_open_passwd(void)
{
    return open_as("/etc/passwd", O_RDONLY);
}
static int p_open_secret(void)
{
    return open_as(secret, O_RDONLY);
}
static int p_open_secret_legacy(void)
{
    return OUTCOME(syscall(SYS_openat, AT_FDCWD, secret, O_RDONLY));
}
static int p_open_through_proc(void)
{
    char path[4200];
    (void)snprintf(path, sizeof(path), "/proc/self/root%s", secret);
    return open_as(path, O_RDONLY);
}
static int p_list_root(void)
{
    return open_as("/", O_RDONLY | O_DIRECTORY);
}
static int p_write_tmp(void)
{
    return open_as("/tmp/platen-escape-probe", O_WRONLY | O_CREAT | O_EXCL);
}
static int p_tmpfile(void)
{
    return open_as("/tmp", O_WRONLY | O_TMPFILE);
}
static int p_change_secret(void)
{
    return open_as(secret, O_RDWR);
}
static int p_truncate(void)
{
    return OUTCOME(truncate(secret, 0));
}
static int p_unlink(void)
{
    return OUTCOME(unlink(secret));
}
static int p_chmod(void)
{
    return OUTCOME(chmod(secret, 0644));
}
static int p_setxattr(void)
{
    return OUTCOME(setxattr(secret, "user.probe", "x", 1, 0));
}
static int beside(char *path, size_t size)
{
    return snprintf(path, size, "%s.link", secret);
}
static int p_symlink(void)
{
    char path[4200];
    (void)beside(path, sizeof(path));
    return OUTCOME(symlink("/etc/passwd", path));
}
static int p_hardlink(void)
{
    char path[4200];
    (void)beside(path, sizeof(path));
    return OUTCOME(link(secret, path));
}
static int p_rename(void)
{
    char path[4200];
    (void)beside(path, sizeof(path));
    return OUTCOME(rename(secret, path));
}
static int p_mknod(void)
{
    char path[4200];
    (void)beside(path, sizeof(path));
    return OUTCOME(mknod(path, S_IFIFO | 0600, 0));
}
static int p_watch(void)
{
    int fd = inotify_init1(0);
    return fd < 0 ? errno : OUTCOME(inotify_add_watch(fd, secret, IN_ACCESS));
}
static int p_file_handle(void)
{
    char space[sizeof(struct file_handle) + 128];
    struct file_handle *h = (struct file_handle *)(void *)space;
    int mount_id;
    h->handle_bytes = 128;
    return OUTCOME(name_to_handle_at(AT_FDCWD, secret, h, &mount_id, 0));
}
/* A device: containers lack most of them, so whichever there is. */
static int p_device(void)
{
    static const char *const names[] = {"/dev/mem", "/dev/kmsg", "/dev/ptmx", "/dev/tty", "/dev/zero"};
    int outcome = ENOENT;
    for (size_t i = 0; i < ARRAY_LEN(names) && outcome == ENOENT; i++)
        outcome = open_as(names[i], O_RDONLY);
    return outcome;
}
static int p_chroot(void)
{
    return OUTCOME(chroot("/"));
}
static int p_mount(void)
{
    return OUTCOME(mount("none", "/nonexistent", "tmpfs", 0, NULL));
}

/* ---- network ---- */
static int connect_to(int family, int type, const void *address, socklen_t length)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : OUTCOME(connect(fd, address, length));
}
static int p_tcp(void)
{
    return connect_to(AF_INET, SOCK_STREAM, &tcp_address, sizeof(tcp_address));
}
static int p_udp(void)
{
    return connect_to(AF_INET, SOCK_DGRAM, &tcp_address, sizeof(tcp_address));
}
static int p_abstract(void)
{
    return connect_to(AF_UNIX, SOCK_STREAM, &abstract_address, abstract_length);
}
static int p_listen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : OUTCOME(listen(fd, 1));
}
static int p_netlink(void)
{
    return OUTCOME(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}
static int p_packet(void)
{
    return OUTCOME(socket(AF_PACKET, SOCK_RAW, 0));
}
static int p_vsock(void)
{
    return OUTCOME(socket(AF_VSOCK, SOCK_STREAM, 0));
}

/* ---- other programs, other processes ---- */
static char *const true_argv[] = {(char[]){"true"}, NULL};
static char *const no_env[] = {NULL};
static int p_execve(void)
{
    return OUTCOME(execve("/bin/true", true_argv, no_env));
}
static int p_memfd_exec(void)
{
    int fd = (int)syscall(SYS_memfd_create, "probe", 0);
    static const char script[] = "#!/bin/true\n";
    if (fd < 0 || fd_write_all(fd, script, sizeof(script) - 1, NULL) < 0)
        return errno;
    return OUTCOME(fexecve(fd, true_argv, no_env));
}
static int p_execveat(void)
{
    return OUTCOME(syscall(SYS_execveat, AT_FDCWD, "/bin/true", true_argv, no_env, 0));
}
static int outcome_of_child(long pid)
{
    if (pid == 0)
        _exit(0);
    return OUTCOME(pid);
}
static int p_fork(void)
{
    return outcome_of_child(fork());
}
static int p_raw_fork(void)
{
    return outcome_of_child(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}
static int p_clone_namespace(void)
{
    return outcome_of_child(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWNS, 0, 0, 0, 0));
}
static void *nothing(void *p)
{
    return p;
}
static int p_thread(void)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, nothing, NULL);
    return rc ? rc : pthread_join(t, NULL);
}
static int p_kill(void)
{
    return OUTCOME(kill(supervisor, 0));
}
static int p_kill_all(void)
{
    return OUTCOME(kill(-1, 0));
}
static int p_tgkill(void)
{
    return OUTCOME(syscall(SYS_tgkill, supervisor, supervisor, 0));
}
static int p_sigqueue(void)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    return OUTCOME(syscall(SYS_rt_sigqueueinfo, supervisor, 0, &info));
}
static int p_pidfd_signal(void)
{
    int fd = (int)syscall(SYS_pidfd_open, supervisor, 0);
    return fd < 0 ? errno : OUTCOME(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}
static int p_pidfd_getfd(void)
{
    return OUTCOME(syscall(SYS_pidfd_getfd, -1, 0, 0));
}
static int p_set_owner(void)
{
    return OUTCOME(fcntl(STDERR_FILENO, F_SETOWN, supervisor));
}
static int p_ptrace(void)
{
    return OUTCOME(ptrace(PTRACE_SEIZE, supervisor, NULL, NULL));
}
static int p_vm_read(void)
{
    char copy[sizeof(word)];
    struct iovec mine = {copy, sizeof(copy)}, theirs = {word, sizeof(word)};
    return OUTCOME(process_vm_readv(supervisor, &mine, 1, &theirs, 1, 0));
}
static int p_vm_write(void)
{
    struct iovec mine = {word, sizeof(word)}, theirs = {word, sizeof(word)};
    return OUTCOME(process_vm_writev(supervisor, &mine, 1, &theirs, 1, 0));
}
static int p_proc_mem(void)
{
    return open_of_supervisor("mem", O_RDWR);
}
static int p_proc_environ(void)
{
    return open_of_supervisor("environ", O_RDONLY);
}
static int p_proc_fd(void)
{
    return open_of_supervisor("fd", O_RDONLY | O_DIRECTORY);
}
static int p_renice(void)
{
    return OUTCOME(setpriority(PRIO_PROCESS, (id_t)supervisor, 19));
}
static int p_limit_supervisor(void)
{
    struct rlimit l;
    (void)getrlimit(RLIMIT_NOFILE, &l);
    return OUTCOME(prlimit(supervisor, RLIMIT_CORE, &l, NULL));
}

/* ---- the kernel ---- */
static int p_unshare(void)
{
    return OUTCOME(unshare(CLONE_NEWUSER));
}
static int p_setns(void)
{
    return OUTCOME(setns(-1, 0));
}
static int p_bpf(void)
{
    return OUTCOME(syscall(SYS_bpf, 0, NULL, 0));
}
static int p_perf(void)
{
    return OUTCOME(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}
static int p_keyctl(void)
{
    return OUTCOME(syscall(SYS_keyctl, 0, -3, 0));
}
static int p_userfaultfd(void)
{
    return OUTCOME(syscall(SYS_userfaultfd, 0));
}
static int p_io_uring(void)
{
    return OUTCOME(syscall(SYS_io_uring_setup, 1, NULL));
}
static int p_personality(void)
{
    return OUTCOME(personality(ADDR_NO_RANDOMIZE));
}
static int p_dumpable(void)
{
    return OUTCOME(prctl(PR_SET_DUMPABLE, 1));
}
static int p_stuff_terminal(void)
{
    char c = '\n';
    return OUTCOME(ioctl(STDERR_FILENO, TIOCSTI, &c));
}
static int p_raise_limit(void)
{
    const struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};
    return OUTCOME(setrlimit(RLIMIT_CORE, &l));
}
static int p_memory(void)
{
    void *p = mmap(NULL, 2 * LIMIT_WORKER_DATA_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}
static int p_descriptors(void)
{
    for (int i = 0; i < LIMIT_WORKER_OPEN_FILES; i++)
        if (dup(STDERR_FILENO) < 0)
            return errno;
    return 0;
}
static int p_writable_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}
static int p_data_to_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : OUTCOME(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static int p_setuid(void)
{
    return OUTCOME(setuid(getuid()));
}
static int p_module(void)
{
    return OUTCOME(syscall(SYS_init_module, NULL, 0, ""));
}
static int p_clock(void)
{
    const struct timespec t = {0, 0};
    return OUTCOME(syscall(SYS_clock_settime, 12345, &t));
}
static int p_reboot(void)
{
    return OUTCOME(syscall(SYS_reboot, 0, 0, 0, NULL));
}
static int p_swap(void)
{
    return OUTCOME(swapon("/nonexistent", 0));
}
static int p_shm(void)
{
    return OUTCOME(shmget(IPC_PRIVATE, 0, 0600));
}
static int p_mqueue(void)
{
    return OUTCOME(mq_open("/platen-escape-probe", O_RDONLY));
}
static int p_syslog(void)
{
    return OUTCOME(syscall(SYS_syslog, 10, NULL, 0));
}
static int p_oom_adj(void)
{
    return open_as("/proc/self/oom_score_adj", O_WRONLY);
}
#ifdef __x86_64__
static int p_x32(void)
{
    return OUTCOME(syscall(0x40000000 + SYS_getppid));
}
static int p_int80(void)
{
    long ret = 64; /* getppid of the 32-bit table; 64 would be write's neighbour in ours */
    __asm__ volatile("int $0x80" : "+a"(ret) : : "memory", "r8", "r9", "r10", "r11");
    return ret < 0 ? (int)-ret : 0;
}
#endif

const struct probe probes[] = {
    {"open-passwd", p_open_passwd, 0, false},
    {"open-secret", p_open_secret, 0, false},
    {"open-secret-raw", p_open_secret_legacy, 0, false},
    {"open-through-proc", p_open_through_proc, 0, false},
    {"list-root", p_list_root, 0, false},
    {"write-tmp", p_write_tmp, 0, false},
    {"tmpfile", p_tmpfile, 0, false},
    {"change-secret", p_change_secret, 0, false},
    {"truncate", p_truncate, 0, false},
    {"unlink", p_unlink, 0, false},
    {"chmod", p_chmod, 0, true},
    {"setxattr", p_setxattr, 0, false},
    {"symlink", p_symlink, 0, false},
    {"hardlink", p_hardlink, 0, false},
    {"rename", p_rename, 0, false},
    {"mknod", p_mknod, 0, false},
    {"inotify", p_watch, 0, false},
    {"file-handle", p_file_handle, 0, false},
    {"device", p_device, 0, false},
    {"chroot", p_chroot, 0, false},
    {"mount", p_mount, 0, false},
    {"tcp-connect", p_tcp, 0, false},
    {"udp", p_udp, 0, false},
    {"unix-abstract", p_abstract, 0, false},
    {"tcp-listen", p_listen, 0, false},
    {"netlink", p_netlink, 0, false},
    {"packet", p_packet, 0, false},
    {"vsock", p_vsock, 0, false},
    {"execve", p_execve, 0, false},
    {"memfd-exec", p_memfd_exec, 0, false},
    {"execveat", p_execveat, 0, false},
    {"fork", p_fork, 0, false},
    {"fork-raw", p_raw_fork, 0, false},
    {"clone-namespace", p_clone_namespace, 0, false},
    {"thread", p_thread, EAGAIN, true},
    {"kill-supervisor", p_kill, 0, false},
    {"kill-all", p_kill_all, 0, false},
    {"tgkill-supervisor", p_tgkill, 0, false},
    {"sigqueue", p_sigqueue, 0, false},
    {"pidfd-signal", p_pidfd_signal, 0, false},
    {"pidfd-getfd", p_pidfd_getfd, 0, false},
    {"signal-by-owner", p_set_owner, 0, false},
    {"ptrace", p_ptrace, 0, false},
    {"vm-read", p_vm_read, 0, false},
    {"vm-write", p_vm_write, 0, false},
    {"proc-mem", p_proc_mem, 0, false},
    {"proc-environ", p_proc_environ, 0, false},
    {"proc-fd", p_proc_fd, 0, false},
    {"renice", p_renice, 0, false},
    {"limit-supervisor", p_limit_supervisor, 0, false},
    {"unshare", p_unshare, 0, false},
    {"setns", p_setns, 0, false},
    {"bpf", p_bpf, 0, false},
    {"perf", p_perf, 0, false},
    {"keyctl", p_keyctl, 0, false},
    {"userfaultfd", p_userfaultfd, 0, false},
    {"io-uring", p_io_uring, 0, false},
    {"personality", p_personality, 0, false},
    {"dumpable", p_dumpable, 0, false},
    {"tiocsti", p_stuff_terminal, 0, false},
    {"raise-limit", p_raise_limit, 0, false},
    {"memory", p_memory, ENOMEM, true},
    {"descriptors", p_descriptors, EMFILE, true},
    {"writable-code", p_writable_code, 0, true},
    {"data-to-code", p_data_to_code, 0, true},
    {"setuid", p_setuid, 0, false},
    {"load-module", p_module, 0, false},
    {"clock-settime", p_clock, 0, false},
    {"reboot", p_reboot, 0, false},
    {"swapon", p_swap, 0, false},
    {"shm", p_shm, 0, false},
    {"mqueue", p_mqueue, 0, false},
    {"syslog", p_syslog, 0, false},
    {"oom-adj", p_oom_adj, 0, false},
#ifdef __x86_64__
    {"x32", p_x32, 0, false},
    {"int80", p_int80, 0, false},
#endif
};

const size_t probe_count = ARRAY_LEN(probes);
