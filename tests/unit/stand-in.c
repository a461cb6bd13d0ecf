/* SPDX-License-Identifier: MIT */
/* A program of any name: the tests copy it to where they need one. It says on the descriptor $STAND_IN_FD
 * that it runs, and waits to be killed. With $STAND_IN_TITLE it first does what node's process.title and
 * setproctitle do: writes that over its arguments and into its comm. */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void
set_title (char **argv, const char *title)
{
  char *first = argv[0];
  char *end = first;

  for (; *argv != NULL; argv++)
    end = *argv + strlen (*argv) + 1;
  memset (first, 0, end - first);
  strncpy (first, title, end - first - 1);
  prctl (PR_SET_NAME, title);
}

int
main (int argc, char **argv)
{
  const char *title = getenv ("STAND_IN_TITLE");
  const char *fd = getenv ("STAND_IN_FD");
  int ready = 0;

  if (title != NULL && argc > 0)
    set_title (argv, title);
  if (fd != NULL && write (atoi (fd), &ready, sizeof ready) != sizeof ready)
    return 1;
  for (;;)
    pause ();
}
