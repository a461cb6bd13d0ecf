/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

int
main (void)
{
  return EXIT_FAILURE;
}
