/* SPDX-License-Identifier: MIT */
#include "common/paths.h"

#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define AGENTS_DIR_ENV "AGENTCTL_LOCKS_AGENTS_DIR"
#define FOLDER         "agentctl-locks"

const char *
agl_scope_to_string (AglScope scope)
{
  switch (scope)
    {
    case AGL_SCOPE_USER:
      return "user";
    case AGL_SCOPE_SYSTEM:
      return "system";
    }
  g_return_val_if_reached (NULL);
}

static gboolean
is_own_directory (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && S_ISDIR (st.st_mode) && st.st_uid == geteuid ();
}

char *
agl_paths_runtime_dir (AglScope scope)
{
  g_autofree char *logind = NULL;

  if (scope == AGL_SCOPE_SYSTEM)
    return g_strdup ("/run/" FOLDER);

  logind = g_strdup_printf ("/run/user/%u", (guint)geteuid ());
  if (g_getenv ("XDG_RUNTIME_DIR") == NULL && is_own_directory (logind))
    return g_build_filename (logind, FOLDER, NULL);
  return g_build_filename (g_get_user_runtime_dir (), FOLDER, NULL);
}

char *
agl_paths_state_dir (AglScope scope)
{
  if (scope == AGL_SCOPE_SYSTEM)
    return g_strdup ("/var/lib/" FOLDER);
  return g_build_filename (g_get_user_state_dir (), FOLDER, NULL);
}

char **
agl_paths_agents_dirs (AglScope scope)
{
  const char *shipped = g_getenv (AGENTS_DIR_ENV);
  GStrvBuilder *builder = g_strv_builder_new ();
  g_autofree char *own = g_build_filename (g_get_user_config_dir (), FOLDER, "agents.d", NULL);
  char **folders;

  g_strv_builder_add (builder, shipped != NULL ? shipped : AGL_PKGDATADIR "/agents.d");
  g_strv_builder_add (builder, AGL_SYSCONFDIR "/" FOLDER "/agents.d");
  if (scope == AGL_SCOPE_USER)
    g_strv_builder_add (builder, own);
  folders = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return folders;
}

char *
agl_paths_socket (const char *runtime_dir)
{
  return g_build_filename (runtime_dir, "bus", NULL);
}

char *
agl_paths_socket_address (const char *runtime_dir)
{
  g_autofree char *path = agl_paths_socket (runtime_dir);
  g_autofree char *escaped = g_dbus_address_escape_value (path);

  return g_strconcat ("unix:path=", escaped, NULL);
}
