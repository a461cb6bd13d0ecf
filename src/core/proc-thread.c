/* SPDX-License-Identifier: MIT */
#include "core/proc-thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
agl_proc_get_folder (void)
{
  static int kept = -1;
  int fd = g_atomic_int_get (&kept);

  if (fd >= 0)
    return fd;
  fd = open ("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || g_atomic_int_compare_and_exchange (&kept, -1, fd))
    return fd;
  close (fd);
  return g_atomic_int_get (&kept);
}

/* A thread that has ended has no working directory; one that may not be looked into has. */
static gboolean
has_cwd (const char *folder)
{
  char link[AGL_PROC_FOLDER_BYTES + 8];
  char text[1];

  g_snprintf (link, sizeof link, "%s/cwd", folder);
  return readlink (link, text, sizeof text) >= 0 || (errno != ENOENT && errno != ESRCH);
}

gboolean
agl_proc_find_thread (pid_t pid, char folder[AGL_PROC_FOLDER_BYTES])
{
  char tasks[32];
  DIR *dir;
  const struct dirent *entry;
  gboolean found = FALSE;
  gboolean seen = FALSE;

  g_snprintf (tasks, sizeof tasks, "/proc/%d/task", (int)pid);
  dir = opendir (tasks);
  while (dir != NULL && !found && (entry = readdir (dir)) != NULL)
    {
      if (!g_ascii_isdigit (entry->d_name[0]))
        continue;
      g_snprintf (folder, AGL_PROC_FOLDER_BYTES, "%s/%.20s", tasks, entry->d_name);
      found = has_cwd (folder);
      seen = TRUE;
    }
  if (dir != NULL)
    closedir (dir);
  errno = seen ? ENOENT : ESRCH;
  return found;
}
