/* SPDX-License-Identifier: MIT */
#include "applet/lock-search.h"

#include <string.h>

char **
agl_lock_search_new (const char *text)
{
  g_autofree char *folded = g_utf8_casefold (text, -1);

  return g_strsplit_set (folded, " \t", -1);
}

/* Everything that can be searched, on one line. */
static char *
searchable (AglLockEntry *lock)
{
  const char *repository = agl_lock_entry_get_repository (lock);
  g_autofree char *text = g_strdup_printf (
      "%s\n%s\n%s\n%s\n%s\n%s\n%u", agl_lock_entry_get_directory (lock), agl_lock_entry_get_agent (lock),
      agl_lock_entry_get_command (lock), agl_lock_entry_get_session (lock), agl_lock_entry_get_reason (lock),
      repository == NULL ? "" : repository, agl_lock_entry_get_pid (lock));

  return g_utf8_casefold (text, -1);
}

gboolean
agl_lock_search_matches (char **words, AglLockEntry *lock)
{
  g_autofree char *text = NULL;

  for (char **word = words; word != NULL && *word != NULL; word++)
    {
      if (**word == '\0') /* two spaces */
        continue;
      if (text == NULL)
        text = searchable (lock);
      if (strstr (text, *word) == NULL)
        return FALSE;
    }
  return TRUE;
}
