/* The form parser: any bytes, cut in any way. The first byte is the chunk size; what comes out can be no more
 * than what went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "supervisor/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t out_bytes;
static bool in_part;

static int on_begin(void *ctx, const char *name, const char *filename, struct err *err)
{
    (void)ctx;
    (void)err;
    if (in_part)
        abort();
    in_part = true;
    out_bytes += strlen(name) + (filename ? strlen(filename) : 0);
    return 0;
}

static int on_data(void *ctx, const void *bytes, size_t len, struct err *err)
{
    (void)ctx;
    (void)err;
    if (!in_part || !bytes)
        abort();
    out_bytes += len;
    return 0;
}

static int on_end(void *ctx, struct err *err)
{
    (void)ctx;
    (void)err;
    if (!in_part)
        abort();
    in_part = false;
    return 0;
}

static void feed(struct multipart *m, const uint8_t *data, size_t size, size_t chunk)
{
    struct err err = ERR_INIT;
    for (size_t at = 0; at < size; at += chunk) {
        if (multipart_feed(m, data + at, MIN(chunk, size - at), &err) != 0)
            return;
    }
    (void)multipart_end(m, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct multipart_handler handler = {NULL, on_begin, on_data, on_end};
    static const char lead[] = "--\1\r\nContent-Disposition: form-data; name=a";
    struct multipart *m = NULL;
    if (size < 1)
        return 0;
    size_t chunk = data[0] + 1u;
    for (int with_lead = 0; with_lead < 2; with_lead++) { /* random bytes seldom begin a part by themselves */
        if (multipart_new("multipart/form-data; boundary=\1", &handler, &m, NULL) != 0)
            abort();
        out_bytes = 0;
        in_part = false;
        if (with_lead && multipart_feed(m, lead, sizeof(lead) - 1, NULL) != 0)
            abort();
        feed(m, data + 1, size - 1, chunk);
        if (out_bytes > 3 * size + sizeof(lead))
            abort();
        multipart_free(m);
    }
    return 0;
}
