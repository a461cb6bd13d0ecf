/* SPDX-License-Identifier: MIT */
#include "service/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A clean stop takes milliseconds; a machine under load may need a while longer. */
#define STOP_TIMEOUT_MSEC 10000

#define INSTANCE_FILE "instance"

static int
fail (GError **error, const char *path, const char *what)
{
  int saved_errno = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s \"%s\": %s", what, path,
               g_strerror (saved_errno));
  return -1;
}

/* A folder that others may write to could be swapped under us. */
static int
open_folder (const char *path, mode_t mode, GError **error)
{
  gboolean is_new = access (path, F_OK) != 0;
  struct stat st;
  int fd;

  if (g_mkdir_with_parents (path, mode) < 0)
    return fail (error, path, "Cannot make the folder");
  fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fail (error, path, "Cannot open the folder");
  /* The umask has taken away what others need to get at the socket. One that was there is as it is meant. */
  if (is_new && fchmod (fd, mode) < 0)
    {
      fail (error, path, "Cannot set the mode of the folder");
      close (fd);
      return -1;
    }
  if (fstat (fd, &st) == 0 && st.st_uid == geteuid () && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
    return fd;
  close (fd);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
               "The folder \"%s\" is not this user's alone; it must be owned by user %u and writable for "
               "nobody else",
               path, (guint)geteuid ());
  return -1;
}

static gboolean
take_lock (int fd)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  return fcntl (fd, F_SETLK, &lock) == 0;
}

/* Who has it: 0 nobody any more, -1 somebody whom we cannot see (another PID namespace). */
static pid_t
get_owner (int fd)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  if (fcntl (fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
    return 0;
  return lock.l_pid > 0 ? lock.l_pid : -1;
}

static int
refuse (GError **error, const char *path, const char *option, pid_t owner)
{
  if (owner > 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "Another agentctl-locksd (pid %d) serves \"%s\"; stop it, or start with --replace",
                 (int)owner, path);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "Another agentctl-locksd, in another PID namespace, serves \"%s\"; use another %s", path,
                 option);
  return -1;
}

/* The number may be another process's by the time it is opened: the lock is asked once more. */
static gboolean
stop_owner (int fd, pid_t owner, const char *path, GError **error)
{
  int pidfd = (int)syscall (SYS_pidfd_open, owner, 0);
  struct pollfd dead = { .fd = pidfd, .events = POLLIN };
  int ready = 1;

  if (pidfd < 0)
    return TRUE;
  if (get_owner (fd) == owner)
    {
      if (syscall (SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) == 0)
        ready = poll (&dead, 1, STOP_TIMEOUT_MSEC);
      else if (errno != ESRCH)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                       "Cannot stop the agentctl-locksd (pid %d) that serves \"%s\": %s", (int)owner, path,
                       g_strerror (errno));
          close (pidfd);
          return FALSE;
        }
    }
  close (pidfd);
  if (ready != 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
               "The agentctl-locksd (pid %d) that serves \"%s\" does not stop", (int)owner, path);
  return FALSE;
}

int
agl_instance_claim (const char *path, mode_t mode, const char *option, gboolean replace, GError **error)
{
  g_autofree char *file = g_build_filename (path, INSTANCE_FILE, NULL);
  int folder = open_folder (path, mode, error);
  int fd;

  if (folder < 0)
    return -1;
  fd = openat (folder, INSTANCE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    fail (error, file, "Cannot make");
  close (folder);
  if (fd < 0)
    return -1;
  while (!take_lock (fd))
    {
      gboolean is_taken = errno == EAGAIN || errno == EACCES;
      pid_t owner = is_taken ? get_owner (fd) : 0;

      if (!is_taken)
        {
          fail (error, file, "Cannot lock");
          close (fd);
          return -1;
        }
      if (owner == 0)
        continue;
      if (owner < 0 || !replace)
        {
          close (fd);
          return refuse (error, path, option, owner);
        }
      if (!stop_owner (fd, owner, path, error))
        {
          close (fd);
          return -1;
        }
    }
  return fd;
}
