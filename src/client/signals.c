/* SPDX-License-Identifier: MIT */
#include "client/signals.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct
{
  int number;
  struct sigaction at_start;
  gboolean saved;
  guint source;
} table[] = { { SIGPIPE }, { SIGINT }, { SIGTERM }, { SIGHUP } };

static void (*watcher) (int signal_number, gpointer user_data);
static gpointer watcher_data;

void
agl_signals_save (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    table[i].saved = sigaction (table[i].number, NULL, &table[i].at_start) == 0;
}

void
agl_signals_restore (void)
{
  agl_signals_unwatch ();
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (table[i].saved && sigaction (table[i].number, &table[i].at_start, NULL) < 0)
      g_warning ("cannot restore signal %d", table[i].number);
}

void
agl_signals_restore_pipe (void)
{
  if (table[0].saved && sigaction (SIGPIPE, &table[0].at_start, NULL) < 0)
    g_warning ("cannot restore SIGPIPE");
}

static gboolean
on_signal (gpointer user_data)
{
  watcher (GPOINTER_TO_INT (user_data), watcher_data);
  return G_SOURCE_CONTINUE;
}

void
agl_signals_watch (void (*caught) (int signal_number, gpointer user_data), gpointer user_data)
{
  watcher = caught;
  watcher_data = user_data;
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (table[i].number != SIGPIPE && table[i].source == 0 && table[i].at_start.sa_handler != SIG_IGN)
      table[i].source = g_unix_signal_add (table[i].number, on_signal, GINT_TO_POINTER (table[i].number));
}

void
agl_signals_unwatch (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    g_clear_handle_id (&table[i].source, g_source_remove);
}

void
agl_signals_die (int signal_number)
{
  struct sigaction fatal = { .sa_handler = SIG_DFL };

  agl_signals_restore ();
  if (sigaction (signal_number, &fatal, NULL) == 0)
    (void)kill (getpid (), signal_number);
  /* Only where the signal is blocked: then as a shell would report it. */
  _exit (128 + signal_number);
}
