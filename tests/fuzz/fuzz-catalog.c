/* SPDX-License-Identifier: MIT */

/* Drop-in files that people write. */
#include "fuzz.h"

#include "core/agent-catalog.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t n_bytes)
{
  g_autofree char *text = g_memdup2 (data, n_bytes); /* without a terminator */
  g_autoptr (GError) error = NULL;
  gboolean good = agl_agent_catalog_check (text != NULL ? text : "", n_bytes, &error);

  g_assert_cmpint (good, ==, error == NULL);
  if (error != NULL)
    g_assert_cmpstr (error->message, !=, ""); /* may quote the file's bytes as they are */
  return 0;
}
