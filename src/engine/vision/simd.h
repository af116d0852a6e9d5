/* Loops that the compiler vectorises are built twice, for AVX2+FMA and for the base line, and the loader
 * picks. */
#ifndef PLATEN_ENGINE_VISION_SIMD_H
#define PLATEN_ENGINE_VISION_SIMD_H

/* The loader runs the resolvers before a sanitizer is set up, so those builds get the base line only. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                \
    !defined(__SANITIZE_UNDEFINED__) && defined(__GNUC__) && !defined(__clang__)
#define SIMD_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define SIMD_CLONES
#endif

#endif
