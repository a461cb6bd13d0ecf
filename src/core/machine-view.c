/* SPDX-License-Identifier: MIT */
#include "core/machine-view.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* FALSE when it cannot be read or is longer than any name of a namespace. */
static gboolean
read_link (const char *process, const char *name, char text[64])
{
  char path[64];
  ssize_t n;

  g_snprintf (path, sizeof path, "/proc/%s/%s", process, name);
  n = readlink (path, text, 64);
  if (n < 0 || n == 64)
    return FALSE;
  text[n] = '\0';
  return TRUE;
}

gboolean
agl_machine_view_is_of (pid_t pid)
{
  char process[16];
  char ours[64], machines[64], theirs[64], root[64];

  g_snprintf (process, sizeof process, "%d", (int)pid);
  return read_link ("self", "ns/mnt", ours) && read_link ("1", "ns/mnt", machines)
         && read_link (process, "ns/mnt", theirs) && strcmp (theirs, machines) == 0
         && strcmp (theirs, ours) != 0 && read_link (process, "root", root) && strcmp (root, "/") == 0;
}

int
agl_machine_view_open_root (void)
{
  return open ("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}
