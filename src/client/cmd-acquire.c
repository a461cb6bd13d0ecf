/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/command.h"
#include "client/json.h"
#include "client/place.h"

/* A sentence for a person, the bare number for a script. */
static void
print_id (const AglOptions *options, guint64 id, const char *path, gboolean manual)
{
  g_autofree char *shown = agl_place_display (path, g_get_home_dir ());
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, id);

  if (options->quiet)
    return;
  if (options->json)
    agl_json_print (g_variant_new_parsed ("{'id': <%t>}", id), FALSE);
  else if (isatty (STDOUT_FILENO) == 0)
    g_print ("%s\n", number);
  else if (manual)
    /* Translators: a directory, the number of a lock */
    g_print (_ ("Claimed %s with lock %s.\n"), shown, number);
  else
    /* Translators: a directory, the number of a process, the number of a lock */
    g_print (_ ("Locked %s for process %d with lock %s.\n"), shown, (int)options->pid, number);
}

static int
acquire_and_print (const AglOptions *options, gboolean manual, GError **error)
{
  g_autofree char *path =
      agl_place_absolute (options->arguments == NULL ? NULL : options->arguments[0], error);
  guint64 id = path == NULL ? 0 : agl_acquire (options, path, manual, error);

  if (id != 0)
    print_id (options, id, path, manual);
  return AGL_EXIT_OK;
}

static int
acquire (const AglOptions *options, GError **error)
{
  if (options->pid == 0)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                           _ ("for which process? For the script that calls this, say --pid=$$"));
      return 0;
    }
  return acquire_and_print (options, FALSE, error);
}

static int
claim (const AglOptions *options, GError **error)
{
  return acquire_and_print (options, TRUE, error);
}

const AglCommand agl_command_acquire = {
  .usage = {
    .name = "acquire",
    .synopsis = N_ ("[DIR] --pid=PID"),
    .summary = N_ ("Lock DIR for a running process, such as a script's own"),
    .description = N_ (
      "The lock ends with the process, or when the process leaves the directory. Prints the number of the lock\n"
      "(on a terminal, in a sentence).\n"
      "\n"
      "  agentctl-locks acquire --pid=$$ || exit\n"
      "\n"
      "Exits 0 when it holds the lock, 75 when the directory is held or the time ran out, 64 wrong usage, 69 no\n"
      "service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_PID | AGL_OPTIONS_CONFLICT | AGL_OPTIONS_WAIT | AGL_OPTIONS_STATUS | AGL_OPTIONS_MODE
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
