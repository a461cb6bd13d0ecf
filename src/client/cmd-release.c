/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/command.h"
#include "client/json.h"
#include "client/place.h"
#include "client/service.h"

/* NULL with @error. */
static GVariant *
make_parameters (const AglOptions *options, GUnixFDList **fds, GError **error)
{
  const char *argument = options->arguments == NULL ? NULL : options->arguments[0];
  g_autofree char *path = NULL;
  const char *directory;
  GVariantBuilder builder;

  /* A number says it all; the working directory has nothing to do with it. */
  path = options->id != 0 && argument == NULL ? g_strdup ("") : agl_place_absolute (argument, error);
  if (path == NULL)
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  directory = agl_place_to_bus (path, &builder, fds, error);
  if (directory == NULL)
    {
      g_variant_builder_clear (&builder);
      return NULL;
    }
  if (options->id != 0)
    g_variant_builder_add (&builder, "{sv}", "id", g_variant_new_uint64 (options->id));
  if (options->pid != 0)
    g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 ((guint32)options->pid));
  if (options->force)
    g_variant_builder_add (&builder, "{sv}", "force", g_variant_new_boolean (TRUE));
  return g_variant_new ("(sa{sv})", directory, &builder);
}

static int
release (const AglOptions *options, GError **error)
{
  g_autoptr (AglService) service = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariant *parameters = make_parameters (options, &fds, error);
  guint32 released;

  if (parameters == NULL)
    return 0;
  g_variant_ref_sink (parameters);
  service = agl_service_find (&options->where, TRUE, error);
  if (service != NULL)
    {
      service->interactive = options->force && isatty (STDIN_FILENO) != 0;
      reply = agl_service_call (service, "Release", parameters, fds, error);
    }
  g_variant_unref (parameters);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(u)", &released);
  if (options->json)
    agl_json_print (g_variant_new_parsed ("{'released': <%u>}", released), FALSE);
  else if (!options->quiet && isatty (STDOUT_FILENO) != 0)
    g_print (ngettext ("%u lock released.\n", "%u locks released.\n", released), released);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_release = {
  .usage = {
    .name = "release",
    .synopsis = N_ ("[DIR]"),
    .summary = N_ ("Release the lock on DIR"),
    .description = N_ (
      "Without --id or --pid: the lock of the calling script, else the only one of yours on DIR. The lock of a\n"
      "process that lives, and that did not start this command, needs --force.\n"
      "\n"
      "  agentctl-locks release                  (the claim on the working directory)\n"
      "  agentctl-locks release --id=17 --force\n"
      "\n"
      "Exits 0 when it is released, 64 wrong usage, 69 no service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_ID | AGL_OPTIONS_PID | AGL_OPTIONS_FORCE | AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET
              | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = release,
};
