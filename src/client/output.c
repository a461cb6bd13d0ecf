/* SPDX-License-Identifier: MIT */
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int first_errno;

static void
note (int result)
{
  if (result == EOF && first_errno == 0)
    first_errno = errno;
}

void
agl_output_guard (void)
{
  static const int directions[] = { O_WRONLY, O_RDONLY, O_RDONLY };

  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    {
      if (fcntl (fd, F_GETFD) >= 0 || errno != EBADF)
        continue;
      /* The lowest that is free is this one. */
      if (open ("/dev/null", directions[fd] | O_CLOEXEC) != fd)
        return; /* nothing to put there: as it was */
    }
}

void
agl_output_put (const char *text)
{
  note (fputs (text, stdout));
  note (fflush (stdout));
}

int
agl_output_finish (void)
{
  note (fflush (stdout));
  return first_errno == 0 && ferror (stdout) != 0 ? EIO : first_errno;
}
