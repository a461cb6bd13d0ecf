/* SPDX-License-Identifier: MIT */
#include "core/directory-private.h"

#include <gio/gio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/proc-thread.h"

/* What the path says. */
typedef enum
{
  PATH_ANSWERS,       /* *existence */
  PATH_LEADS_NOWHERE, /* or to another directory: it is not there any more */
  PATH_SAYS_NOTHING   /* errno */
} PathAnswer;

/* After a reboot a disk can have another number: inode number and handle then still tell that it is the same
 * directory that stands under the same path. */
static gboolean
is_renumbered (const AglDirectory *self, int fd, const AglInode *inode, AglPatience patience)
{
  AglFilesystem filesystem;
  AglFileHandle ours;
  AglFileHandle theirs;

  return inode->id.ino == self->id.ino && inode->id.dev != self->id.dev
         && agl_directory_read_handle (self, &ours) && agl_filesystem_read (fd, inode, patience, &filesystem)
         && agl_file_handle_read (fd, &filesystem, &theirs) && agl_file_handle_equal (&ours, &theirs);
}

static PathAnswer
ask_path (const AglDirectory *self, AglPatience patience, AglExistence *existence, AglDirectory **moved)
{
  AGL_AUTO_FD int fd = agl_directory_open_path (agl_directory_get_path (self), patience);
  AglInode inode;

  if (fd < 0)
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? PATH_LEADS_NOWHERE : PATH_SAYS_NOTHING;
  if (!agl_inode_read (fd, "", patience, &inode))
    return PATH_SAYS_NOTHING;

  switch (agl_directory_match (self, fd, &inode, NULL, patience))
    {
    case AGL_MATCH_UNKNOWN:
      return PATH_SAYS_NOTHING;
    case AGL_MATCH_SAME:
      *existence = AGL_EXISTENCE_THERE;
      return PATH_ANSWERS;
    case AGL_MATCH_REBORN:
      *existence = AGL_EXISTENCE_REMOVED;
      return PATH_ANSWERS;
    case AGL_MATCH_OTHER:
      break;
    }

  errno = 0;
  if (is_renumbered (self, fd, &inode, patience))
    {
      *existence = AGL_EXISTENCE_THERE;
      if (moved != NULL)
        *moved = agl_directory_describe (fd, &inode, patience);
      return PATH_ANSWERS;
    }
  return errno == EAGAIN ? PATH_SAYS_NOTHING : PATH_LEADS_NOWHERE;
}

/* TRUE when @fd is on the very filesystem that @self was on. The device number alone does not tell, since it
 * goes to whatever is mounted next. */
static gboolean
is_same_filesystem (const AglDirectory *self, int fd, const AglInode *inode)
{
  AglFilesystem filesystem;

  return inode->id.dev == self->id.dev && agl_filesystem_read (fd, inode, AGL_PATIENCE_BLOCK, &filesystem)
         && filesystem.fsid == self->fsid;
}

/* A descriptor on the filesystem of @self: of the nearest directory on the way to it that is still what it
 * was. -1 when there is none. Real, since open_by_handle_at(2) takes no O_PATH. */
