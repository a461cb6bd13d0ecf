/* SPDX-License-Identifier: MIT */

/* /proc/PID/stat holds a name that the process picks itself. */
#include "fuzz.h"

#include "core/process.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t n_bytes)
{
  /* An own copy without a terminator, so that reading beyond the end shows. */
  g_autofree char *text = g_memdup2 (data, n_bytes);
  guint64 start_time = 0;
  pid_t parent = -1;

  if (agl_process_parse_stat (text != NULL ? text : "", n_bytes, &parent, &start_time))
    g_assert_cmpint (parent, >=, 0);
  return 0;
}
