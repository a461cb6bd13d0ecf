/* SPDX-License-Identifier: MIT */
#include "service/settings.h"

#include "common/error.h"
#include "config.h"

#define GROUP     "Locks"
#define FILE_NAME "agentctl-locks.conf"

/* Longer makes no sense, and keeps milliseconds within a guint. */
#define MAX_SEC       (24.0 * 60 * 60)
#define MIN_CHECK_SEC 0.01
#define MAX_LIMIT     1000000

void
agl_settings_init (AglSettings *self)
{
  self->keeper.cwd_check_msec = 2000;
  self->keeper.cwd_grace_msec = 5000;
  self->keeper.max_locks_per_user = 1024;
  self->keeper.max_waiters_per_user = 64;
  self->detect_agents = TRUE;
}

static gboolean
out_of_range (GError **error, const char *key, const char *range)
{
  g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "%s must be %s", key, range);
  return FALSE;
}

static gboolean
read_seconds (GKeyFile *file, const char *key, double at_least, gint64 *msec, GError **error)
{
  g_autoptr (GError) local = NULL;
  double seconds = g_key_file_get_double (file, GROUP, key, &local);

  if (local != NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", key);
      return FALSE;
    }
  if (!(seconds >= at_least && seconds <= MAX_SEC))
    return out_of_range (error, key, at_least > 0 ? "seconds from 0.01 to 86400" : "seconds from 0 to 86400");
  *msec = (gint64)(seconds * 1000);
  return TRUE;
}

static gboolean
read_limit (GKeyFile *file, const char *key, guint *limit, GError **error)
{
  g_autoptr (GError) local = NULL;
  int value = g_key_file_get_integer (file, GROUP, key, &local);

  if (local != NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", key);
      return FALSE;
    }
  if (value < 1 || value > MAX_LIMIT)
    return out_of_range (error, key, "a number from 1 to 1000000");
  *limit = (guint)value;
  return TRUE;
}

static gboolean
read_key (AglSettings *self, GKeyFile *file, const char *key, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (g_str_equal (key, "CwdCheckSec"))
    return read_seconds (file, key, MIN_CHECK_SEC, &self->keeper.cwd_check_msec, error);
  if (g_str_equal (key, "CwdGraceSec"))
    return read_seconds (file, key, 0, &self->keeper.cwd_grace_msec, error);
  if (g_str_equal (key, "MaxLocksPerUser"))
    return read_limit (file, key, &self->keeper.max_locks_per_user, error);
  if (g_str_equal (key, "MaxWaitersPerUser"))
    return read_limit (file, key, &self->keeper.max_waiters_per_user, error);
  if (g_str_equal (key, "DetectAgents"))
    {
      self->detect_agents = g_key_file_get_boolean (file, GROUP, key, &local);
      if (local == NULL)
        return TRUE;
      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", key);
      return FALSE;
    }
  g_warning ("Unknown key %s in group [" GROUP "] is passed over", key);
  return TRUE;
}

static gboolean
read_file (AglSettings *self, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_auto (GStrv) keys = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, error))
    return FALSE;
  keys = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    if (!read_key (self, file, keys[i], error))
      return FALSE;
  return TRUE;
}

gboolean
agl_settings_load (AglSettings *self, const char *path, AglScope scope, GError **error)
{
  const char *folder = scope == AGL_SCOPE_SYSTEM ? AGL_SYSCONFDIR : g_get_user_config_dir ();
  g_autofree char *usual = g_build_filename (folder, "agentctl-locks", FILE_NAME, NULL);
  g_autoptr (GError) local = NULL;
  AglSettings fresh;

  agl_settings_init (&fresh);
  if (!read_file (&fresh, path != NULL ? path : usual, &local))
    {
      /* The usual file need not be there; one that was named must. */
      if (path != NULL || !g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        {
          g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", path != NULL ? path : usual);
          return FALSE;
        }
    }
  *self = fresh;
  return TRUE;
}
