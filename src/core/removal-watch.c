/* SPDX-License-Identifier: MIT */
#include "core/removal-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"
#include "core/directory-private.h"

#define LOST (-1)

typedef struct
{
  AglDirectory *directory;
  int wd;
  guint count;
} Watch;

struct _AglRemovalWatch
{
  int fd;
  GSource *source;
  GHashTable *by_directory; /* AglDirectory → Watch (owned) */
  GHashTable *by_wd;        /* GINT_TO_POINTER → Watch */
  AglRemovedFunc removed;
  gpointer user_data;
};

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  agl_directory_unref (watch->directory);
  g_free (watch);
}

/* Takes in one event. IN_IGNORED comes after every end of a watch, IN_UNMOUNT's among them. */
static void
take_in (AglRemovalWatch *self, const struct inotify_event *event, GPtrArray *removed)
{
  Watch *watch = g_hash_table_lookup (self->by_wd, GINT_TO_POINTER (event->wd));

  if (watch == NULL || (event->mask & (IN_DELETE_SELF | IN_IGNORED)) == 0)
    return;
  g_hash_table_remove (self->by_wd, GINT_TO_POINTER (event->wd));
  watch->wd = LOST;
  if ((event->mask & IN_DELETE_SELF) == 0)
    return;
  g_ptr_array_add (removed, agl_directory_ref (watch->directory));
  g_hash_table_remove (self->by_directory, watch->directory);
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user_data)
{
  AglRemovalWatch *self = user_data;
  g_autoptr (GPtrArray) removed = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_directory_unref);
  AglRemovedFunc tell = self->removed;
  gpointer told = self->user_data;
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  ssize_t n = read (fd, buffer, sizeof buffer);

  if (n <= 0)
    return G_SOURCE_CONTINUE; /* EAGAIN, EINTR: poll says again */
  for (char *at = buffer; at < buffer + n;)
    {
      const struct inotify_event *event = (const struct inotify_event *)(gpointer)at;

      take_in (self, event, removed);
      at += sizeof *event + event->len;
    }
  /* @self may be freed by any of these. */
  for (guint i = 0; i < removed->len; i++)
    tell (g_ptr_array_index (removed, i), told);
  return G_SOURCE_CONTINUE;
}

AglRemovalWatch *
agl_removal_watch_new (GMainContext *context, AglRemovedFunc removed, gpointer user_data, GError **error)
{
  AglRemovalWatch *self;
  int fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);

  if (fd < 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                   "Removed directories cannot be watched for: %s; see fs.inotify.max_user_instances",
                   g_strerror (errno));
      return NULL;
    }
  self = g_new0 (AglRemovalWatch, 1);
  self->fd = fd;
  self->removed = removed;
  self->user_data = user_data;
  self->by_directory = g_hash_table_new_full (agl_directory_hash, agl_directory_equal, NULL, watch_free);
  self->by_wd = g_hash_table_new (NULL, NULL);
  self->source = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_static_name (self->source, "removal-watch");
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_readable), self, NULL);
  g_source_attach (self->source, context);
  return self;
}

void
agl_removal_watch_free (AglRemovalWatch *self)
{
  if (self == NULL)
    return;
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_hash_table_unref (self->by_wd);
  g_hash_table_unref (self->by_directory);
  close (self->fd);
  g_free (self);
}

static void
set_error (GError **error, const AglDirectory *directory, int code)
{
  g_autofree char *name = agl_text_escape (agl_directory_get_path (directory), -1);
  int kind = AGL_ERROR_UNAVAILABLE;
  const char *hint = "";

  if (code == ENOENT || code == ENOTDIR || code == ELOOP)
    kind = AGL_ERROR_INVALID_DIRECTORY;
  else if (code == EACCES || code == EPERM)
    kind = AGL_ERROR_NOT_PERMITTED;
  else if (code == ENOSPC)
    hint = "; see fs.inotify.max_user_watches";
  g_set_error (error, AGL_ERROR, kind, "Whether %s is removed cannot be watched: %s%s", name,
               code == ENOSPC ? "too many watches" : g_strerror (code), hint);
}

/* The watch descriptor, or -1 with errno. The kernel gives the same one to the same directory. */
static int
start_watching (const AglRemovalWatch *self, const AglDirectory *directory, AglPatience patience)
{
  AGL_AUTO_FD int fd = -1;
  AglInode inode;
  AglFilesystem filesystem;
  char link[32];

  if (directory->foreign)
    {
      errno = ENOENT;
      return -1;
    }
  fd = agl_directory_open_path (agl_directory_get_path (directory), patience);
  if (fd < 0 || !agl_inode_read (fd, "", patience, &inode)
      || !agl_filesystem_read (fd, &inode, patience, &filesystem))
    return -1;
  switch (agl_directory_match (directory, fd, &inode, &filesystem, patience))
    {
    case AGL_MATCH_UNKNOWN:
      return -1;
    case AGL_MATCH_OTHER:
    case AGL_MATCH_REBORN:
      errno = ENOENT;
      return -1;
    case AGL_MATCH_SAME:
      break;
    }
  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  return inotify_add_watch (self->fd, link, IN_DELETE_SELF | IN_ONLYDIR);
}

gboolean
agl_removal_watch_add (AglRemovalWatch *self, AglDirectory *directory, AglPatience patience, GError **error)
{
  Watch *watch = g_hash_table_lookup (self->by_directory, directory);

  if (watch == NULL || watch->wd == LOST)
    {
      int wd = start_watching (self, directory, patience);

      if (wd < 0 && errno == EAGAIN && patience == AGL_PATIENCE_NONE)
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                             "The directory cannot be looked at without waiting");
      else if (wd < 0)
        set_error (error, directory, errno);
      if (wd < 0)
        return FALSE;
      if (watch == NULL)
        {
          watch = g_new0 (Watch, 1);
          watch->directory = agl_directory_ref (directory);
          g_hash_table_insert (self->by_directory, watch->directory, watch);
        }
      watch->wd = wd;
      g_hash_table_insert (self->by_wd, GINT_TO_POINTER (wd), watch);
    }
  watch->count++;
  return TRUE;
}

void
agl_removal_watch_remove (AglRemovalWatch *self, AglDirectory *directory)
{
  Watch *watch = g_hash_table_lookup (self->by_directory, directory);

  if (watch == NULL || --watch->count > 0)
    return;
  if (watch->wd != LOST)
    {
      g_hash_table_remove (self->by_wd, GINT_TO_POINTER (watch->wd));
      /* EINVAL: the watch has just ended; its event finds nobody. */
      if (inotify_rm_watch (self->fd, watch->wd) != 0 && errno != EINVAL)
        g_warning ("inotify_rm_watch: %s", g_strerror (errno));
    }
  g_hash_table_remove (self->by_directory, directory);
}

gboolean
agl_removal_watch_is_watching (const AglRemovalWatch *self, const AglDirectory *directory)
{
  const Watch *watch = g_hash_table_lookup (self->by_directory, directory);

  return watch != NULL && watch->wd != LOST;
}

guint
agl_removal_watch_count (const AglRemovalWatch *self)
{
  return g_hash_table_size (self->by_directory);
}
