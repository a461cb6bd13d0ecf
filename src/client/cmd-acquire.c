/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/command.h"
#include "client/exit-status.h"
#include "client/json.h"
#include "client/known-agents.h"
#include "client/place.h"

/* A sentence for a person, the bare number for a script. */
static void
print_id (const AglOptions *options, guint64 id, const char *path, pid_t pid)
{
  g_autofree char *shown = agl_place_display (path, g_get_home_dir ());
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, id);

  if (options->quiet)
    return;
  if (options->json)
    agl_json_print (g_variant_new_parsed ("{'id': <%t>}", id), FALSE);
  else if (isatty (STDOUT_FILENO) == 0)
    g_print ("%s\n", number);
  else if (pid == 0)
    /* Translators: a directory, the number of a lock */
    g_print (_ ("Claimed %s with lock %s.\n"), shown, number);
  else
    /* Translators: a directory, the number of a process, the number of a lock */
    g_print (_ ("Locked %s for process %d with lock %s.\n"), shown, (int)pid, number);
}

static const char *
directory_argument (const AglOptions *options)
{
  return options->arguments == NULL ? NULL : options->arguments[0];
}

/* What the kernel says behind the name of a working directory that is no more (d_path() in fs/d_path.c). */
#define REMOVED " (deleted)"

/* Where an agent works is what it asks for; a hook may run elsewhere, below for instance. NULL with @error.
 */
static char *
agent_directory (const AglProcess *agent, GError **error)
{
  g_autofree char *link = g_strdup_printf ("/proc/%d/cwd", (int)agl_process_get_pid (agent));
  g_autofree char *directory = g_file_read_link (link, NULL);
  g_autofree char *shown = NULL;

  if (directory == NULL)
    return agl_place_absolute (NULL, error);
  if (!g_str_has_suffix (directory, REMOVED) || access (directory, F_OK) == 0)
    return g_steal_pointer (&directory);
  directory[strlen (directory) - strlen (REMOVED)] = '\0';
  shown = agl_place_display (directory, NULL);
  g_set_error (
      error, AGL_EXIT_ERROR, AGL_EXIT_FAILED,
      /* Translators: the number of a process, a directory */
      _ ("the directory in which the agent (pid %d) works, %s, has been removed; there is nothing to "
         "lock. Have it change to another one"),
      (int)agl_process_get_pid (agent), shown);
  return NULL;
}

static int
acquire_for_agent (const AglOptions *options, GError **error)
{
  g_autoptr (AglAgentCatalog) catalog = agl_known_agents_load (AGL_SCOPE_USER);
  g_autoptr (AglProcess) agent = NULL;
  g_autofree char *path = NULL;
  AglOptions filled = *options; /* borrows what it holds */
  AglAgentMatch match;
  guint64 id;

  agent = agl_known_agents_find_ancestor (catalog, &match, error);
  if (agent == NULL)
    return 0;
  path = directory_argument (options) != NULL ? agl_place_absolute (directory_argument (options), error)
                                              : agent_directory (agent, error);
  if (path == NULL)
    return 0;
  if (filled.agent == NULL)
    filled.agent = (char *)match.agent;
  id = agl_acquire (&filled, path, agent, FALSE, error);
  if (id != 0)
    print_id (options, id, path, agl_process_get_pid (agent));
  return AGL_EXIT_OK;
}

static int
acquire (const AglOptions *options, GError **error)
{
  g_autofree char *path = NULL;
  guint64 id;

  if (options->for_agent)
    return acquire_for_agent (options, error);
  if (options->pid == 0)
    {
      g_set_error_literal (
          error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
          _ ("for which process? For the script that calls this, say --pid=$$; for the agent that "
             "starts this, --for-agent"));
      return 0;
    }
  path = agl_place_absolute (directory_argument (options), error);
  id = path == NULL ? 0 : agl_acquire (options, path, NULL, FALSE, error);
  if (id != 0)
    print_id (options, id, path, options->pid);
  return AGL_EXIT_OK;
}

static int
claim (const AglOptions *options, GError **error)
{
  g_autofree char *path = agl_place_absolute (directory_argument (options), error);
  guint64 id = path == NULL ? 0 : agl_acquire (options, path, NULL, TRUE, error);

  if (id != 0)
    print_id (options, id, path, 0);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_acquire = {
  .usage = {
    .name = "acquire",
    .synopsis = N_ ("[DIR] --pid=PID|--for-agent"),
    .summary = N_ ("Lock DIR for a running process: a script's own, or the agent's above"),
    .description = N_ (
      "The lock ends with the process, or when the process leaves the directory. Prints the number of the lock\n"
      "(on a terminal, in a sentence).\n"
      "\n"
      "  agentctl-locks acquire --pid=$$ || exit\n"
      "\n"
      "--for-agent is for hooks that a coding agent runs. The holder is the nearest process above this one that is\n"
      "a known agent, and DIR is that agent's working directory where it is not given. To ask again is to find that\n"
      "it holds the lock already.\n"
      "\n"
      "  agentctl-locks acquire --for-agent --quiet --conflict-exit-code=2\n"
      "\n"
      "Exits 0 when it holds the lock, 75 when the directory is held or the time ran out, 64 wrong usage, 69 no\n"
      "service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_PID | AGL_OPTIONS_AGENT | AGL_OPTIONS_CONFLICT | AGL_OPTIONS_WAIT | AGL_OPTIONS_STATUS | AGL_OPTIONS_MODE
              | AGL_OPTIONS_STAY | AGL_OPTIONS_TEXTS | AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = acquire,
};

const AglCommand agl_command_claim = {
  .usage = {
    .name = "claim",
    .synopsis = N_ ("[DIR]"),
    .summary = N_ ("Lock DIR by hand, until it is released or its time is up"),
    .description = N_ (
      "No process holds such a lock: it survives logouts and reboots, and any process of the same user may release\n"
      "it. Prints the number of the lock (on a terminal, in a sentence).\n"
      "\n"
      "  agentctl-locks claim --ttl=2h --reason='rebasing by hand, agents keep out'\n"
      "\n"
      "Exits 0 when it is claimed, 75 when the directory is held or the time ran out, 64 wrong usage, 69 no\n"
      "service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_TTL | AGL_OPTIONS_CONFLICT | AGL_OPTIONS_WAIT | AGL_OPTIONS_STATUS | AGL_OPTIONS_MODE
              | AGL_OPTIONS_TEXTS | AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = claim,
};
