/* Time. Durations and deadlines use the monotonic clock; only what people or other hosts see uses the wall
 * clock. */
#ifndef PLATEN_BASE_CLOCK_H
#define PLATEN_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970 */
/* CPU time used by this process (all threads), in microseconds. */
int64_t clock_cpu_us(void);
/* "2026-11-23T02:35:43.123Z" (24 characters and NUL). */
void clock_format_utc(int64_t wall_ms, char out[25]);

#endif
