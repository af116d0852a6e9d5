/*
 * The Landlock half. The ABI is asked from the kernel, never inferred from its version (distributions
 * backport), and every mask is cut to what that ABI knows: a bit too many and the kernel refuses all.
 * Invariant: a path that cannot be opened costs only its own rule. The constants are defined here because the
 * headers of the build machine may be older than the kernel that runs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fdio.h"
#include "process/sandbox_parts.h"

#ifndef SYS_landlock_create_ruleset /* one number on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define MAX_LINKS 1000
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

enum access_fs { /* bits of handled_access_fs */
                 FS_EXECUTE = 1 << 0,
                 FS_WRITE_FILE = 1 << 1,
                 FS_READ_FILE = 1 << 2,
                 FS_READ_DIR = 1 << 3,
                 FS_REMOVE_FILE = 1 << 5,
                 FS_MAKE_DIR = 1 << 7,
                 FS_MAKE_REG = 1 << 8,
                 FS_TRUNCATE = 1 << 14,
                 FS_IOCTL_DEV = 1 << 15,
};
#define FS_ABI_1 ((1u << 13) - 1)
#define FS_ABI_2 (1u << 13) /* REFER */
#define FS_OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READABLE (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITABLE (FS_READABLE | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE)

#define NET_TCP 3u   /* bind, connect */
#define SCOPE_ALL 3u /* abstract sockets, signals */

struct ruleset_attributes {
    uint64_t fs;
    uint64_t net;    /* ABI 4 */
    uint64_t scoped; /* ABI 6 */
};

struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

/* PDFium looks for stand-ins for fonts that a document does not bring; the hash tables of jansson want a
 * seed. */
static const struct sandbox_path worker_paths[] = {
    {"/usr/share/fonts", false},
    {"/usr/local/share/fonts", false},
    {"/usr/share/X11/fonts", false},

};

/* The runtime counts processors, caches, memory nodes and what its control group leaves it. */
static const struct sandbox_path engine_paths[] = {
    {"/proc/self", false},          {"/proc/cpuinfo", false},
    {"/proc/meminfo", false},       {"/proc/stat", false},
    {"/proc/mounts", false},        {"/proc/sys/vm", false},
    {"/sys/devices/system", false}, {"/sys/devices/virtual/dmi/id", false},
    {"/sys/fs/cgroup", false},      {"/sys/kernel/mm", false},

};

/* For libraries that are loaded late, and the seed of hash tables. */
static const struct sandbox_path common_paths[] = {{"/etc/ld.so.cache", false}, {"/dev/urandom", false}};

static const struct sandbox_path sanitizer_paths[] = {{"/proc", false}};

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static uint64_t known_fs(int abi)
{
    uint64_t mask = FS_ABI_1;
    if (abi >= 2)
        mask |= FS_ABI_2;
    if (abi >= 3)
        mask |= FS_TRUNCATE;
    if (abi >= 5)
        mask |= FS_IOCTL_DEV;
    return mask;
}

static void add_path(int ruleset, const struct sandbox_path *p, uint64_t known)
{
    CLEANUP(fd_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return; /* not there: nothing to allow */
    uint64_t allowed = (p->writable ? FS_WRITABLE : FS_READABLE) & known;
    if (!S_ISDIR(st.st_mode))
        allowed &= FS_OF_A_FILE;
    struct path_rule rule = {allowed, fd};
    /* A rule that the kernel does not take is one thing less that can be read; the ruleset holds all the
     * same. */
    (void)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

/*
 * Rules bind to what is there, not to names: a folder of links (as download caches make them) would show
 * nothing. So what its links point to may be read as well. The folder is the operator's.
 */
static void add_links_of(int ruleset, const char *folder, uint64_t known)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    char path[4096];
    for (int seen = 0; dir && seen < MAX_LINKS && (e = readdir(dir)) != NULL; seen++) {
        int n = snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        const struct sandbox_path target = {path, false};
        if (e->d_type == DT_LNK && n > 0 && (size_t)n < sizeof(path))
            add_path(ruleset, &target, known);
    }
    if (dir)
        (void)closedir(dir);
}

static void add_paths(int ruleset, const struct sandbox_path *paths, size_t count, uint64_t known)
{
    for (size_t i = 0; i < count; i++)
        add_path(ruleset, &paths[i], known);
}

struct library_walk {
    int ruleset;
    uint64_t known;
};

/* The folder of a loaded library, so that its plug-ins can be loaded when they are wanted. */
static int add_library(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    const struct library_walk *w = ctx;
    char folder[4096];
    const char *slash = strrchr(info->dlpi_name, '/'); /* the program itself has no name */
    size_t len = slash ? (size_t)(slash - info->dlpi_name) : 0;
    if (len == 0 || len >= sizeof(folder))
        return 0;
    memcpy(folder, info->dlpi_name, len);
    folder[len] = '\0';
    const struct sandbox_path p = {folder, false};
    add_path(w->ruleset, &p, w->known);
    return 0;
}

static size_t attributes_of(int abi, struct ruleset_attributes *ret)
{
    *ret = (struct ruleset_attributes){.fs = known_fs(abi)};
    if (abi < 4)
        return offsetof(struct ruleset_attributes, net);
    ret->net = NET_TCP;
    if (abi < 6)
        return offsetof(struct ruleset_attributes, scoped);
    ret->scoped = SCOPE_ALL;
    return sizeof(*ret);
}

int sandbox_landlock_apply(const struct sandbox_policy *policy, int abi, struct err *err)
{
    struct ruleset_attributes attributes;
    size_t size = attributes_of(abi, &attributes);
    CLEANUP(fd_closep) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0)
        return err_errno(err, "landlock_create_ruleset");
    if (policy->role == SANDBOX_WORKER)
        add_paths(ruleset, worker_paths, ARRAY_LEN(worker_paths), attributes.fs);
    else
        add_paths(ruleset, engine_paths, ARRAY_LEN(engine_paths), attributes.fs);
    add_paths(ruleset, common_paths, ARRAY_LEN(common_paths), attributes.fs);
    if (SANDBOX_SANITIZED)
        add_paths(ruleset, sanitizer_paths, ARRAY_LEN(sanitizer_paths), attributes.fs);
    struct library_walk walk = {ruleset, attributes.fs};
    (void)dl_iterate_phdr(add_library, &walk);
    add_paths(ruleset, policy->paths, policy->path_count, attributes.fs);
    for (size_t i = 0; i < policy->path_count; i++)
        if (!policy->paths[i].writable)
            add_links_of(ruleset, policy->paths[i].path, attributes.fs);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_errno(err, "landlock_restrict_self");
    return 0;
}
