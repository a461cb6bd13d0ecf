/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "client/command.h"
#include "client/json.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "client/service.h"

static void
print_table (const AglOptions *options, GPtrArray *columns, const char *path, GVariant *processes)
{
  AglScreen screen = agl_screen_of_options (options);
  g_autofree char *table = agl_table_format (columns, processes, !options->no_legend, &screen);
  g_autofree char *shown = agl_place_display (path, screen.home);
  gsize n = g_variant_n_children (processes);

  g_print ("%s", table);
  if (options->no_legend || !screen.is_terminal)
    return;
  if (n == 0)
    g_print (_ ("Nobody works in %s.\n"), shown);
  else
    g_print (ngettext ("\n%u process listed.\n", "\n%u processes listed.\n", n), (guint)n);
}

static int
occupants (const AglOptions *options, GError **error)
{
  g_autoptr (GPtrArray) columns = NULL;
  g_autoptr (AglService) service = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) processes = NULL;
  g_autofree char *path = NULL;

  columns = agl_columns_of_options (agl_occupant_columns, options, error);
  path = columns == NULL ? NULL : agl_place_of_argument (options, error);
  if (path == NULL)
    return AGL_EXIT_OK;
  service = agl_service_find (&options->where, TRUE, error);
  /* Nobody means the process that asks. A root directory that cannot be entered leaves it among them. */
  if (service != NULL && chdir ("/") < 0)
    g_debug ("cannot leave the working directory: %s", g_strerror (errno));
  reply = service == NULL ? NULL
                          : agl_service_call (service, "Occupants", g_variant_new ("(s)", path), NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(@aa{sv})", &processes);
  if (options->json)
    agl_json_print (processes, TRUE);
  else if (!options->quiet)
    print_table (options, columns, path, processes);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_occupants = {
  .usage = {
    .name = "occupants",
    .synopsis = N_ ("[DIR]"),
    .summary = N_ ("List the processes that work in DIR or below, with a lock or without"),
    .description = N_ ("This command itself is not among them.\n"
                       "\n"
                       "Exits 0, also when there are none, 64 wrong usage, 69 no service, 77 not permitted, 70 anything\n"
                       "else."),
    .groups = AGL_OPTIONS_JSON | AGL_OPTIONS_TABLE | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = occupants,
};
