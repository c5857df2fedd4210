#ifndef ROOKERY_H
#define ROOKERY_H

/* The instruction set that the library was compiled for, for instance "x86-64 with AVX2". */
const char *rookery_instruction_set(void);

/* How many eggs hatch in one season from `nests` nests. */
unsigned rookery_hatch(unsigned nests);

#endif
