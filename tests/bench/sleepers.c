/* SPDX-License-Identifier: MIT */

/* bench-fleet FOLDER COUNT: that many processes asleep, number I in FOLDER/I. Prints their pids, a line each,
 * and ends them all, and itself after them, when its standard input ends. Small on purpose, so that ten
 * thousand of them are cheap. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void
end_all (const pid_t *pids, int count)
{
  /* Those that were killed are gone, and their numbers may be others' by now: only a child is ended. */
  for (int i = 0; i < count; i++)
    if (waitpid (pids[i], NULL, WNOHANG) == 0)
      kill (pids[i], SIGKILL);
  while (wait (NULL) > 0 || errno == EINTR)
    ;
}

int
main (int argc, char **argv)
{
  char path[4096], byte;
  pid_t *pids;
  ssize_t n;
  int count;

  if (argc != 3)
    return 64;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  signal (SIGCHLD, SIG_IGN);
  count = atoi (argv[2]);
  pids = calloc ((size_t)count, sizeof *pids);
  if (pids == NULL)
    return 1;
  for (int i = 0; i < count; i++)
    {
      snprintf (path, sizeof path, "%s/%d", argv[1], i);
      if (mkdir (path, 0777) < 0)
        return 1;
      fflush (stdout);
      pids[i] = fork ();
      if (pids[i] < 0)
        return 1;
      if (pids[i] == 0)
        sleep_in (path);
      printf ("%d\n", (int)pids[i]);
    }
  puts ("end");
  fflush (stdout);
  n = read (STDIN_FILENO, &byte, 1);
  end_all (pids, count);
  free (pids);
  return n < 0 ? 1 : 0;
}
