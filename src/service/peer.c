/* SPDX-License-Identifier: MIT */
#include "service/peer.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"

/* Linux 6.5; the C library's headers are older. Architectures that number socket options otherwise (parisc,
 * sparc) define it in theirs. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
/* Linux 4.13. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* A process may be in 65 536 groups (NGROUPS_MAX); nearly all are in fewer than this. */
#define FEW_GROUPS 64

static gboolean
read_groups (AglPeer *self, int fd, GError **error)
{
  socklen_t size = FEW_GROUPS * sizeof (gid_t);
  int saved_errno;

  self->groups = g_malloc (size);
  while (getsockopt (fd, SOL_SOCKET, SO_PEERGROUPS, self->groups, &size) != 0)
    {
      saved_errno = errno;
      if (saved_errno != ERANGE)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "SO_PEERGROUPS: %s",
                       g_strerror (saved_errno));
          return FALSE;
        }
      /* ERANGE says how much is needed, see socket(7). */
      self->groups = g_realloc (self->groups, size);
    }
  self->n_groups = size / sizeof (gid_t);
  return TRUE;
}

static gboolean
read_pidfd (AglPeer *self, int fd, GError **error)
{
  socklen_t size = sizeof self->pidfd;
  int saved_errno;

  self->pidfd = -1;
  if (self->pid == 0 || getsockopt (fd, SOL_SOCKET, SO_PEERPIDFD, &self->pidfd, &size) == 0)
    return TRUE;

  saved_errno = errno;
  self->pidfd = -1;
  /* Which says nothing about the peer. */
  if (agl_error_is_shortage (saved_errno))
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "SO_PEERPIDFD: %s",
                   g_strerror (saved_errno));
      return FALSE;
    }
  /* Any other answer than "no such option" means that there is no such process any more (ESRCH; EINVAL before
   * Linux 6.16): its number is free for others then and names nobody. */
  if (saved_errno != ENOPROTOOPT)
    self->pid = 0;
  return TRUE;
}

AglPeer *
agl_peer_new_from_socket (int fd, GError **error)
{
  g_autoptr (AglPeer) self = g_new0 (AglPeer, 1);
  struct ucred credentials;
  socklen_t size = sizeof credentials;

  self->pidfd = -1;
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "SO_PEERCRED: %s",
                   g_strerror (saved_errno));
      return NULL;
    }
  self->uid = credentials.uid;
  self->gid = credentials.gid;
  self->pid = credentials.pid;
  if (!read_groups (self, fd, error) || !read_pidfd (self, fd, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
agl_peer_free (AglPeer *self)
{
  if (self == NULL)
    return;
  if (self->pidfd >= 0)
    close (self->pidfd);
  g_free (self->groups);
  g_free (self);
}

gboolean
agl_peer_is_called (const AglPeer *self, uid_t claimed)
{
  g_autofree char *path = NULL;
  g_autofree char *map = NULL;
  g_auto (GStrv) lines = NULL;

  if (claimed == self->uid)
    return TRUE;
  if (self->pid == 0)
    return FALSE;

  /* Each line: first number inside, first number as this process sees it, how many. procfs answers from
   * memory. */
  path = g_strdup_printf ("/proc/%d/uid_map", (int)self->pid);
  if (!g_file_get_contents (path, &map, NULL, NULL))
    return FALSE;
  lines = g_strsplit (map, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      guint inside, outside, count;

      if (sscanf (lines[i], "%u %u %u", &inside, &outside, &count) != 3)
        continue;
      if (claimed >= inside && claimed - inside < count && outside + (claimed - inside) == self->uid)
        return TRUE;
    }
  return FALSE;
}
