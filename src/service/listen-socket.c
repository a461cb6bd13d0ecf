/* SPDX-License-Identifier: MIT */
#include "service/listen-socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/text.h"
#include "core/undead.h"
#include "service/descriptor-sink.h"

/* Bound under a name of its own and then renamed: see bind_path(). */
#define NEW_SUFFIX ".new"

/* One that is being killed may lose its other descriptors a moment before its socket. */
#define LEAVE_INTERVAL_USEC (20 * 1000)
#define LEAVE_TRIES         10

struct _AglListenSocket
{
  int fd;
  char *address;
  char *path; /* NULL: abstract */
  dev_t dev;
  ino_t ino;
};

static gboolean
fail (GError **error, int number, const char *what)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s: %s", what, g_strerror (number));
  return FALSE;
}

static gboolean
listen_at (AglListenSocket *self, const char *name, gboolean is_abstract, GError **error)
{
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  gsize offset = is_abstract ? 1 : 0;
  socklen_t size;

  if (*name == '\0' || strlen (name) + 1 > sizeof where.sun_path)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_FILENAME,
                   "a socket's name is 1 to %" G_GSIZE_FORMAT " bytes long",
                   sizeof where.sun_path - 1 - (is_abstract ? 0 : strlen (NEW_SUFFIX)));
      return FALSE;
    }
  memcpy (where.sun_path + offset, name, strlen (name));
  size = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + strlen (name) + 1);
  if (bind (self->fd, (struct sockaddr *)&where, size) != 0)
    return fail (error, errno, "bind");
  /* Not before they were negotiated. */
  agl_descriptor_set_welcome (self->fd, FALSE);
  /* The longest queue there can be: a full one makes other users' connect(2) wait. */
  if (listen (self->fd, SOMAXCONN) != 0)
    return fail (error, errno, "listen");
  return TRUE;
}

/* Anything but a socket that an earlier instance left is somebody's. */
static gboolean
remove_stale (const char *path, GError **error)
{
  struct stat st;

  if (lstat (path, &st) != 0)
    return errno == ENOENT ? TRUE : fail (error, errno, "lstat");
  if (!S_ISSOCK (st.st_mode))
    return fail (error, EEXIST, "something that is no socket is there");
  return unlink (path) == 0 || errno == ENOENT ? TRUE : fail (error, errno, "unlink");
}

/* Whether who listens at the other end was killed: see undead.h. */
static gboolean
is_undead (int fd)
{
  struct ucred listener;
  socklen_t size = sizeof listener;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) == 0 && listener.pid > 0
         && agl_life_of (listener.pid) != AGL_LIFE_UNKNOWN;
}

/* Whether somebody listens at @path, or may. The socket of one that was killed refuses, unless the kernel
 * cannot end all of its threads yet. */
static gboolean
is_in_use (const char *path)
{
  struct sockaddr_un where = { .sun_family = AF_UNIX };
  gboolean in_use;
  int fd;

  if (strlen (path) >= sizeof where.sun_path)
    return FALSE;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return TRUE;
  memcpy (where.sun_path, path, strlen (path));
  if (connect (fd, (struct sockaddr *)&where, sizeof where) == 0)
    in_use = !is_undead (fd);
  else
    in_use = errno != ECONNREFUSED && errno != ENOENT;
  close (fd);
  return in_use;
}

