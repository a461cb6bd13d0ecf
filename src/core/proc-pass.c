/* SPDX-License-Identifier: MIT */
#include "core/proc-pass.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/error.h"

/* struct linux_dirent64 of getdents64(2). */
typedef struct
{
  guint64 inode;
  gint64 next;
  guint16 n_bytes; /* of all this */
  guint8 type;
  char name[];
} Entry;

/* An entry is at least so large, and those of numbers are 24 or 32 bytes: a call yields one hand or less.
 * readdir(3) would fetch a thousand at once, and whoever shares the pass would wait for them. */
#define ENTRY_BYTES 24

struct _AglProcPass
{
  GMutex mutex; /* of the place that the descriptor has got to */
  int folder;
};

AglProcPass *
agl_proc_pass_new (GError **error)
{
  int folder = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AglProcPass *self;

  if (folder < 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at the processes in /proc: %s",
                   g_strerror (errno));
      return NULL;
    }
  self = g_new0 (AglProcPass, 1);
  g_mutex_init (&self->mutex);
  self->folder = folder;
  return self;
}

void
agl_proc_pass_free (AglProcPass *self)
{
  if (self == NULL)
    return;
  close (self->folder);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

int
agl_proc_pass_get_folder (const AglProcPass *self)
{
  return self->folder;
}

/* The numbers among the names in @bytes. */
static int
pick (const char *bytes, gssize n_bytes, pid_t pids[AGL_PROC_HAND])
{
  int n = 0;

  for (gssize at = 0; at < n_bytes && n < AGL_PROC_HAND;)
    {
      const Entry *entry = (gconstpointer)(bytes + at);

      if (g_ascii_isdigit (entry->name[0]))
        pids[n++] = (pid_t)g_ascii_strtoll (entry->name, NULL, 10);
      at += entry->n_bytes;
    }
  return n;
}

int
agl_proc_pass_take (AglProcPass *self, pid_t pids[AGL_PROC_HAND])
{
  guint64 buffer[AGL_PROC_HAND * ENTRY_BYTES / sizeof (guint64)];
  gssize n_bytes;
  int n = 0;

  /* What is no process comes first, "self" and "stat" and others, more than one buffer holds. */
  do
    {
      g_mutex_lock (&self->mutex);
      n_bytes = syscall (SYS_getdents64, self->folder, buffer, sizeof buffer);
      g_mutex_unlock (&self->mutex);
      if (n_bytes > 0)
        n = pick ((const char *)buffer, n_bytes, pids);
    }
  while (n_bytes > 0 && n == 0);
  return n_bytes < 0 ? -1 : n;
}
