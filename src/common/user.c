/* SPDX-License-Identifier: MIT */
#include "common/user.h"

#include <pwd.h>
#include <stdio.h>

#include "common/text.h"

char *
agl_user_dup_name (uid_t uid)
{
  FILE *file = fopen ("/etc/passwd", "re");
  struct passwd entry, *found = NULL;
  char *name = NULL;
  char buffer[4096];

  while (file != NULL && name == NULL && fgetpwent_r (file, &entry, buffer, sizeof buffer, &found) == 0)
    {
      if (found->pw_uid == uid)
        name = agl_text_escape (found->pw_name, -1);
    }
  if (file != NULL)
    fclose (file);
  return name != NULL ? name : g_strdup_printf ("UID %u", (guint)uid);
}
