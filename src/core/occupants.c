/* SPDX-License-Identifier: MIT */

#include "core/occupants.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"
#include "core/cwd-scan.h"

void
agl_occupant_free (AglOccupant *self)
{
  if (self == NULL)
    return;
  g_free (self->command);
  g_free (self->cwd);
  g_free (self->agent);
  g_free (self);
}

/* /proc/PID itself belongs to the process's effective user, dumpable or not (task_dump_owner() in the
 * kernel's fs/proc/base.c; what is in it does not). */
static gboolean
read_uid (int process, uid_t *uid)
{
  struct stat st;

  if (fstat (process, &st) < 0)
    return FALSE;
  *uid = st.st_uid;
  return TRUE;
}

/* *@is_agent: a known one, and not an agent's helper. FALSE with an error when it is we who cannot read: an
 * answer with gaps is none. FALSE without when the process has ended. */
static gboolean
look (const AglAgentCatalog *catalog,
      pid_t pid,
      int process,
      AglCommandLineBuffer *buffer,
      AglAgentMatch *match,
      gboolean *is_agent,
      GError **error)
{
  gboolean is_known;

  if (agl_agent_catalog_look (catalog, process, buffer, match, &is_known))
    {
      *is_agent = is_known && !match->excluded;
      return TRUE;
    }
  if (errno != ESRCH)
    g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at process %d: %s", (int)pid,
                 g_strerror (errno));
  return FALSE;
}

static void
log_unreadable (const AglCwdScan *scan, const AglDirectory *directory)
{
  guint n = agl_cwd_scan_count_unreadable (scan);
  g_autofree char *count = NULL;
  g_autofree char *shown = NULL;

  if (n == 0)
    return;
  count = g_strdup_printf ("%u", n);
  shown = agl_text_escape (agl_directory_get_path (directory), -1);
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "UNREADABLE", count, "AGL_DIRECTORY", shown, "MESSAGE",
                    "unreadable: %s processes are left out of who is in %s", count, shown);
}

/* NULL with or without an error, as look(). */
static AglOccupant *
describe (
    pid_t pid, int process, const AglAgentCatalog *catalog, AglCommandLineBuffer *buffer, GError **error)
{
  g_autofree char *cwd = g_malloc (PATH_MAX);
  AglOccupant *occupant;
  AglAgentMatch match;
  gboolean is_agent;
  uid_t uid;
  gssize n = readlinkat (process, "cwd", cwd, PATH_MAX - 1);

  if ((n < 0 && errno != ENAMETOOLONG) || !read_uid (process, &uid)
      || !look (catalog, pid, process, buffer, &match, &is_agent, error))
    return NULL;
  occupant = g_new0 (AglOccupant, 1);
  occupant->pid = pid;
  occupant->uid = uid;
  occupant->command = agl_text_escape (buffer->line.comm, -1);
  occupant->cwd = g_strndup (cwd, MAX (n, 0));
  if (is_agent)
    occupant->agent = g_strdup (match.agent);
  return occupant;
}

static gint
compare_pids (gconstpointer a, gconstpointer b)
{
  const AglOccupant *first = *(AglOccupant *const *)a;
  const AglOccupant *second = *(AglOccupant *const *)b;

  return (first->pid > second->pid) - (first->pid < second->pid);
}

/* What one thread finds. */
typedef struct
{
  AglProcPass *pass;
  const AglDirectory *directory;
  const AglAgentCatalog *catalog;
  AglPatience patience;
  GPtrArray *occupants; /* AglOccupant; NULL: error */
  GError *error;
} Part;

static gpointer
find_part (gpointer data)
{
  Part *part = data;
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  g_autoptr (GPtrArray) occupants = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_occupant_free);
  g_autoptr (AglCwdScan) scan =
      agl_cwd_scan_new (part->pass, part->directory, AGL_SCAN_BELOW, part->patience);
  pid_t pid;
  int process;

  while (part->error == NULL && agl_cwd_scan_next (scan, &pid, &process, &part->error))
    {
      AglOccupant *occupant = describe (pid, process, part->catalog, buffer, &part->error);

      if (occupant != NULL)
        g_ptr_array_add (occupants, occupant);
    }
  if (part->error != NULL)
    return NULL;
  log_unreadable (scan, part->directory);
  part->occupants = g_steal_pointer (&occupants);
  return NULL;
}

