/* SPDX-License-Identifier: MIT */

/* test-with-pid PID PROGRAM ARGUMENT...: starts the program as the process of that number, a child of our own
 * parent, and ends. The number must be free, in a PID namespace in which we may choose (clone3(2), set_tid).
 */
#include <errno.h>
#include <linux/sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  pid_t wanted = argc > 2 ? (pid_t)atoi (argv[1]) : 0;
  struct clone_args args = {
    .flags = CLONE_PARENT, /* which also brings the signal of our own end */
    .set_tid = (uint64_t)(uintptr_t)&wanted,
    .set_tid_size = 1,
  };
  long pid;

  if (wanted <= 0)
    return 64;
  pid = syscall (SYS_clone3, &args, sizeof args);
  if (pid < 0)
    {
      fprintf (stderr, "clone3 with PID %d: %s\n", (int)wanted, strerror (errno));
      return 1;
    }
  if (pid > 0)
    return 0;
  execv (argv[2], argv + 2);
  _exit (127);
}
