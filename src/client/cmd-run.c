/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/command.h"
#include "client/place.h"
#include "client/signals.h"
#include "common/text.h"

static gboolean
is_here (const char *path)
{
  struct stat a, b;

  return path != NULL && *path == '/' && stat (path, &a) == 0 && stat (".", &b) == 0 && a.st_dev == b.st_dev
         && a.st_ino == b.st_ino;
}

/* As a shell's cd: $PWD keeps the name that was used, symlinks included, as long as it leads here. */
static gboolean
enter (const char *directory, GError **error)
{
  const char *pwd = g_getenv ("PWD");
  g_autofree char *old = is_here (pwd) ? g_strdup (pwd) : g_get_current_dir ();
  g_autofree char *logical = g_canonicalize_filename (directory, old);
  g_autofree char *physical = NULL;

  if (*directory == '\0')
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
                           _ ("cannot enter “”: the directory's name is empty"));
      return FALSE;
    }
  if (chdir (directory) < 0)
    {
      int saved_errno = errno;
      g_autofree char *shown = agl_text_escape (directory, -1);

      g_set_error (error, AGL_EXIT_ERROR, saved_errno == EACCES ? AGL_EXIT_NOT_PERMITTED : AGL_EXIT_FAILED,
                   /* Translators: a directory, what is wrong with it */
                   _ ("cannot enter %s: %s"), shown, g_strerror (saved_errno));
      return FALSE;
    }
  physical = g_get_current_dir ();
  g_setenv ("OLDPWD", old, TRUE);
  g_setenv ("PWD", is_here (logical) ? logical : physical, TRUE);
  return TRUE;
}

/* As execvp(3) does where PATH is not set. */
#define DEFAULT_PATH "/bin:/usr/bin"

/* The errno of executing @file; 0: it may be executed. */
static int
judge_file (const char *file)
{
  struct stat status;

  if (stat (file, &status) < 0)
    return errno;
  if (!S_ISREG (status.st_mode))
    return S_ISDIR (status.st_mode) ? EISDIR : EACCES;
  return access (file, X_OK) < 0 ? errno : 0;
}

/* As bash(1) searches: of what cannot be executed the first counts, and a directory of that name is not the
 * command. */
static int
judge_name (const char *name)
{
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) folders = NULL;
  int result = 0;

  if (path == NULL)
    path = DEFAULT_PATH;
  folders = g_strsplit (*path == '\0' ? "." : path, ":", -1);
  for (char **folder = folders; *folder != NULL; folder++)
    {
      g_autofree char *file = g_build_filename (**folder == '\0' ? "." : *folder, name, NULL);
      int code = judge_file (file);

      if (code == 0)
        return 0;
      if (result == 0 && g_file_test (file, G_FILE_TEST_EXISTS))
        result = code == EISDIR ? ENOENT : code;
    }
  return result != 0 ? result : ENOENT;
}

static void
set_cannot_execute (GError **error, int status, const char *name, int code)
{
  g_autofree char *shown = agl_text_escape (name, -1);

  /* Translators: a command, what is wrong with it */
  g_set_error (error, AGL_EXIT_ERROR, status, _ ("%s: cannot be executed: %s"), shown, g_strerror (code));
}

static void
set_not_found (GError **error, const char *name)
{
  g_autofree char *shown = agl_text_escape (name, -1);

  g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NOT_FOUND, _ ("%s: command not found"), shown);
}

/* Before the lock, so that a typing error neither waits an hour for its turn nor shows up as a lock that came
 * and went. What this does not find out, exec does; the lock then goes with this process. */
static gboolean
check_command (const char *name, GError **error)
{
  int code;

  if (*name == '\0')
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_NOT_FOUND,
                           _ ("“”: command not found: its name is empty"));
      return FALSE;
    }
  code = strchr (name, '/') != NULL ? judge_file (name) : judge_name (name);
  if (code == ENOENT)
    set_not_found (error, name);
  else if (code != 0)
    set_cannot_execute (error, AGL_EXIT_NOT_EXECUTABLE, name, code);
  return code == 0;
}

static int
run (const AglOptions *options, GError **error)
{
  g_autofree char *path = NULL;

  if (options->arguments != NULL && !enter (options->arguments[0], error))
    return 0;
  path = agl_place_absolute (NULL, error);
  if (path == NULL || !check_command (options->trailing[0], error)
      || agl_acquire (options, path, NULL, FALSE, error) == 0)
    return 0;

  /* Every descriptor of ours is close-on-exec, and other threads end with the exec: what remains to be put
   * back are the signals. */
  agl_signals_restore ();
  execvp (options->trailing[0], options->trailing);
  /* It was there: what is not is the interpreter that its first line names. */
  set_cannot_execute (error, errno == ENOENT ? AGL_EXIT_NOT_FOUND : AGL_EXIT_NOT_EXECUTABLE,
                      options->trailing[0], errno);
  return 0;
}

const AglCommand agl_command_run = {
  .usage = {
    .name = "run",
    .synopsis = N_ ("[DIR] -- COMMAND…"),
    .summary = N_ ("Enter DIR, lock it, become COMMAND"),
    .description = N_ (
      "COMMAND replaces this program, so it is the holder itself, under the same process id, and the lock ends\n"
      "with it. DIR is the working directory where it is not given.\n"
      "\n"
      "  agentctl-locks run ~/src/app -- claude\n"
      "  agentctl-locks run --wait=60 --reason='nightly build' -- make\n"
      "\n"
      "Exits as COMMAND does; 126 when it cannot be executed, 127 when it is not found, 75 when the directory is\n"
      "held or the time ran out, 64 wrong usage, 69 no service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_CONFLICT | AGL_OPTIONS_WAIT | AGL_OPTIONS_STATUS | AGL_OPTIONS_MODE | AGL_OPTIONS_STAY
              | AGL_OPTIONS_TEXTS | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
    .takes_command_line = TRUE,
  },
  .run = run,
};