static int
open_mount (const AglDirectory *self)
{
  g_autofree char *path = g_strdup (agl_directory_get_path (self));
  gsize n_ancestors;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (self, &n_ancestors);

  for (gsize i = 0; strcmp (path, "/") != 0 && (self->foreign || i < n_ancestors); i++)
    {
      g_autofree char *parent = g_path_get_dirname (path);
      AGL_AUTO_FD int look = agl_directory_open_path (parent, AGL_PATIENCE_BLOCK);
      AglInode inode;

      if (look >= 0 && agl_inode_read (look, "", AGL_PATIENCE_BLOCK, &inode)
          && (self->foreign || agl_directory_id_equal (&inode.id, &ancestors[i]))
          && is_same_filesystem (self, look, &inode))
        return openat (look, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
      g_free (path);
      path = g_steal_pointer (&parent);
    }
  return -1;
}

/* As ESTALE open_by_handle_at(2) also gives a disk that cannot be read; so it counts only where the path
 * agrees
 * (@path_gone) or, in another view, cannot be asked. */
static AglExistence
ask_handle (const AglDirectory *self, gboolean path_gone, AglDirectory **moved)
{
  AglFileHandle handle;
  AGL_AUTO_FD int mount = -1;
  AGL_AUTO_FD int fd = -1;
  AglInode inode;
  struct
  {
    struct file_handle head;
    guint8 bytes[MAX_HANDLE_SZ];
  } buffer;

  if (!agl_directory_read_handle (self, &handle))
    return AGL_EXISTENCE_UNKNOWN;
  mount = open_mount (self);
  if (mount < 0)
    return AGL_EXISTENCE_UNKNOWN;

  buffer.head.handle_type = handle.type;
  buffer.head.handle_bytes = handle.n_bytes;
  memcpy (buffer.head.f_handle, handle.bytes, handle.n_bytes);
  fd = open_by_handle_at (mount, &buffer.head, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno == ESTALE && path_gone ? AGL_EXISTENCE_REMOVED : AGL_EXISTENCE_UNKNOWN;
  if (!agl_inode_read (fd, "", AGL_PATIENCE_BLOCK, &inode) || !agl_directory_id_equal (&inode.id, &self->id))
    return AGL_EXISTENCE_UNKNOWN;
  if (inode.n_links == 0)
    return AGL_EXISTENCE_REMOVED; /* and somebody is still in it */

  if (moved != NULL)
    *moved = agl_directory_describe (fd, &inode, AGL_PATIENCE_BLOCK);
  return AGL_EXISTENCE_THERE;
}

/* @fd is a removed directory that somebody works in: is it this one, or one that stood below it? */
static gboolean
was_in (const AglDirectory *self, int fd, const AglInode *inode)
{
  g_auto (AglClimb) climb = { 0 };

  agl_climb_init (&climb, fd, inode, AGL_PATIENCE_BLOCK);
  do
    {
      AGL_AUTO_FD int here = -1;

      if (climb.at.n_links != 0)
        return FALSE; /* what is above is there */
      if (!agl_directory_id_equal (&climb.at.id, &self->id))
        continue;
      here = agl_climb_open (&climb);
      return here >= 0
             && agl_directory_match (self, here, &climb.at, NULL, AGL_PATIENCE_BLOCK) == AGL_MATCH_SAME;
    }
  while (agl_climb_next (&climb));
  return FALSE;
}

/* A process that works in a removed directory keeps its inode and those above it, and with them the proof.
 * Only the links of /proc that say so are followed. */
static AglExistence
ask_processes (const AglDirectory *self)
{
  DIR *proc = opendir ("/proc");
  AglExistence existence = AGL_EXISTENCE_UNKNOWN;
  struct dirent *entry;

  if (proc == NULL)
    return AGL_EXISTENCE_UNKNOWN;
  while (existence == AGL_EXISTENCE_UNKNOWN && (entry = readdir (proc)) != NULL)
    {
      AGL_AUTO_FD int fd = -1;
      AglInode inode;
      char folder[AGL_PROC_FOLDER_BYTES];
      char link[AGL_PROC_FOLDER_BYTES + 8];
      char text[PATH_MAX];
      ssize_t n;

      if (!g_ascii_isdigit (entry->d_name[0]))
        continue;
      g_snprintf (link, sizeof link, "/proc/%.20s/cwd", entry->d_name);
      n = readlink (link, text, sizeof text - 1);
      if (n < 0 && errno == ENOENT && agl_proc_find_thread (atoi (entry->d_name), folder))
        {
          g_snprintf (link, sizeof link, "%s/cwd", folder);
          n = readlink (link, text, sizeof text - 1);
        }
      if (n < 0)
        continue;
      text[n] = '\0';
      if (!g_str_has_suffix (text, " (deleted)"))
        continue;
      fd = open (link, O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (fd >= 0 && agl_inode_read (fd, "", AGL_PATIENCE_BLOCK, &inode) && was_in (self, fd, &inode))
        existence = AGL_EXISTENCE_REMOVED;
    }
  closedir (proc);
  return existence;
}

AglExistence
agl_directory_probe (const AglDirectory *self, AglPatience patience, AglDirectory **moved, GError **error)
{
  AglExistence existence = AGL_EXISTENCE_UNKNOWN;
  PathAnswer answer = PATH_SAYS_NOTHING;

  if (moved != NULL)
    *moved = NULL;

  if (!self->foreign)
    {
      answer = ask_path (self, patience, &existence, moved);
      if (answer == PATH_ANSWERS)
        return existence;
    }
  /* Everything further may have to read a disk. */
  if (patience == AGL_PATIENCE_NONE)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                           "Whether the directory still exists cannot be told without waiting");
      return AGL_EXISTENCE_UNKNOWN;
    }

  existence = ask_handle (self, self->foreign || answer == PATH_LEADS_NOWHERE, moved);
  if (existence == AGL_EXISTENCE_UNKNOWN && answer == PATH_LEADS_NOWHERE)
    existence = ask_processes (self);
  return existence;
}