/* Renamed into place only when it has its mode and listens, so that nobody finds a socket that refuses. */
static gboolean
bind_path (AglListenSocket *self, mode_t mode, GError **error)
{
  g_autofree char *fresh = g_strconcat (self->path, NEW_SUFFIX, NULL);
  struct stat st;

  if (lstat (self->path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return fail (error, EEXIST, "something that is no socket is there");
  for (guint i = 0; is_in_use (self->path); i++)
    {
      if (i >= LEAVE_TRIES)
        return fail (error, EADDRINUSE, "somebody listens there");
      g_usleep (LEAVE_INTERVAL_USEC);
    }
  if (!remove_stale (fresh, error))
    return FALSE;
  /* bind(2) gives the file the mode of the socket's own inode, less the umask (Linux): never more than
   * @mode, not even for a moment. */
  if (fchmod (self->fd, mode) != 0)
    return fail (error, errno, "fchmod");
  if (!listen_at (self, fresh, FALSE, error))
    {
      (void)unlink (fresh);
      return FALSE;
    }
  if (chmod (fresh, mode) != 0 || lstat (fresh, &st) != 0 || rename (fresh, self->path) != 0)
    {
      int saved_errno = errno;

      (void)unlink (fresh);
      return fail (error, saved_errno, "rename");
    }
  self->dev = st.st_dev;
  self->ino = st.st_ino;
  return TRUE;
}

static gboolean
bind_address (AglListenSocket *self, const char *key, const char *value, mode_t mode, GError **error)
{
  g_autofree char *escaped = NULL;

  if (strcmp (key, "abstract") == 0)
    {
      escaped = g_dbus_address_escape_value (value);
      self->address = g_strconcat ("unix:abstract=", escaped, NULL);
      return listen_at (self, value, TRUE, error);
    }
  if (strcmp (key, "path") == 0)
    self->path = g_strdup (value);
  else
    {
      g_autofree char *id = g_dbus_generate_guid ();

      self->path = g_strdup_printf ("%s/agentctl-locks-%.8s", value, id);
    }
  escaped = g_dbus_address_escape_value (self->path);
  self->address = g_strconcat ("unix:path=", escaped, NULL);
  return bind_path (self, mode, error);
}

/* The one key that says where; "guid" may stand beside it. */
static gboolean
parse_address (const char *address, char **key, char **value, GError **error)
{
  g_auto (GStrv) pairs = NULL;
  gsize n_places = 0;

  if (g_str_has_prefix (address, "unix:") && strchr (address, ';') == NULL)
    pairs = g_strsplit (address + strlen ("unix:"), ",", -1);
  for (gsize i = 0; pairs != NULL && pairs[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (pairs[i], "=", 2);

      if (pair[0] == NULL || pair[1] == NULL)
        continue;
      if (strcmp (pair[0], "path") != 0 && strcmp (pair[0], "abstract") != 0 && strcmp (pair[0], "dir") != 0
          && strcmp (pair[0], "tmpdir") != 0)
        continue;
      g_free (*key);
      g_free (*value);
      *key = g_strdup (pair[0]);
      *value = g_uri_unescape_string (pair[1], NULL);
      n_places++;
    }
  if (n_places != 1 || *value == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "expected one of unix:path=FILE, unix:abstract=NAME, unix:dir=DIRECTORY");
      return FALSE;
    }
  return TRUE;
}

AglListenSocket *
agl_listen_socket_new (const char *address, mode_t mode, GError **error)
{
  g_autoptr (AglListenSocket) self = g_new0 (AglListenSocket, 1);
  g_autofree char *key = NULL;
  g_autofree char *value = NULL;
  g_autofree char *shown = agl_text_escape (address, -1);

  self->fd = -1;
  if (!parse_address (address, &key, &value, error))
    {
      g_prefix_error (error, "Cannot listen at “%s”: ", shown);
      return NULL;
    }
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd < 0)
    {
      (void)fail (error, errno, "socket");
      g_prefix_error (error, "Cannot listen at “%s”: ", shown);
      return NULL;
    }
  if (!bind_address (self, key, value, mode, error))
    {
      g_prefix_error (error, "Cannot listen at “%s”: ", shown);
      return NULL;
    }
  return g_steal_pointer (&self);
}

static gboolean
is_still_ours (const AglListenSocket *self)
{
  struct stat st;

  return self->path != NULL && self->ino != 0 && lstat (self->path, &st) == 0 && st.st_dev == self->dev
         && st.st_ino == self->ino;
}

void
agl_listen_socket_free (AglListenSocket *self)
{
  if (self == NULL)
    return;
  if (is_still_ours (self) && unlink (self->path) != 0)
    g_message ("Cannot remove the socket of %s: %s", self->address, g_strerror (errno));
  if (self->fd >= 0)
    agl_descriptor_sink_socket (self->fd, geteuid ());
  g_free (self->path);
  g_free (self->address);
  g_free (self);
}

int
agl_listen_socket_get_fd (const AglListenSocket *self)
{
  return self->fd;
}

const char *
agl_listen_socket_get_address (const AglListenSocket *self)
{
  return self->address;
}
