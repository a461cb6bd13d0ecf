/* SPDX-License-Identifier: MIT */

/* fleet FOLDER COUNT: that many processes asleep, number I in FOLDER/I. Prints their pids, a line each, and
 * ends them all when its standard input ends. Small on purpose, so that ten thousand of them are cheap. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void
sleep_in (const char *path)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (chdir (path) < 0)
    _exit (1);
  close (STDIN_FILENO);
  close (STDOUT_FILENO);
  for (;;)
    pause ();
}

int
main (int argc, char **argv)
{
  char path[4096], byte;

  if (argc != 3)
    return 64;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  signal (SIGCHLD, SIG_IGN);
  for (int i = 0; i < atoi (argv[2]); i++)
    {
      pid_t pid;

      snprintf (path, sizeof path, "%s/%d", argv[1], i);
      if (mkdir (path, 0777) < 0)
        return 1;
      fflush (stdout);
      pid = fork ();
      if (pid < 0)
        return 1;
      if (pid == 0)
        sleep_in (path);
      printf ("%d\n", (int)pid);
    }
  puts ("end");
  fflush (stdout);
  return read (STDIN_FILENO, &byte, 1) < 0 ? 1 : 0;
}
