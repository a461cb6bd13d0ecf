/* SPDX-License-Identifier: MIT */
#include "client/output.h"

#include <errno.h>
#include <stdio.h>

static int first_errno;

static void
note (int result)
{
  if (result == EOF && first_errno == 0)
    first_errno = errno;
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
