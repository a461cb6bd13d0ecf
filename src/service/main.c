/* SPDX-License-Identifier: MIT */
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config.h"
#include "service/daemon.h"

/* As sysexits.h numbers them. */
#define EXIT_WRONG_USAGE 64

/* To serve, where others stop again and again as they are invited to a bus. */
#define MAX_ATTEMPTS 3

typedef struct
{
  gboolean user, system, version;
  char *config, *runtime_dir, *state_dir;
  char **listen;
  AglDaemonOptions daemon;
  int idle_exit_sec;
} CommandLine;

static void
command_line_clear (CommandLine *line)
{
  g_free (line->config);
  g_free (line->runtime_dir);
  g_free (line->state_dir);
  g_strfreev (line->listen);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CommandLine, command_line_clear)

static gboolean
on_stop (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer user_data)
{
  agl_daemon_reload (user_data);
  agl_daemon_accept_invitations (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
check (CommandLine *line, int argc, GError **error)
{
  const char *wrong = NULL;

  if (argc > 1)
    wrong = "No arguments are expected";
  else if (line->user == line->system)
    wrong = "One of --user and --system is needed";
  else if (line->idle_exit_sec < 0)
    wrong = "--idle-exit takes a number of seconds";
  if (wrong != NULL)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong);
  line->daemon.scope = line->system ? AGL_SCOPE_SYSTEM : AGL_SCOPE_USER;
  line->daemon.config = line->config;
  line->daemon.runtime_dir = line->runtime_dir;
  line->daemon.state_dir = line->state_dir;
  line->daemon.listen = line->listen;
  /* dbus-daemon(1) sets it for what it starts. */
  line->daemon.started_by_bus = g_getenv ("DBUS_STARTER_ADDRESS") != NULL;
  line->daemon.idle_exit_sec = (guint)MAX (line->idle_exit_sec, 0);
  return wrong == NULL;
}

/* GOption passes over the value of an option that takes none, so that "--replace=no" would replace. */
static gboolean
check_flags (char *const *args, const GOptionEntry *entries, GError **error)
{
  for (; *args != NULL; args++)
    for (const GOptionEntry *entry = entries; entry->long_name != NULL; entry++)
      {
        g_autofree char *start = g_strconcat ("--", entry->long_name, "=", NULL);

        if (entry->arg != G_OPTION_ARG_NONE || !g_str_has_prefix (*args, start))
          continue;
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s takes no value",
                     entry->long_name);
        return FALSE;
      }
  return TRUE;
}

static gboolean
parse (CommandLine *line, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "user", 0, 0, G_OPTION_ARG_NONE, &line->user,
      "Serve this user, on the session bus and the direct socket", NULL },
    { "system", 0, 0, G_OPTION_ARG_NONE, &line->system, "Serve the whole machine, on the system bus", NULL },
    { "listen", 0, 0, G_OPTION_ARG_STRING_ARRAY, &line->listen, "Listen on this D-Bus address too",
      "ADDRESS" },
    { "no-bus", 0, 0, G_OPTION_ARG_NONE, &line->daemon.no_bus, "Do not connect to a message bus", NULL },
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &line->config, "Read this configuration", "FILE" },
    { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &line->runtime_dir,
      "Folder of the direct socket and of what a reboot ends", "DIR" },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &line->state_dir, "Folder of what survives a reboot", "DIR" },
    { "idle-exit", 0, 0, G_OPTION_ARG_INT, &line->idle_exit_sec,
      "Stop when nothing was held and nobody connected for so long", "SECONDS" },
    { "replace", 0, 0, G_OPTION_ARG_NONE, &line->daemon.replace, "Take over from a running instance", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &line->version, "Print the version and leave", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("— locks that bind processes to directories");

  g_option_context_add_main_entries (context, entries, NULL);
  return check_flags (*argv + 1, entries, error) && g_option_context_parse (context, argc, argv, error)
         && (line->version || check (line, *argc, error));
}

/* A bus knows nothing of the instance that serves its user already, and would take our end for a failure. */
static gboolean
is_for_other (const AglDaemonOptions *options, const GError *reason)
{
  return options->started_by_bus && !options->no_bus && options->scope == AGL_SCOPE_USER
         && g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_BUSY);
}

/* The instance that runs may stop as it is invited; then this one serves in its stead. NULL without @error:
 * there is nothing left to do for this process. */
static AglDaemon *
make_daemon (const AglDaemonOptions *options, GMainLoop *loop, GError **error)
{
  g_autoptr (GError) invitation = NULL;

  for (guint i = 0; i < MAX_ATTEMPTS; i++)
    {
      g_autoptr (GError) reason = NULL;
      AglDaemon *daemon = agl_daemon_new (options, loop, &reason);

      g_clear_error (&invitation);
      if (daemon != NULL
          || (is_for_other (options, reason) && agl_daemon_invite_other (options, &invitation)))
        return daemon;
      if (!g_error_matches (invitation, G_IO_ERROR, G_IO_ERROR_CLOSED) || i == MAX_ATTEMPTS - 1)
        {
          g_propagate_error (error, g_steal_pointer (&reason));
          break;
        }
    }
  if (invitation != NULL)
    g_printerr (
        "agentctl-locksd: The instance that runs was asked to serve this message bus too, in vain: %s\n",
        invitation->message);
  return NULL;
}

int
main (int argc, char **argv)
{
  g_auto (CommandLine) line = { 0 };
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (AglDaemon) daemon = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  if (!parse (&line, &argc, &argv, &error))
    {
      g_printerr ("agentctl-locksd: %s\n", error->message);
      return EXIT_WRONG_USAGE;
    }
  if (line.version)
    {
      g_print ("agentctl-locksd %s\n", AGL_VERSION);
      return EXIT_SUCCESS;
    }
  umask (0077);
  /* A limit on file sizes, or a peer that went, is an error where it happens and no reason to die. */
  signal (SIGXFSZ, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  /* A second instance may send it before there is a handler (invitation.h). */
  signal (SIGHUP, SIG_IGN);
  loop = g_main_loop_new (NULL, FALSE);
  daemon = make_daemon (&line.daemon, loop, &error);
  if (daemon == NULL && error == NULL)
    return EXIT_SUCCESS;
  if (daemon == NULL)
    {
      g_printerr ("agentctl-locksd: %s\n", error->message);
      return EXIT_FAILURE;
    }
  g_unix_signal_add (SIGTERM, on_stop, loop);
  g_unix_signal_add (SIGINT, on_stop, loop);
  g_unix_signal_add (SIGHUP, on_reload, daemon);
  agl_daemon_accept_invitations (daemon);
  g_main_loop_run (loop);
  return EXIT_SUCCESS;
}
