/* SPDX-License-Identifier: MIT */
#include "core/process-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

/* <linux/nsfs.h> of Linux 6.11: which number of ours is the process with that number in the namespace. */
#define GET_PID_FROM_NAMESPACE _IOR (0xb7, 0x6, int)

/* A namespace by its inode on nsfs (namespaces(7)); FALSE when it may not be looked at (ptrace access). */
static gboolean
read_namespace (const char *pid, struct stat *st)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "ns", "pid", NULL);

  return stat (path, st) == 0;
}

static gboolean
is_same (const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The numbers that a process goes by, from our namespace to its own, innermost last (NSpid, proc(5); readable
 * for everybody). How many; *innermost is the last. 0 when it cannot be read. */
static guint
read_numbers (const char *pid, pid_t *innermost)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "status", NULL);
  g_autofree char *status = NULL;
  const char *line;
  guint count = 0;

  if (!g_file_get_contents (path, &status, NULL, NULL))
    return 0;
  line = strstr (status, "\nNSpid:");
  if (line == NULL)
    return 0;
  line += sizeof "\nNSpid:" - 1;
  while (*line != '\n' && *line != '\0')
    {
      char *end;
      long number = strtol (line, &end, 10);

      if (end == line)
        return count;
      *innermost = (pid_t)number;
      count++;
      line = end;
    }
  return count;
}

/* Before Linux 6.11: looks at every process. Those of namespaces within that namespace are not found, since
 * only the innermost number is known to belong to it. */
static pid_t
search (const struct stat *namespace, pid_t pid)
{
  g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
  const char *name;
  pid_t inner;

  while (proc != NULL && (name = g_dir_read_name (proc)) != NULL)
    {
      struct stat st;

      if (g_ascii_isdigit (*name) && read_namespace (name, &st) && is_same (&st, namespace)
          && read_numbers (name, &inner) > 0 && inner == pid)
        return (pid_t)strtol (name, NULL, 10);
    }
  return -1;
}

/* 0: the kernel does not know how to tell. -1: no such process there. */
static pid_t
ask_kernel (const char *viewer_pid, pid_t pid)
{
  g_autofree char *path = g_build_filename ("/proc", viewer_pid, "ns", "pid", NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  int here, code;

  if (fd < 0)
    return -1;
  here = ioctl (fd, GET_PID_FROM_NAMESPACE, pid);
  code = errno;
  close (fd);
  if (here > 0)
    return (pid_t)here;
  return code == ENOTTY || code == EPERM ? 0 : -1;
}

static pid_t
find (const char *viewer_pid, pid_t pid)
{
  pid_t here = ask_kernel (viewer_pid, pid);
  struct stat namespace;

  if (here == 0 && read_namespace (viewer_pid, &namespace))
    here = search (&namespace, pid);
  return here;
}

pid_t
agl_process_namespace_translate (const AglProcess *viewer, pid_t pid, GError **error)
{
  g_autofree char *viewer_pid = g_strdup_printf ("%d", (int)agl_process_get_pid (viewer));
  pid_t inner, here;

  /* A single number: it lives in our own namespace. */
  if (read_numbers (viewer_pid, &inner) == 1 && agl_process_is_alive (viewer))
    return pid;
  here = find (viewer_pid, pid);
  /* The number of the viewer could have come to mean another process in between. */
  if (here > 0 && agl_process_is_alive (viewer))
    return here;
  g_set_error (
      error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
      "No process %d can be told in the PID namespace of the caller (pid %s here); pass a pidfd instead",
      (int)pid, viewer_pid);
  return -1;
}