/* With the help of one more thread: two processors are what nearly every machine has to spare for a moment.
 */
GPtrArray *
agl_occupants_find (const AglDirectory *directory,
                    const AglAgentCatalog *catalog,
                    AglPatience patience,
                    GError **error)
{
  g_autoptr (AglProcPass) pass = agl_proc_pass_new (error);
  Part first = { pass, directory, catalog, patience };
  Part second = first;
  GThread *helper;

  if (pass == NULL)
    return NULL;
  helper = g_thread_try_new ("agl-occupants", find_part, &second, NULL);
  find_part (&first);
  if (helper == NULL)
    second.occupants = g_ptr_array_new ();
  else
    g_thread_join (helper);
  if (first.occupants != NULL && second.occupants != NULL)
    {
      g_ptr_array_extend_and_steal (first.occupants, second.occupants);
      g_ptr_array_sort (first.occupants, compare_pids);
      return first.occupants;
    }
  g_clear_pointer (&first.occupants, g_ptr_array_unref);
  g_clear_pointer (&second.occupants, g_ptr_array_unref);
  if (first.error == NULL)
    first.error = g_steal_pointer (&second.error);
  g_clear_error (&second.error);
  g_propagate_error (error, first.error);
  return NULL;
}

/* Whoever starts an agent in a directory, and whom an agent starts there, work on the same thing. */
static gboolean
is_family (const AglProcess *process, const AglProcess *holder)
{
  return holder != NULL
         && (agl_process_is_self_or_descendant_of (process, holder)
             || agl_process_is_self_or_descendant_of (holder, process));
}

/* NULL, also with @error: only descriptors that ran out are an error. */
static AglOutsider *
open_outsider (AglCwdScan *scan,
               pid_t pid,
               int process,
               const AglCommandLineBuffer *buffer,
               const AglAgentMatch *match,
               const AglProcess *holder,
               GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (AglProcess) opened = agl_process_open (pid, &problem);
  g_autofree char *command = NULL;
  uid_t uid;

  if (opened == NULL)
    {
      if (!g_error_matches (problem, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
        g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  /* If this process lives after the number was opened, it was its own then. */
  if (!read_uid (process, &uid) || !agl_cwd_scan_confirm (scan) || is_family (opened, holder))
    return NULL;
  command = agl_text_escape (buffer->line.comm, -1);
  return agl_outsider_new (opened, uid, command, match->agent);
}

GPtrArray *
agl_occupants_find_agents (const AglDirectory *directory,
                           const AglProcess *holder,
                           const AglAgentCatalog *catalog,
                           AglIsRegisteredFunc is_registered,
                           gpointer user_data,
                           GError **error)
{
  g_autoptr (GPtrArray) agents = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  g_autoptr (AglProcPass) pass = agl_proc_pass_new (error);
  g_autoptr (AglCwdScan) scan = NULL;
  g_autoptr (GError) problem = NULL;
  pid_t pid;
  int process;

  if (pass == NULL)
    return NULL;
  scan = agl_cwd_scan_new (pass, directory, AGL_SCAN_EXACT, AGL_PATIENCE_NONE);
  while (problem == NULL && agl_cwd_scan_next (scan, &pid, &process, &problem))
    {
      AglAgentMatch match;
      AglOutsider *outsider;
      gboolean is_agent;

      if ((is_registered != NULL && is_registered (pid, user_data))
          || !look (catalog, pid, process, buffer, &match, &is_agent, &problem) || !is_agent)
        continue;
      outsider = open_outsider (scan, pid, process, buffer, &match, holder, &problem);
      if (outsider != NULL)
        g_ptr_array_add (agents, outsider);
    }
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  log_unreadable (scan, directory);
  return g_steal_pointer (&agents);
}
