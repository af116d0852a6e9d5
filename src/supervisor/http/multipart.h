/*
 * multipart/form-data as a stream: bytes go in as they come, parts come out as they come; nothing of a part
 * is kept but its header. Linear in the input, a fixed buffer, no recursion. Ceilings on parts and header
 * bytes are here; how many bytes a part may have is the user's to count.
 */
#ifndef PLATEN_SUPERVISOR_HTTP_MULTIPART_H
#define PLATEN_SUPERVISOR_HTTP_MULTIPART_H

#include <stddef.h>

#include "base/err.h"

struct multipart;

struct multipart_handler {
    void *ctx;
    /* filename is NULL for a plain field. Both strings are valid during the call. Non-zero results end the
     * parse and are returned. */
    int (*part_begin)(void *ctx, const char *name, const char *filename, struct err *err);
    int (*part_data)(void *ctx, const void *bytes, size_t len, struct err *err);
    int (*part_end)(void *ctx, struct err *err);
};

/* ERR_UNSUPPORTED when the content type is not multipart/form-data; ERR_FORMAT when its boundary is missing
 * or not allowed. */
int multipart_new(const char *content_type, const struct multipart_handler *handler, struct multipart **ret,
                  struct err *err);
/* ERR_FORMAT, ERR_LIMIT, or what a callback returned. After an error the parser takes no more. */
int multipart_feed(struct multipart *m, const void *bytes, size_t len, struct err *err);
/* ERR_FORMAT when the closing boundary has not come. */
int multipart_end(struct multipart *m, struct err *err);
void multipart_free(struct multipart *m); /* NULL is accepted */

#endif
