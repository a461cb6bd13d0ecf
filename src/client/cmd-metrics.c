/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>

#include "client/command.h"
#include "client/exposition.h"
#include "client/output.h"
#include "client/service.h"

static int
metrics (const AglOptions *options, GError **error)
{
  g_autoptr (AglService) service = agl_service_find (&options->where, TRUE, error);
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) locks = NULL;
  g_autofree char *text = NULL;

  properties = service == NULL ? NULL : agl_service_get_properties (service, error);
  reply = properties == NULL
              ? NULL
              : agl_service_call (service, "List", g_variant_new_parsed ("(@a{sv} {},)"), NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(@aa{sv})", &locks);
  text = agl_exposition_format (properties, locks);
  /* Not g_print: this is UTF-8 whatever the locale says. */
  agl_output_put (text);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_metrics = {
  .usage = {
    .name = "metrics",
    .synopsis = NULL,
    .summary = N_ ("Print what the service counts, for Prometheus"),
    .description = N_ (
      "Locks by kind and mode, waiters, what was granted, refused and released and why, and how long locks were held\n"
      "and waited for, in Prometheus' text format. For the node exporter's textfile collector:\n"
      "\n"
      "  agentctl-locks metrics > locks.prom.new && mv locks.prom.new locks.prom\n"
      "\n"
      "Exits 0, 64 wrong usage, 69 no service, 70 anything else."),
    .groups = AGL_OPTIONS_WHERE,
  },
  .run = metrics,
};
