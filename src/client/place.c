/* SPDX-License-Identifier: MIT */
#include "client/place.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit-status.h"
#include "common/text.h"

char *
agl_place_absolute (const char *argument, GError **error)
{
  g_autofree char *cwd = NULL;

  if (argument != NULL && (*argument == '/' || *argument == '\0'))
    return g_strdup (argument);
  /* glibc allocates (getcwd(3)); Linux answers "(unreachable)/…" for a directory outside the root. */
  cwd = getcwd (NULL, 0);
  if (cwd == NULL && errno == ENOENT)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
                           _ ("the working directory has been removed; change to one that is there"));
      return NULL;
    }
  if (cwd == NULL || *cwd != '/')
    {
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED, _ ("the working directory cannot be told: %s"),
                   cwd == NULL ? g_strerror (errno) : cwd);
      return NULL;
    }
  if (argument == NULL || g_str_equal (argument, "."))
    return g_steal_pointer (&cwd);
  return g_build_filename (cwd, argument, NULL);
}

const char *
agl_place_to_bus (const char *path, GVariantBuilder *options, GUnixFDList **fds, GError **error)
{
  int fd, handle;

  if (g_utf8_validate (path, -1, NULL))
    return path;
  fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    {
      int saved_errno = errno;
      g_autofree char *shown = agl_text_escape (path, -1);

      g_set_error (error, AGL_EXIT_ERROR, saved_errno == EACCES ? AGL_EXIT_NOT_PERMITTED : AGL_EXIT_FAILED,
                   "%s: %s", shown, g_strerror (saved_errno));
      return NULL;
    }
  if (*fds == NULL)
    *fds = g_unix_fd_list_new ();
  handle = g_unix_fd_list_append (*fds, fd, error);
  close (fd);
  if (handle < 0)
    return NULL;
  g_variant_builder_add (options, "{sv}", "directory-fd", g_variant_new_handle (handle));
  return "";
}

char *
agl_place_spell (const char *path)
{
  g_autofree char *found = NULL;
  char *resolved;

  if (g_utf8_validate (path, -1, NULL))
    return g_strdup (path);
  resolved = realpath (path, NULL);
  found = g_strdup (resolved != NULL ? resolved : path);
  free (resolved);
  return g_steal_pointer (&found);
}

char *
agl_place_of_argument (const AglOptions *options, GError **error)
{
  g_autofree char *path =
      agl_place_absolute (options->arguments == NULL ? NULL : options->arguments[0], error);
  g_autofree char *spelling = path == NULL ? NULL : agl_place_spell (path);
  g_autofree char *shown = NULL;

  if (spelling == NULL || g_utf8_validate (spelling, -1, NULL))
    return g_steal_pointer (&spelling);
  shown = agl_text_escape (path, -1);
  g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
               /* Translators: a directory */
               _ ("%s: D-Bus cannot carry this name, which is not UTF-8; make a symbolic link to the "
                  "directory (ln -s) "
                  "and give that"),
               shown);
  return NULL;
}

char *
agl_place_display (const char *path, const char *home)
{
  gsize length = home == NULL ? 0 : strlen (home);
  g_autofree char *rest = NULL;

  if (length > 1 && strncmp (path, home, length) == 0 && (path[length] == '/' || path[length] == '\0'))
    {
      rest = agl_text_escape (path + length, -1);
      return g_strconcat ("~", rest, NULL);
    }
  return agl_text_escape (path, -1);
}
