/* See unzip.h. The worker is not trusted with the user's folders: names that leave the folder are an error.
 */
#include "cli/unzip.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "base/mem.h"

#define MAX_ENTRIES 100000
#define MAX_ENTRY_BYTES ((zip_uint64_t)1 << 30)

static bool name_is_safe(const char *name)
{
    if (!name || !*name || *name == '/' || strlen(name) > 1024)
        return false;
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < 0x20)
            return false;
    }
    for (const char *part = name; part;) {
        size_t len = strcspn(part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part = part[len] ? part + len + 1 : NULL;
    }
    return true;
}

static int put_entry(zip_t *z, zip_uint64_t index, unzip_put_fn *put, void *ctx, struct err *err)
{
    zip_stat_t st;
    if (zip_stat_index(z, index, 0, &st) < 0 || !(st.valid & ZIP_STAT_SIZE) || !name_is_safe(st.name))
        return err_fail(err, ERR_FORMAT, "entry %llu of the result is not usable", (unsigned long long)index);
    if (st.size > MAX_ENTRY_BYTES)
        return err_fail(err, ERR_LIMIT, "%s: %llu bytes", st.name, (unsigned long long)st.size);
    char *bytes = try_malloc((size_t)st.size);
    if (!bytes)
        return err_fail(err, ERR_MEMORY, "%s: %llu bytes", st.name, (unsigned long long)st.size);
    zip_file_t *f = zip_fopen_index(z, index, 0);
    zip_int64_t n = f ? zip_fread(f, bytes, st.size) : -1;
    int rc = n == (zip_int64_t)st.size ? put(ctx, st.name, bytes, (size_t)st.size, err)
                                       : err_fail(err, ERR_FORMAT, "%s cannot be unpacked", st.name);
    if (f)
        (void)zip_fclose(f);
    free(bytes);
    return rc;
}

int unzip_fd(int fd, unzip_put_fn *put, void *ctx, struct err *err)
{
    int code = 0;
    int own = dup(fd);
    if (own < 0)
        return err_errno(err, "dup");
    zip_t *z = zip_fdopen(own, 0, &code);
    if (!z) {
        (void)close(own);
        return err_fail(err, ERR_FORMAT, "the result is no zip (%d)", code);
    }
    zip_int64_t count = zip_get_num_entries(z, 0);
    int rc = count > MAX_ENTRIES ? err_fail(err, ERR_LIMIT, "more than %d files in the result", MAX_ENTRIES)
                                 : 0;
    for (zip_int64_t i = 0; i < count && rc == 0; i++)
        rc = put_entry(z, (zip_uint64_t)i, put, ctx, err);
    zip_discard(z);
    return rc;
}
