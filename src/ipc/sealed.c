/* See sealed.h. F_SEAL_WRITE needs that nobody holds a writable mapping, so the sender writes with write(2).
 */
#include "ipc/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int sealed_new(const void *bytes, size_t len, int *ret_fd, struct err *err)
{
    CLEANUP(fd_closep) int fd = memfd_create("platen-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_errno(err, "memfd_create");
    int rc = fd_write_all(fd, bytes, len, err);
    if (rc < 0)
        return rc;
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
        return err_errno(err, "sealing %zu bytes", len);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int sealed_map(int fd, size_t len, const uint8_t **ret, struct err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
        return err_fail(err, ERR_FORMAT, "the page image is not sealed");
    if (fstat(fd, &st) < 0)
        return err_errno(err, "fstat");
    if (st.st_size < 0 || (size_t)st.st_size != len || len == 0)
        return err_fail(err, ERR_FORMAT, "the page image has %lld bytes, announced were %zu",
                        (long long)st.st_size, len);
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_errno(err, "mapping a page image of %zu bytes", len);
    *ret = p;
    return 0;
}

void sealed_unmap(const uint8_t *bytes, size_t len)
{
    if (bytes)
        (void)munmap((void *)(uintptr_t)bytes, len);
}
