/* SPDX-License-Identifier: MIT */
#include "core/private-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"

#define TEMPORARY ".tmp"
#define BACKUP    ".old" TEMPORARY
#define ASIDE     ".bad"

/* So many damaged files of one name are kept; more is a machine that needs a person, not another copy. */
#define MAX_ASIDE 1000

struct _AglPrivateFolder
{
  char *path;
  int fd;
  gboolean durable;
};

/* @name: NULL for the folder itself. */
static void
set_error (GError **error, const char *tried, const AglPrivateFolder *self, const char *name, int code)
{
  g_autofree char *full = name != NULL ? g_build_filename (self->path, name, NULL) : g_strdup (self->path);
  g_autofree char *shown = agl_text_escape (full, -1);

  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot %s %s: %s", tried, shown, g_strerror (code));
}

static gboolean
refuse (GError **error, const char *path, const char *what)
{
  g_autofree char *shown = agl_text_escape (path, -1);

  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "The folder %s %s", shown, what);
  return FALSE;
}

static AglPrivateFolder *
take_fd (int fd, const char *path, gboolean durable)
{
  AglPrivateFolder *self = g_new0 (AglPrivateFolder, 1);

  self->fd = fd;
  self->path = g_strdup (path);
  self->durable = durable;
  return self;
}

void
agl_private_folder_free (AglPrivateFolder *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self);
}

const char *
agl_private_folder_get_path (const AglPrivateFolder *self)
{
  return self->path;
}

AglPrivateFolder *
agl_private_folder_open (const char *path, gboolean durable, GError **error)
{
  g_autoptr (AglPrivateFolder) self = take_fd (-1, path, durable);
  struct stat st;

  if (g_mkdir_with_parents (path, 0700) != 0)
    {
      set_error (error, "make the folder", self, NULL, errno);
      return NULL;
    }
  self->fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->fd < 0 || fstat (self->fd, &st) != 0)
    {
      set_error (error, "open the folder", self, NULL, errno);
      return NULL;
    }
  if (st.st_uid != geteuid () && st.st_uid != 0)
    {
      refuse (error, path, "belongs to another user; name one of your own");
      return NULL;
    }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0)
    {
      refuse (error, path, "can be written to by others, who could replace what is in it; chmod go-w");
      return NULL;
    }
  return g_steal_pointer (&self);
}

