/* SPDX-License-Identifier: MIT */
#include "core/lock-log.h"

#include "common/text.h"

void
agl_lock_log (GLogLevelFlags level, const AglLock *lock, const char *format, ...)
{
  g_autofree char *directory = NULL, *what = NULL;
  char id[24], pid[16], uid[16];
  va_list args;

  if (g_log_writer_default_would_drop (level, G_LOG_DOMAIN))
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  directory = agl_text_escape (agl_directory_get_path (lock->directory), -1);
  g_snprintf (id, sizeof id, "%" G_GUINT64_FORMAT, lock->id);
  g_snprintf (pid, sizeof pid, "%d", (int)lock->token.pid);
  g_snprintf (uid, sizeof uid, "%u", (guint)lock->uid);
  g_log_structured (G_LOG_DOMAIN, level, "AGL_LOCK_ID", id, "AGL_DIRECTORY", directory, "AGL_PID", pid,
                    "AGL_UID", uid, "MESSAGE", "Lock %s on \"%s\" (pid %s, user %s): %s", id, directory, pid,
                    uid, what);
}
