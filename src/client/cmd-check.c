/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <unistd.h>

#include "client/command.h"
#include "client/json.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "client/service.h"

static void
print_answer (
    const AglOptions *options, GPtrArray *columns, const char *path, gboolean is_free, GVariant *blockers)
{
  AglScreen screen = agl_screen_of_options (options);
  g_autofree char *table = agl_table_format (columns, blockers, !options->no_legend, &screen);
  g_autofree char *shown = agl_place_display (path, screen.home);

  g_print ("%s", table);
  if (screen.is_terminal && is_free && !options->no_legend)
    g_print (_ ("%s is free.\n"), shown);
}

static int
check (const AglOptions *options, GError **error)
{
  g_autoptr (GPtrArray) columns = NULL;
  g_autoptr (AglService) service = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) blockers = NULL;
  g_autofree char *path = NULL;
  gboolean is_free;

  columns = agl_columns_of_options (agl_blocker_columns, options, error);
  path = columns == NULL ? NULL : agl_place_of_argument (options, error);
  if (path == NULL)
    return AGL_EXIT_OK;
  service = agl_service_find (&options->where, TRUE, error);
  reply =
      service == NULL ? NULL : agl_service_call (service, "Check", g_variant_new ("(s)", path), NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(b@aa{sv})", &is_free, &blockers);
  if (options->json)
    agl_json_print (g_variant_new_parsed ("{'free': <%b>, 'blockers': <%@aa{sv}>}", is_free, blockers), TRUE);
  else if (!options->quiet)
    print_answer (options, columns, path, is_free, blockers);
  return is_free ? AGL_EXIT_OK : options->conflict_status;
}

const AglCommand agl_command_check = {
  .usage = {
    .name = "check",
    .synopsis = N_ ("[DIR]"),
    .summary = N_ ("Tell whether DIR is free, and who is in the way"),
    .description = N_ (
      "Free means: an exclusive lock by a process that holds nothing yet would be granted now. Agents that run\n"
      "there without a lock are in the way too.\n"
      "\n"
      "  agentctl-locks check --quiet ~/src/app && echo free\n"
      "\n"
      "Exits 0 when it is free, 75 when not, 64 wrong usage, 69 no service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_STATUS | AGL_OPTIONS_JSON | AGL_OPTIONS_TABLE | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = check,
};