AglPrivateFolder *
agl_private_folder_open_child (AglPrivateFolder *self, const char *name, gboolean *created, GError **error)
{
  g_autofree char *path = g_build_filename (self->path, name, NULL);
  g_autoptr (AglPrivateFolder) child = take_fd (-1, path, self->durable);
  gboolean made = mkdirat (self->fd, name, 0700) == 0;
  struct stat st;

  if (!made && errno != EEXIST)
    {
      set_error (error, "make the folder", child, NULL, errno);
      return NULL;
    }
  if (made && self->durable && fsync (self->fd) != 0)
    {
      set_error (error, "sync the folder", self, NULL, errno);
      return NULL;
    }

  child->fd = openat (self->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (child->fd < 0 || fstat (child->fd, &st) != 0)
    {
      set_error (error, "open the folder", child, NULL, errno);
      return NULL;
    }
  if (st.st_uid != geteuid ())
    {
      refuse (error, path, "belongs to another user; move it away");
      return NULL;
    }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    {
      refuse (error, path, "can be written to by others, so what is in it proves nothing; move it away");
      return NULL;
    }
  if ((st.st_mode & 07777) != 0700 && fchmod (child->fd, 0700) != 0)
    {
      set_error (error, "restrict the folder", child, NULL, errno);
      return NULL;
    }
  if (created != NULL)
    *created = made;
  return g_steal_pointer (&child);
}

static gboolean
write_all (int fd, const char *data, gsize n_bytes)
{
  while (n_bytes > 0)
    {
      ssize_t n = write (fd, data, n_bytes);

      if (n < 0 && errno == EINTR)
        continue;
      if (n == 0)
        errno = EIO;
      if (n <= 0)
        return FALSE;
      data += n;
      n_bytes -= n;
    }
  return TRUE;
}

/* A leftover of the same name is our own, from a crash: the folder is private. */
static int
open_temporary (AglPrivateFolder *self, const char *temporary)
{
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat (self->fd, temporary, flags, 0600);

  if (fd >= 0 || errno != EEXIST || unlinkat (self->fd, temporary, 0) != 0)
    return fd;
  return openat (self->fd, temporary, flags, 0600);
}

static gboolean
write_temporary (
    AglPrivateFolder *self, const char *temporary, const char *data, gsize n_bytes, GError **error)
{
  const char *failed = NULL;
  int fd = open_temporary (self, temporary);
  int code = 0;

  if (fd < 0)
    {
      set_error (error, "create", self, temporary, errno);
      return FALSE;
    }
  if (!write_all (fd, data, n_bytes))
    failed = "write";
  else if (self->durable && fsync (fd) != 0)
    failed = "sync";
  if (failed != NULL)
    code = errno;

  /* Some filesystems tell only here that the data found no room (close(2)). Linux closes also on EINTR. */
  if (close (fd) != 0 && errno != EINTR && failed == NULL)
    {
      failed = "finish";
      code = errno;
    }
  if (failed == NULL)
    return TRUE;

  set_error (error, failed, self, temporary, code);
  unlinkat (self->fd, temporary, 0);
  return FALSE;
}

/* Keeps what @name was under @backup, as far as the filesystem has hard links. @was_absent: proven so. */
static gboolean
keep_old (AglPrivateFolder *self, const char *name, const char *backup, gboolean *was_absent)
{
  gboolean kept = linkat (self->fd, name, self->fd, backup, 0) == 0;

  if (!kept && errno == EEXIST && unlinkat (self->fd, backup, 0) == 0)
    kept = linkat (self->fd, name, self->fd, backup, 0) == 0;
  *was_absent = !kept && errno == ENOENT;
  return kept;
}

/* The rename shows at once but lasts only once the folder is synced. Where that fails nobody knows what a
 * power cut would leave, so the old state is put back before the error is told. */
static gboolean
replace_durably (AglPrivateFolder *self, const char *temporary, const char *name, GError **error)
{
  g_autofree char *backup = g_strconcat (name, BACKUP, NULL);
  gboolean was_absent;
  gboolean kept = keep_old (self, name, backup, &was_absent);

  if (renameat (self->fd, temporary, self->fd, name) != 0)
    {
      set_error (error, "replace", self, name, errno);
      unlinkat (self->fd, temporary, 0);
      if (kept)
        unlinkat (self->fd, backup, 0);
      return FALSE;
    }
  if (fsync (self->fd) == 0)
    {
      if (kept)
        unlinkat (self->fd, backup, 0);
      return TRUE;
    }

  set_error (error, "sync the folder", self, NULL, errno);
  if (kept)
    renameat (self->fd, backup, self->fd, name);
  else if (was_absent)
    unlinkat (self->fd, name, 0);
  return FALSE;
}

gboolean
agl_private_folder_write (
    AglPrivateFolder *self, const char *name, const char *data, gsize n_bytes, GError **error)
{
  g_autofree char *temporary = g_strconcat (name, TEMPORARY, NULL);

  if (!write_temporary (self, temporary, data, n_bytes, error))
    return FALSE;
  if (self->durable)
    return replace_durably (self, temporary, name, error);
  if (renameat (self->fd, temporary, self->fd, name) != 0)
    {
      set_error (error, "replace", self, name, errno);
      unlinkat (self->fd, temporary, 0);
      return FALSE;
    }
  return TRUE;
}

/* Out of descriptors or memory says nothing about the file. */
static gboolean
is_our_own_trouble (int code)
{
  return agl_error_is_shortage (code) || code == ENOBUFS;
}

static void
set_read_error (GError **error, const AglPrivateFolder *self, const char *name, int code)
{
  if (is_our_own_trouble (code))
    set_error (error, "read", self, name, code);
  else
    g_set_error_literal (error, G_IO_ERROR, code == ENOENT ? G_IO_ERROR_NOT_FOUND : G_IO_ERROR_INVALID_DATA,
                         code == ELOOP ? "a symbolic link" : g_strerror (code));
}

static const char *
find_fault (const struct stat *st, gsize max_bytes)
{
  if (!S_ISREG (st->st_mode))
    return "no regular file";
  if (st->st_uid != geteuid ())
    return "belongs to another user";
  if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return "can be written to by others";
  if (st->st_size < 0 || (guint64)st->st_size > max_bytes)
    return "too long";
  return NULL;
}

static gboolean
read_all (int fd, gsize n_bytes, GString *contents)
{
  gsize have = 0;

  g_string_set_size (contents, n_bytes);
  while (have < n_bytes)
    {
      ssize_t n = read (fd, contents->str + have, n_bytes - have);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      if (n == 0)
        break;
      have += n;
    }
  g_string_set_size (contents, have);
  return TRUE;
}

gboolean
agl_private_folder_read (
    AglPrivateFolder *self, const char *name, gsize max_bytes, GString *contents, GError **error)
{
  const char *fault;
  struct stat st;
  gboolean done;
  int fd, code;

  /* O_NONBLOCK: opening a FIFO would wait for a writer. */
  fd = openat (self->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    {
      set_read_error (error, self, name, errno);
      return FALSE;
    }
  if (fstat (fd, &st) != 0)
    {
      set_read_error (error, self, name, errno);
      close (fd);
      return FALSE;
    }
  fault = find_fault (&st, max_bytes);
  if (fault != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, fault);
      close (fd);
      return FALSE;
    }
  done = read_all (fd, st.st_size, contents);
  code = errno;
  close (fd);
  if (!done)
    set_read_error (error, self, name, code);
  return done;
}

gboolean
agl_private_folder_rename (AglPrivateFolder *self, const char *from, const char *to, GError **error)
{
  if (renameat (self->fd, from, self->fd, to) != 0)
    {
      if (errno == ENOENT)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s", g_strerror (errno));
      else
        set_error (error, "rename", self, from, errno);
      return FALSE;
    }
  if (!self->durable || fsync (self->fd) == 0)
    return TRUE;
  set_error (error, "sync the folder", self, NULL, errno);
  renameat (self->fd, to, self->fd, from);
  return FALSE;
}

gboolean
agl_private_folder_remove (AglPrivateFolder *self, const char *name, GError **error)
{
  if (unlinkat (self->fd, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  set_error (error, "remove", self, name, errno);
  return FALSE;
}

/* 0, or the error; EEXIST when @to is taken. */
static int
rename_to_free_name (AglPrivateFolder *self, const char *from, const char *to)
{
  struct stat st;

  if (renameat2 (self->fd, from, self->fd, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return errno;
  /* A filesystem without that flag. Looking first will do: nobody else works in this folder. */
  if (fstatat (self->fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return EEXIST;
  return renameat (self->fd, from, self->fd, to) == 0 ? 0 : errno;
}

void
agl_private_folder_set_aside (AglPrivateFolder *self, const char *name, const char *why)
{
  g_autofree char *full = g_build_filename (self->path, name, NULL);
  g_autofree char *shown = agl_text_escape (full, -1);
  g_autofree char *reason = agl_text_escape (why, -1);
  g_autofree char *to = g_strconcat (name, ASIDE, NULL);
  g_autofree char *shown_to = NULL;
  int code = rename_to_free_name (self, name, to);

  for (guint n = 1; code == EEXIST && n < MAX_ASIDE; n++)
    {
      g_free (to);
      to = g_strdup_printf ("%s" ASIDE ".%u", name, n);
      code = rename_to_free_name (self, name, to);
    }
  shown_to = agl_text_escape (to, -1);
  if (code == 0)
    g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_FILE", shown, "AGL_REASON", reason, "MESSAGE",
                      "The state file %s cannot be used (%s): set aside as %s", shown, reason, shown_to);
  else
    g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "AGL_FILE", shown, "AGL_REASON", reason, "MESSAGE",
                      "The state file %s cannot be used (%s) nor set aside (%s): passed over", shown, reason,
                      g_strerror (code));
}

gboolean
agl_private_folder_is_set_aside (const char *name)
{
  const char *aside = g_strrstr (name, ASIDE);

  if (aside == NULL || aside == name)
    return FALSE;
  aside += strlen (ASIDE);
  return *aside == '\0'
         || (*aside == '.' && aside[1] != '\0' && strspn (aside + 1, "0123456789") == strlen (aside + 1));
}

gboolean
agl_private_folder_is_temporary (const char *name)
{
  return g_str_has_suffix (name, TEMPORARY);
}

GPtrArray *
agl_private_folder_list (AglPrivateFolder *self, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const struct dirent *entry;
  DIR *stream;
  int fd = openat (self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      set_error (error, "read the folder", self, NULL, errno);
      return NULL;
    }
  stream = fdopendir (fd);
  if (stream == NULL)
    {
      set_error (error, "read the folder", self, NULL, errno);
      close (fd);
      return NULL;
    }

  errno = 0;
  while ((entry = readdir (stream)) != NULL)
    {
      if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
        g_ptr_array_add (names, g_strdup (entry->d_name));
      errno = 0;
    }
  if (errno != 0)
    {
      set_error (error, "read the folder", self, NULL, errno);
      closedir (stream);
      return NULL;
    }
  closedir (stream);
  return g_steal_pointer (&names);
}
