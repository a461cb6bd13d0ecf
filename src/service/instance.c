/* SPDX-License-Identifier: MIT */
#include "service/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/undead.h"

/* A clean stop takes milliseconds; a machine under load may need a while longer. */
#define STOP_TIMEOUT_MSEC 10000

#define INSTANCE_FILE "instance"
#define NEW_FILE      "instance.new"

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
  if (owner > 0 && agl_life_of (owner) == AGL_LIFE_MAIN_STUCK)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "The agentctl-locksd (pid %d) that served \"%s\" was killed, but the kernel has not ended a "
                 "call of its main thread, which may still change files there; it ends when the filesystem "
                 "that it waits for answers or is unmounted (see /proc/%d/stack)",
                 (int)owner, path, (int)owner);
  else if (owner > 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "Another agentctl-locksd (pid %d) serves \"%s\"; stop it, or start with --replace",
                 (int)owner, path);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "Another agentctl-locksd, in another PID namespace, serves \"%s\"; use another %s", path,
                 option);
  return -1;
}

/* The number may be another process's by the time it is opened: the lock is asked once more. -1: @owner has
 * the lock no longer. */
static int
open_owner (int fd, pid_t owner)
{
  int pidfd = (int)syscall (SYS_pidfd_open, owner, 0);

  if (pidfd < 0 || get_owner (fd) == owner)
    return pidfd;
  close (pidfd);
  return -1;
}

static gboolean
stop_owner (int fd, pid_t owner, const char *path, GError **error)
{
  int pidfd = open_owner (fd, owner);
  struct pollfd dead = { .fd = pidfd, .events = POLLIN };
  int ready = 1;

  if (pidfd < 0)
    return TRUE;
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
  close (pidfd);
  if (ready != 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
               "The agentctl-locksd (pid %d) that serves \"%s\" does not stop", (int)owner, path);
  return FALSE;
}

static int
open_file (int folder, const char *path, const char *name, int flags, GError **error)
{
  g_autofree char *file = g_build_filename (path, name, NULL);
  int fd = openat (folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

  return fd >= 0 ? fd : fail (error, file, "Cannot make");
}

/* Whether @fd is still what stands there: somebody may have put another in its place. */
static gboolean
is_current (int folder, int fd)
{
  struct stat ours, theirs;

  return fstat (fd, &ours) == 0 && fstatat (folder, INSTANCE_FILE, &theirs, AT_SYMLINK_NOFOLLOW) == 0
         && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* The owner is dead to all but the kernel, which keeps its lock: the file is replaced by another. Of several
 * who see that the one with the flock(2) of the old file does it. Returns the new file, locked; -1 without
 * @error: to begin anew. */
static int
replace_file (int folder, int old, pid_t owner, const char *path, const char *option, GError **error)
{
  int fd;

  if (flock (old, LOCK_EX | LOCK_NB) != 0)
    return refuse (error, path, option, owner);
  if (!is_current (folder, old) || get_owner (old) != owner)
    return -1;
  if (unlinkat (folder, NEW_FILE, 0) != 0 && errno != ENOENT)
    return fail (error, path, "Cannot replace the instance file in");
  fd = open_file (folder, path, NEW_FILE, O_EXCL, error);
  if (fd < 0)
    return -1;
  if (take_lock (fd) && renameat (folder, NEW_FILE, folder, INSTANCE_FILE) == 0)
    {
      g_message (
          "The agentctl-locksd (pid %d) that served \"%s\" was killed, but a thread of it hangs in the "
          "kernel, in a filesystem that does not answer: taking its place",
          (int)owner, path);
      return fd;
    }
  fail (error, path, "Cannot replace the instance file in");
  close (fd);
  return -1;
}

/* Returns a locked file; -1 without @error: to begin anew. */
static int
claim_file (int folder, int fd, const char *path, const char *option, gboolean replace, GError **error)
{
  AglLife life;
  pid_t owner;

  if (take_lock (fd))
    return is_current (folder, fd) ? fd : -1;
  if (errno != EAGAIN && errno != EACCES)
    {
      g_autofree char *file = g_build_filename (path, INSTANCE_FILE, NULL);

      return fail (error, file, "Cannot lock");
    }
  owner = get_owner (fd);
  if (owner == 0)
    return -1;
  life = owner > 0 ? agl_life_of (owner) : AGL_LIFE_UNKNOWN;
  if (life == AGL_LIFE_OVER)
    return replace_file (folder, fd, owner, path, option, error);
  if (owner < 0 || !replace || life == AGL_LIFE_MAIN_STUCK)
    return refuse (error, path, option, owner);
  stop_owner (fd, owner, path, error);
  return -1;
}

int
agl_instance_claim (const char *path, mode_t mode, const char *option, gboolean replace, GError **error)
{
  int folder = open_folder (path, mode, error);
  g_autoptr (GError) local = NULL;
  int locked = -1;

  if (folder < 0)
    return -1;
  while (locked < 0 && local == NULL)
    {
      int fd = open_file (folder, path, INSTANCE_FILE, 0, &local);

      if (fd < 0)
        break;
      locked = claim_file (folder, fd, path, option, replace, &local);
      if (locked != fd)
        close (fd);
    }
  close (folder);
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return locked;
}

int
agl_instance_signal (const char *path, int signal, GError **error)
{
  g_autofree char *file = g_build_filename (path, INSTANCE_FILE, NULL);
  int fd = open (file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  pid_t owner = fd >= 0 ? get_owner (fd) : 0;
  int pidfd = owner > 0 ? open_owner (fd, owner) : -1;

  if (pidfd >= 0 && syscall (SYS_pidfd_send_signal, pidfd, signal, NULL, 0) != 0)
    {
      close (pidfd);
      pidfd = -1;
    }
  if (pidfd < 0 && fd >= 0 && get_owner (fd) == 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "No agentctl-locksd serves \"%s\" any more", path);
  else if (pidfd < 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "No agentctl-locksd to be seen serves \"%s\"",
                 path);
  if (fd >= 0)
    close (fd);
  return pidfd;
}
