/* SPDX-License-Identifier: MIT */
#include "core/directory-private.h"

#include <errno.h>

#include "common/error.h"

void
agl_directory_set_would_block (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                       "The directory cannot be looked at without waiting");
}

void
agl_directory_set_open_error (GError **error, const char *name, int code)
{
  AglError kind = AGL_ERROR_INVALID_DIRECTORY;
  const char *what;

  switch (code)
    {
    case ENOENT:
      what = "does not exist: check the spelling or create it first";
      break;
    case ENOTDIR:
      what = "is not a directory, or something on the way to it is not";
      break;
    case ELOOP:
      what = "leads through too many symbolic links, or through a link of /proc: give the directory itself";
      break;
    case EACCES:
    case EPERM:
      what = "is not reachable by the caller: it needs search permission on every directory on the way";
      break;
    case ENAMETOOLONG:
      what = "is too long, or a symbolic link on the way is";
      break;
    case EINVAL:
    case EILSEQ:
      what = "has a name that its file system does not allow";
      break;
    case EMFILE:
    case ENFILE:
      kind = AGL_ERROR_UNAVAILABLE;
      what = "could not be looked up: the service has run out of file descriptors; try again later";
      break;
    case ENOMEM:
    case ENOBUFS:
      kind = AGL_ERROR_UNAVAILABLE;
      what = "could not be looked up: the machine has run out of memory; try again later";
      break;
    default: /* EIO, ETIMEDOUT, ENOTCONN, ESTALE…: the filesystem's trouble, which says nothing about the path
              */
      kind = AGL_ERROR_UNAVAILABLE;
      what = NULL;
      break;
    }
  if (what != NULL)
    g_set_error (error, AGL_ERROR, kind, "%s %s", name, what);
  else
    g_set_error (error, AGL_ERROR, kind,
                 "%s could not be looked up, its file system fails: %s; try again when it works", name,
                 g_strerror (code));
}

void
agl_directory_set_access_error (GError **error, const char *name, AglAccess access, int code)
{
  if (code == EROFS)
    g_set_error (
        error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
        "%s is on a read-only file system: an exclusive lock needs write permission, ask for a shared "
        "one",
        name);
  else if (code != EACCES && code != EPERM)
    agl_directory_set_open_error (error, name, code);
  else if (access == AGL_ACCESS_WRITE)
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
                 "%s is not writable for the caller: an exclusive lock needs write and search permission, a "
                 "shared one search permission alone",
                 name);
  else
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
                 "%s is not searchable for the caller: a lock needs search permission on its directory",
                 name);
}
