/* SPDX-License-Identifier: MIT */
#include "applet/terminal.h"

#include <glib/gi18n.h>

/* All of them are started in the directory. Those that hand the request on to a process that runs already
 * have to be told besides: "%s" is the directory. */
static const char *const terminals[][5] = {
  { "xdg-terminal-exec" },
  { "ptyxis", "--new-window", "--working-directory", "%s" },
  { "kgx", "--working-directory", "%s" },
  { "gnome-terminal", "--working-directory", "%s" },
  { "konsole", "--workdir", "%s" },
  { "xfce4-terminal", "--working-directory", "%s" },
  { "mate-terminal", "--working-directory", "%s" },
  { "tilix", "--working-directory", "%s" },
  { "wezterm", "start", "--cwd", "%s" },
  { "foot" },
  { "kitty" },
  { "alacritty" },
  { "x-terminal-emulator" },
  { "xterm" },
};

static gboolean
start (const char *const *terminal, const char *program, const char *directory, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) process = NULL;
  const char *argv[G_N_ELEMENTS (terminals[0]) + 1] = { program };

  for (gsize i = 1; i < G_N_ELEMENTS (terminals[0]) && terminal[i] != NULL; i++)
    argv[i] = g_str_equal (terminal[i], "%s") ? directory : terminal[i];
  g_subprocess_launcher_set_cwd (launcher, directory);
  process = g_subprocess_launcher_spawnv (launcher, argv, error);
  return process != NULL;
}

gboolean
agl_terminal_open (const char *directory, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (terminals); i++)
    {
      g_autofree char *program = g_find_program_in_path (terminals[i][0]);

      if (program != NULL)
        return start (terminals[i], program, directory, error);
    }
  g_set_error_literal (
      error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
      _ ("No terminal program was found. xdg-terminal-exec or any common terminal will do."));
  return FALSE;
}
