/* SPDX-License-Identifier: MIT */
#include "client/census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/text.h"
#include "core/proc-text.h"
#include "core/proc-thread.h"
#include "core/process.h"

struct _AglCensus
{
  AglAgentCatalog *catalog;
  GPtrArray *inhabitants; /* AglInhabitant, by pid */
  GHashTable *by_pid;
};

static void
inhabitant_free (gpointer data)
{
  AglInhabitant *one = data;

  g_free (one->command);
  g_free (one->cwd);
  g_free (one);
}

/* -1: it has ended. A process whose first thread has ended is looked at through one that goes on. */
static int
open_folder (int proc, pid_t pid)
{
  int folder = agl_command_line_open (proc, pid);
  char thread[AGL_PROC_FOLDER_BYTES];
  char text[1];

  if (folder < 0 || readlinkat (folder, "cwd", text, sizeof text) >= 0 || errno != ENOENT)
    return folder;
  if (!agl_proc_find_thread (pid, thread))
    return folder;
  close (folder);
  return open (thread, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* FALSE: it has ended, reaped or not: only a zombie has no working directory. */
static gboolean
read_cwd (AglInhabitant *one, int folder)
{
  char text[PATH_MAX];
  struct statx stx;
  gssize n = readlinkat (folder, "cwd", text, sizeof text - 1);

  if (n < 0)
    return errno != ENOENT && errno != ESRCH;
  one->cwd = g_strndup (text, n);
  /* Asks no server (statx(2)). */
  if (statx (folder, "cwd", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &stx) < 0)
    return TRUE;
  one->dev = makedev (stx.stx_dev_major, stx.stx_dev_minor);
  one->ino = stx.stx_ino;
  return TRUE;
}

/* FALSE: it has ended. */
static gboolean
read_stat (AglInhabitant *one)
{
  char text[AGL_PROC_TEXT_BYTES];
  char path[32];
  gsize n_bytes;
  pid_t session;

  g_snprintf (path, sizeof path, "/proc/%d/stat", (int)one->pid);
  if (!agl_proc_read_text (path, text, &n_bytes)
      || !agl_process_parse_stat (text, n_bytes, &one->parent, &one->started))
    return FALSE;
  session = getsid (one->pid);
  one->session = MAX (session, 0);
  return TRUE;
}

/* NULL: it has ended, or is on its way (a zombie has no working directory and is nobody's agent). */
static AglInhabitant *
read_inhabitant (pid_t pid, int proc, const AglAgentCatalog *catalog, AglCommandLineBuffer *buffer)
{
  AglInhabitant *one = g_new0 (AglInhabitant, 1);
  int folder = open_folder (proc, pid);
  struct stat st;
  gboolean is_whole = FALSE;

  one->pid = pid;
  if (folder >= 0 && fstat (folder, &st) == 0 && read_stat (one)
      && agl_agent_catalog_look (catalog, folder, buffer, &one->match, &one->is_known)
      && read_cwd (one, folder))
    {
      one->uid = st.st_uid;
      one->command = agl_text_escape (buffer->line.comm, -1);
      /* What was read by number was its own if it is there still. */
      is_whole = faccessat (folder, "stat", F_OK, 0) == 0;
    }
  if (folder >= 0)
    close (folder);
  if (is_whole)
    return one;
  inhabitant_free (one);
  return NULL;
}

static gint
compare_pids (gconstpointer a, gconstpointer b)
{
  const AglInhabitant *first = *(AglInhabitant *const *)a;
  const AglInhabitant *second = *(AglInhabitant *const *)b;

  return (first->pid > second->pid) - (first->pid < second->pid);
}

AglCensus *
agl_census_take (AglAgentCatalog *catalog)
{
  AglCensus *self = g_new0 (AglCensus, 1);
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  DIR *proc = opendir ("/proc");
  const struct dirent *entry;

  self->catalog = agl_agent_catalog_ref (catalog);
  self->inhabitants = g_ptr_array_new_with_free_func (inhabitant_free);
  self->by_pid = g_hash_table_new (NULL, NULL);
  while (proc != NULL && (entry = readdir (proc)) != NULL)
    {
      AglInhabitant *one = NULL;

      if (g_ascii_isdigit (entry->d_name[0]))
        one =
            read_inhabitant ((pid_t)g_ascii_strtoll (entry->d_name, NULL, 10), dirfd (proc), catalog, buffer);
      if (one == NULL)
        continue;
      g_ptr_array_add (self->inhabitants, one);
      g_hash_table_insert (self->by_pid, GINT_TO_POINTER (one->pid), one);
    }
  if (proc != NULL)
    closedir (proc);
  g_ptr_array_sort (self->inhabitants, compare_pids);
  return self;
}

void
agl_census_free (AglCensus *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_pid);
  g_ptr_array_unref (self->inhabitants);
  agl_agent_catalog_unref (self->catalog);
  g_free (self);
}

guint
agl_census_size (const AglCensus *self)
{
  return self->inhabitants->len;
}

const AglInhabitant *
agl_census_get (const AglCensus *self, guint index)
{
  return g_ptr_array_index (self->inhabitants, index);
}

const AglInhabitant *
agl_census_lookup (const AglCensus *self, pid_t pid)
{
  return g_hash_table_lookup (self->by_pid, GINT_TO_POINTER (pid));
}

/* A parent is older. Numbers were read one after the other: one that was given away meanwhile is no parent.
 */
const AglInhabitant *
agl_census_parent (const AglCensus *self, const AglInhabitant *one)
{
  const AglInhabitant *parent = agl_census_lookup (self, one->parent);

  return parent != NULL && parent != one && parent->started <= one->started ? parent : NULL;
}

gboolean
agl_census_is_below (const AglCensus *self, const AglInhabitant *one, const AglInhabitant *ancestor)
{
  guint left = self->inhabitants->len;

  while (one != NULL && left-- > 0)
    {
      one = agl_census_parent (self, one);
      if (one == ancestor)
        return TRUE;
    }
  return FALSE;
}

gboolean
agl_inhabitant_is_agent (const AglInhabitant *one)
{
  return one->is_known && !one->match.excluded;
}

gboolean
agl_census_is_orphan (const AglCensus *self, const AglInhabitant *one)
{
  const AglInhabitant *parent = agl_census_parent (self, one);

  return parent != NULL && one->session != 0 && one->session != one->pid && parent->session != one->session;
}

gboolean
agl_path_is_within (const char *path, const char *directory)
{
  gsize length = strlen (directory);

  if (strncmp (path, directory, length) != 0)
    return FALSE;
  return path[length] == '\0' || path[length] == '/' || (length > 0 && directory[length - 1] == '/');
}
