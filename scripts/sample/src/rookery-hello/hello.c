#include <stdio.h>
#include <rookery.h>

int main(void) {
  printf("rookery-hello 1.0: %u chicks from 3 nests, compiled for %s\n", rookery_hatch(3),
         rookery_instruction_set());
  return 0;
}
