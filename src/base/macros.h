/* Small macros used everywhere: cleanup, ownership transfer, array length. */
#ifndef PLATEN_BASE_MACROS_H
#define PLATEN_BASE_MACROS_H

#include <stddef.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define UNUSED __attribute__((unused))

#ifndef MIN /* <sys/param.h>, which <uv.h> includes, has the same two */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

/* Hands a pointer over: yields *pp and sets *pp to NULL, so that its CLEANUP does nothing. */
#define take_ptr(pp)                                                                                         \
    (__extension__({                                                                                         \
        __typeof__(*(pp)) taken_ = *(pp);                                                                    \
        *(pp) = NULL;                                                                                        \
        taken_;                                                                                              \
    }))

#endif
