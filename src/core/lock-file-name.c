/* SPDX-License-Identifier: MIT */
#include "core/lock-file-name.h"

#include <string.h>

char *
agl_lock_file_name (guint64 id)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT ".json", id);
}

char *
agl_lock_file_over_name (guint64 id, AglReleaseReason reason)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT ".over-%s", id, agl_release_reason_to_string (reason));
}

guint64
agl_lock_file_guess_id (const char *name)
{
  guint64 id = 0;

  if (!g_ascii_isdigit (name[0]))
    return 0;
  id = g_ascii_strtoull (name, NULL, 10);
  return id <= AGL_MAX_LOCK_ID ? id : 0;
}

gboolean
agl_lock_file_parse_name (const char *name, guint64 *id, gboolean *over, AglReleaseReason *reason)
{
  g_autofree char *held = NULL;

  *id = agl_lock_file_guess_id (name);
  if (*id == 0)
    return FALSE;

  /* Compared with what we would write, so that "042.json" is none of ours. */
  held = agl_lock_file_name (*id);
  *over = FALSE;
  if (strcmp (name, held) == 0)
    return TRUE;
  *over = TRUE;
  for (guint i = 0; i < AGL_N_RELEASE_REASONS; i++)
    {
      g_autofree char *ended = agl_lock_file_over_name (*id, i);

      *reason = i;
      if (strcmp (name, ended) == 0)
        return TRUE;
    }
  return FALSE;
}
