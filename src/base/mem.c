/* See mem.h. Running out of memory for a small object ends the process: nothing sensible can follow. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *must(void *p)
{
    if (!p) {
        static const char text[] = "platen: out of memory\n";
        (void)fwrite(text, 1, sizeof(text) - 1, stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return must(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
    return must(realloc(p, size ? size : 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    return num_mul(count, size, &bytes) ? xrealloc(p, bytes) : must(NULL);
}

char *xstrdup(const char *s)
{
    return s ? must(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t bytes)
{
    return must(strndup(s, bytes));
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return must(n < 0 ? NULL : s);
}

void *try_malloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *try_calloc(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

void *vec_grow(void *items, size_t *cap, size_t count, size_t item_size)
{
    size_t new_cap = *cap ? *cap * 2 : 8;
    if (new_cap <= count)
        new_cap = count + 1;
    void *p = xreallocarray(items, new_cap, item_size);
    *cap = new_cap;
    return p;
}
