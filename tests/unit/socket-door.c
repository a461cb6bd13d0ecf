/* SPDX-License-Identifier: MIT */
#include "service/socket-door.h"

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  return g_test_run ();
}
