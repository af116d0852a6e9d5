/*
 * Allocation. x*: small sizes of our own, abort when memory is gone. try_*: sizes that derive from input,
 * NULL on failure.
 */
#ifndef PLATEN_BASE_MEM_H
#define PLATEN_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);                /* NULL stays NULL */
char *xstrndup(const char *s, size_t bytes); /* always NUL-terminated */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))
#define xnew_array(type, count) ((type *)xcalloc((count), sizeof(type)))

void *try_malloc(size_t size);
void *try_calloc(size_t count, size_t size); /* NULL on overflow too */

/* *ret = a * b; false (and *ret untouched) on overflow. */
static inline bool num_mul(size_t a, size_t b, size_t *ret)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}

static inline void freep(void *pp)
{
    void **p = pp;
    free(*p);
    *p = NULL;
}

/*
 * Growable array in three fields: `type *items; size_t count, cap;`. VEC_PUSH returns a pointer to a zeroed
 * new last item. Growth aborts on failure, so cap the count before pushing what derives from input.
 */
void *vec_grow(void *items, size_t *cap, size_t count, size_t item_size);
#define VEC_PUSH(items, count, cap)                                                                          \
    (__extension__({                                                                                         \
        if ((count) >= (cap))                                                                                \
            (items) = vec_grow((items), &(cap), (count), sizeof(*(items)));                                  \
        (count)++;                                                                                           \
        memset(&(items)[(count)-1], 0, sizeof(*(items)));                                                    \
        &(items)[(count)-1];                                                                                 \
    }))

#endif
