/*
 * A main for fuzz targets without libFuzzer: runs the target on each file named on the command line, or on a
 * number of pseudo-random inputs (--random N SEED), so that the targets are part of the ordinary test run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fdio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES (64u << 20)

static void run_random(long count, uint64_t seed)
{
    static uint8_t bytes[4096];
    for (long i = 0; i < count; i++) {
        size_t size = 0;
        for (size_t k = 0; k < sizeof(bytes); k++) {
            seed ^= seed << 13; /* xorshift64 (Marsaglia 2003) */
            seed ^= seed >> 7;
            seed ^= seed << 17;
            /* Many small values: lengths and counts are then often plausible. */
            bytes[k] = (seed & 0x300) ? (uint8_t)(seed & 3) : (uint8_t)(seed >> 40);
            size = (size_t)(seed >> 16) % sizeof(bytes);
        }
        (void)LLVMFuzzerTestOneInput(bytes, size);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--random") == 0) {
        run_random(strtol(argv[2], NULL, 10), strtoull(argv[3], NULL, 10) | 1);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        struct err e = ERR_INIT;
        struct buf b = BUF_INIT(INPUT_MAX_BYTES);
        if (file_read_all(argv[i], &b, &e) < 0) {
            fprintf(stderr, "%s\n", e.message);
            return 1;
        }
        (void)LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&b), b.len);
        buf_done(&b);
    }
    return 0;
}
