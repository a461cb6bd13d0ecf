/* SPDX-License-Identifier: MIT */
#include "applet/autostart.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#include "config.h"

#define FILE_NAME "org.agentctl.Locks.Applet.desktop"
#define MODE      0700 /* XDG Base Directory Specification, of folders that are made */

static char *
file_name (void)
{
  return g_build_filename (g_get_user_config_dir (), "autostart", FILE_NAME, NULL);
}

static gboolean
is_true (GKeyFile *file, const char *key, gboolean otherwise)
{
  g_autoptr (GError) error = NULL;
  gboolean value = g_key_file_get_boolean (file, G_KEY_FILE_DESKTOP_GROUP, key, &error);

  return error == NULL ? value : otherwise;
}

/* Session managers turn an entry off in two ways. */
gboolean
agl_autostart_is_on (void)
{
  g_autofree char *name = file_name ();
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_file (file, name, G_KEY_FILE_NONE, NULL))
    return FALSE;
  return !is_true (file, G_KEY_FILE_DESKTOP_KEY_HIDDEN, FALSE)
         && is_true (file, "X-GNOME-Autostart-enabled", TRUE);
}

/* The name and the icon are for the lists that desktops show of these files. */
static gboolean
write_entry (const char *name, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *folder = g_path_get_dirname (name);
  int number;

  if (g_mkdir_with_parents (folder, MODE) != 0)
    {
      number = errno;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "%s: %s", folder,
                   g_strerror (number));
      return FALSE;
    }
  g_key_file_set_string (file, G_KEY_FILE_DESKTOP_GROUP, G_KEY_FILE_DESKTOP_KEY_TYPE, "Application");
  g_key_file_set_string (file, G_KEY_FILE_DESKTOP_GROUP, G_KEY_FILE_DESKTOP_KEY_NAME, _ ("Directory Locks"));
  g_key_file_set_string (file, G_KEY_FILE_DESKTOP_GROUP, G_KEY_FILE_DESKTOP_KEY_ICON,
                         "org.agentctl.Locks.Applet");
  g_key_file_set_string (file, G_KEY_FILE_DESKTOP_GROUP, G_KEY_FILE_DESKTOP_KEY_EXEC,
                         AGL_APPLET " --background");
  g_key_file_set_string (file, G_KEY_FILE_DESKTOP_GROUP, G_KEY_FILE_DESKTOP_KEY_TRY_EXEC, AGL_APPLET);
  return g_key_file_save_to_file (file, name, error);
}

gboolean
agl_autostart_set (gboolean on, GError **error)
{
  g_autofree char *name = file_name ();
  int number;

  if (on)
    return write_entry (name, error);
  if (g_unlink (name) == 0 || errno == ENOENT)
    return TRUE;
  number = errno;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "%s: %s", name, g_strerror (number));
  return FALSE;
}
