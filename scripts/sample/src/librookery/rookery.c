#include "rookery.h"

#if defined(__AVX512F__)
#define VECTORS " with AVX-512"
#elif defined(__AVX2__)
#define VECTORS " with AVX2"
#elif defined(__AVX__)
#define VECTORS " with AVX"
#elif defined(__SSE4_2__)
#define VECTORS " with SSE4.2"
#elif defined(__ARM_FEATURE_SVE)
#define VECTORS " with SVE"
#else
#define VECTORS ""
#endif

#if defined(__x86_64__)
#define MACHINE "x86-64"
#elif defined(__aarch64__)
#define MACHINE "AArch64"
#elif defined(__i386__)
#define MACHINE "x86"
#elif defined(__riscv)
#define MACHINE "RISC-V"
#elif defined(__powerpc64__)
#define MACHINE "PowerPC 64"
#elif defined(__arm__)
#define MACHINE "ARM"
#else
#define MACHINE "an unnamed machine"
#endif

const char *rookery_instruction_set(void) { return MACHINE VECTORS; }

unsigned rookery_hatch(unsigned nests) { return nests * 2; }
