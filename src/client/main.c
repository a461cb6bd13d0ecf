/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>

#include "client/command.h"
#include "client/failure.h"
#include "client/output.h"
#include "client/signals.h"
#include "client/suggest.h"
#include "client/table.h"
#include "common/error.h"
#include "common/text.h"
#include "config.h"

/* For trying out a build that is not installed. */
#define LOCALEDIR_ENV "AGENTCTL_LOCKS_LOCALEDIR"

/* In the order in which one meets them. */
static const AglCommand *const commands[] = {
  &agl_command_run,       &agl_command_acquire,  &agl_command_claim,   &agl_command_release,
  &agl_command_list,      &agl_command_check,    &agl_command_wait,    &agl_command_monitor,
  &agl_command_occupants, &agl_command_transfer, &agl_command_explain, &agl_command_doctor,
  &agl_command_metrics,   &agl_command_import,
};

static const AglCommand *
find_command (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i]->usage.name, name))
      return commands[i];
  return NULL;
}

/* "check [DIR]". Caller frees. */
static char *
usage_line (const AglUsage *usage)
{
  if (usage->synopsis == NULL)
    return g_strdup (usage->name);
  return g_strjoin (" ", usage->name, _ (usage->synopsis), NULL);
}

static void
print_help (void)
{
  gsize width = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *line = usage_line (&commands[i]->usage);

      width = MAX (width, agl_text_width (line));
    }
  g_print ("%s\n\n%s\n\n%s\n", _ ("Usage: agentctl-locks [COMMAND] [OPTION…] …"),
           _ ("Locks that tell which coding agent works in which directory."), _ ("Commands:"));
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *line = usage_line (&commands[i]->usage);

      g_print ("  %s%*s  %s\n", line, (int)(width - agl_text_width (line)), "",
               _ (commands[i]->usage.summary));
    }
  g_print (
      "\n%s\n%s\n", _ ("DIR is the working directory where it is not given."),
      _ ("“agentctl-locks COMMAND --help” tells the options of a command; “agentctl-locks --version” the "
         "version."));
}

static void
set_unknown_command (GError **error, const char *name)
{
  const char *names[G_N_ELEMENTS (commands) + 1] = { NULL };
  g_autofree char *shown = agl_text_escape (name, -1);
  const char *meant;

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    names[i] = commands[i]->usage.name;
  meant = agl_suggest (name, names);
  if (meant != NULL)
    /* Translators: what was typed, a command that there is */
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, _ ("there is no command “%s”; did you mean “%s”?"),
                 shown, meant);
  else
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, _ ("there is no command “%s”"), shown);
}

/* The command may stand behind options, as in "agentctl-locks --user list": takes it out of @args. */
static char *
take_command (GPtrArray *args)
{
  for (guint i = 0; i + 1 < args->len; i++)
    {
      const char *arg = g_ptr_array_index (args, i);

      if (*arg != '-')
        return g_ptr_array_steal_index (args, i);
      if (g_str_equal (arg, "--"))
        return NULL;
      if (agl_options_takes_next (arg))
        i++;
    }
  return NULL;
}

/* g_print turns what the locale's encoding cannot say into question marks. The C locale (a container, a CI
 * job, an agent's shell) claims ASCII while the terminal behind it reads UTF-8, and a path must come out as
 * it is: so there, bytes pass as they are. */
static char *
encode (const char *text)
{
  const char *encoding;
  char *converted = NULL;

  if (!g_get_charset (&encoding) && !g_str_has_prefix (encoding, "ANSI_X3")
      && !g_str_equal (encoding, "US-ASCII"))
    converted = g_convert_with_fallback (text, -1, encoding, "UTF-8", "?", NULL, NULL, NULL);
  return converted != NULL ? converted : g_strdup (text);
}

static void
print_out (const char *text)
{
  g_autofree char *encoded = encode (text);

  agl_output_put (encoded);
}

static void
print_err (const char *text)
{
  g_autofree char *encoded = encode (text);

  fputs (encoded, stderr);
  fflush (stderr);
}

static int
finish (const GError *error, int status, const char *command, int conflict)
{
  int code;

  if (error != NULL)
    {
      agl_failure_print (error, command);
      status = agl_exit_status_of (error, conflict);
    }
  /* A full disk under a redirection is a failure as well. */
  code = agl_output_finish ();
  if (code == 0)
    return status;
  /* Translators: what went wrong */
  g_printerr (_ ("agentctl-locks: cannot write to standard output: %s\n"), g_strerror (code));
  return status == AGL_EXIT_OK ? AGL_EXIT_FAILED : status;
}

static void
set_up (void)
{
  const char *localedir = g_getenv (LOCALEDIR_ENV);

  agl_output_guard ();
  agl_signals_save ();
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, localedir != NULL ? localedir : AGL_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("agentctl-locks");
  g_set_print_handler (print_out);
  g_set_printerr_handler (print_err);
  agl_error_quark (); /* registers the errors' names */
}

/* What is asked of the program itself, not of a command. */
static gboolean
answer_general (const char *first)
{
  if (g_str_equal (first, "--help") || g_str_equal (first, "-h") || g_str_equal (first, "help"))
    print_help ();
  else if (g_str_equal (first, "--version"))
    g_print ("agentctl-locks %s\n", AGL_VERSION);
  else
    return FALSE;
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new_with_free_func (g_free);
  g_auto (AglOptions) options = { .conflict_status = AGL_EXIT_CONFLICT };
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;
  const AglCommand *command;
  int status = AGL_EXIT_OK;

  set_up ();
  for (int i = 1; i < argc; i++)
    g_ptr_array_add (args, g_strdup (argv[i]));
  if (argc == 3 && g_str_equal (argv[1], "help"))
    {
      /* "help run" is "run --help" */
      g_free (g_ptr_array_steal_index (args, 0));
      g_ptr_array_add (args, g_strdup ("--help"));
    }
  else if (argc > 1 && answer_general (argv[1]))
    return finish (NULL, AGL_EXIT_OK, NULL, 0);
  g_ptr_array_add (args, NULL);

  name = take_command (args);
  command = name == NULL ? &agl_command_list : find_command (name);
  if (command == NULL)
    {
      set_unknown_command (&error, name);
      return finish (error, 0, NULL, 0);
    }
  if (agl_options_parse (&options, &command->usage, (const char *const *)args->pdata, &error))
    status = command->run (&options, &error);
  return finish (error, status, command->usage.name, options.conflict_status);
}
