/* The zip that the service answers with when pictures are to be files of their own. */
#ifndef PLATEN_CLI_UNZIP_H
#define PLATEN_CLI_UNZIP_H

#include "base/err.h"

/*
 * Calls put for each regular entry with its name and bytes. Entry names are checked: relative, no "..", no
 * control characters. Stops at the first error of put.
 */
typedef int unzip_put_fn(void *ctx, const char *name, const char *bytes, size_t len, struct err *err);
int unzip_fd(int fd, unzip_put_fn *put, void *ctx, struct err *err);

#endif
