/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <unistd.h>

#include "client/acquire.h"
#include "client/command.h"
#include "client/json.h"
#include "client/service.h"

static int
transfer (const AglOptions *options, GError **error)
{
  g_autoptr (AglService) service = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariantBuilder builder;

  if (options->id == 0 || options->pid == 0)
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                           _ ("which lock, and to which process? Say --id=ID and --pid=PID"));
      return 0;
    }
  service = agl_service_find (&options->where, TRUE, error);
  if (service == NULL)
    return 0;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (!agl_acquire_add_process (service, options->pid, &builder, &fds, error))
    {
      g_variant_builder_clear (&builder);
      return 0;
    }
  if (options->follow_cwd || options->no_follow_cwd)
    g_variant_builder_add (&builder, "{sv}", "follow-cwd", g_variant_new_boolean (options->follow_cwd));
  if (options->force)
    g_variant_builder_add (&builder, "{sv}", "force", g_variant_new_boolean (TRUE));
  service->interactive = options->force && isatty (STDIN_FILENO) != 0;
  reply =
      agl_service_call (service, "Transfer", g_variant_new ("(ta{sv})", options->id, &builder), fds, error);
  if (reply == NULL)
    return 0;
  if (options->json)
    agl_json_print (g_variant_new_parsed ("{'id': <%t>, 'pid': <%u>}", options->id, (guint32)options->pid),
                    FALSE);
  else if (!options->quiet && isatty (STDOUT_FILENO) != 0)
    {
      g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, options->id);

      /* Translators: the number of a lock, the number of a process */
      g_print (_ ("Lock %s is held by process %d now.\n"), number, (int)options->pid);
    }
  return AGL_EXIT_OK;
}

const AglCommand agl_command_transfer = {
  .usage = {
    .name = "transfer",
    .synopsis = N_ ("--id=ID --pid=PID"),
    .summary = N_ ("Hand a lock to another process"),
    .description = N_ (
      "In one step, so that a launcher can lock first and launch second; at no moment is the directory free.\n"
      "\n"
      "  id=$(agentctl-locks acquire --pid=$$ --no-follow-cwd)\n"
      "  some-agent & agentctl-locks transfer --id=$id --pid=$! --follow-cwd\n"
      "\n"
      "Exits 0 when it is done, 64 wrong usage, 69 no service, 77 not permitted, 70 anything else."),
    .groups = AGL_OPTIONS_ID | AGL_OPTIONS_PID | AGL_OPTIONS_STAY | AGL_OPTIONS_FOLLOW | AGL_OPTIONS_FORCE
              | AGL_OPTIONS_JSON | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
  },
  .run = transfer,
};
