/* SPDX-License-Identifier: MIT */
#include "client/known-agents.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "client/exit-status.h"
#include "common/error.h"

/* No tree of processes is deeper in earnest; a walk that is has met a circle of reused numbers. */
#define MAX_GENERATIONS 1000

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "AGL_FILE"))
      return G_LOG_WRITER_HANDLED;
  return g_log_writer_default (level, fields, n_fields, user_data);
}

AglAgentCatalog *
agl_known_agents_load (AglScope scope)
{
  static gboolean is_silent;
  g_auto (GStrv) folders = agl_paths_agents_dirs (scope);

  /* GLib takes one writer per program. */
  if (!is_silent)
    g_log_set_writer_func (write_log, NULL, NULL);
  is_silent = TRUE;
  return agl_agent_catalog_load ((const char *const *)folders);
}

gboolean
agl_known_agents_match (const AglAgentCatalog *catalog, const AglProcess *process, AglAgentMatch *match)
{
  g_autofree AglCommandLineBuffer *buffer = g_new (AglCommandLineBuffer, 1);
  gboolean is_known = FALSE;
  int folder = agl_command_line_open (-1, agl_process_get_pid (process));

  if (folder < 0)
    return FALSE;
  if (!agl_agent_catalog_look (catalog, folder, buffer, match, &is_known))
    is_known = FALSE;
  close (folder);
  /* Alive after it was looked at: then the number was its own all the time. */
  return is_known && agl_process_is_alive (process);
}

static gboolean
read_parent (const AglProcess *process, pid_t *parent)
{
  AglProcessStatus status;

  if (!agl_process_read_status (process, &status, NULL))
    return FALSE;
  *parent = status.parent;
  return TRUE;
}

/* A parent that dies gives its children to another one first, and its number away later: so as long as the
 * child still says that number, what was opened by it is the parent. */
static AglProcess *
open_parent (const AglProcess *child)
{
  for (guint i = 0; i < MAX_GENERATIONS; i++)
    {
      g_autoptr (AglProcess) parent = NULL;
      pid_t before, after;

      if (!read_parent (child, &before) || before <= 0)
        return NULL;
      parent = agl_process_open (before, NULL);
      if (!read_parent (child, &after))
        return NULL;
      if (before == after)
        return g_steal_pointer (&parent);
    }
  return NULL;
}

AglProcess *
agl_known_agents_find_ancestor (const AglAgentCatalog *catalog, AglAgentMatch *match, GError **error)
{
  g_autoptr (AglProcess) process = agl_process_open (getpid (), error);

  for (guint i = 0; process != NULL && i < MAX_GENERATIONS; i++)
    {
      AglProcess *parent = open_parent (process);

      agl_process_unref (process);
      process = parent;
      /* What a spare starts shows that it is at work. */
      if (process != NULL && agl_known_agents_match (catalog, process, match)
          && (!match->excluded || match->is_spare))
        return g_steal_pointer (&process);
    }
  if (error != NULL && *error == NULL)
    g_set_error_literal (
        error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
        _ ("no process above this one is a known agent. --for-agent is for what an agent starts, a "
           "hook for instance; “agentctl-locks explain PID” tells what is made of a process, and "
           "--pid=PID names one"));
  return NULL;
}
