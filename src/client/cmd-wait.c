/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>

#include "client/blockers-watch.h"
#include "client/command.h"
#include "client/place.h"
#include "client/signals.h"
#include "client/wait-display.h"

/* How long a service that went away is waited for before the wait is given up. */
#define COMEBACK_MSEC 30000

typedef struct
{
  AglService *service;
  AglBlockersWatch *watch;
  AglWaitDisplay *display;
  gboolean is_free;
  gboolean timed_out;
  GError *error;
} Wait;

static void
on_blockers (gboolean is_free, GVariant *blockers, const GError *error, gpointer user_data)
{
  Wait *self = user_data;

  if (error != NULL)
    {
      g_clear_error (&self->error);
      self->error = g_error_copy (error);
      return;
    }
  self->is_free = is_free;
  if (!is_free)
    agl_wait_display_show (self->display, blockers, FALSE);
}

static gboolean
on_timeout (gpointer user_data)
{
  Wait *self = user_data;

  self->timed_out = TRUE;
  return G_SOURCE_REMOVE;
}

static void
on_caught (int signal_number, gpointer user_data)
{
  Wait *self = user_data;

  g_clear_pointer (&self->display, agl_wait_display_free);
  agl_signals_die (signal_number);
}

/* One service's life long. */
static void
watch (Wait *self, const char *path)
{
  self->watch = agl_blockers_watch_new (self->service, path, FALSE, on_blockers, self);
  while (!self->is_free && !self->timed_out && self->error == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&self->watch, agl_blockers_watch_free);
}

static gint
comeback_msec (const AglOptions *options)
{
  if (!options->wait || options->wait_msec < 0)
    return COMEBACK_MSEC;
  return (gint)MIN (COMEBACK_MSEC, options->wait_msec);
}

static int
finish (Wait *self, const AglOptions *options, GError **error)
{
  agl_signals_unwatch ();
  g_clear_pointer (&self->display, agl_wait_display_free);
  g_clear_pointer (&self->service, agl_service_free);
  if (self->is_free)
    return AGL_EXIT_OK;
  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
      return 0;
    }
  if (!options->quiet)
    g_printerr (_ ("agentctl-locks: it is still held; the time ran out\n"));
  return options->conflict_status;
}

static int
wait_until_free (const AglOptions *options, GError **error)
{
  g_autofree char *path = agl_place_of_argument (options, error);
  Wait self = { NULL };

  if (path == NULL)
    return 0;
  self.service = agl_service_find (&options->where, TRUE, error);
  if (self.service == NULL)
    return 0;
  self.display = agl_wait_display_new (path, options->quiet);
  agl_signals_watch (on_caught, &self);
  if (options->wait && options->wait_msec >= 0)
    g_timeout_add ((guint)options->wait_msec, on_timeout, &self);
  while (TRUE)
    {
      watch (&self, path);
      if (self.error == NULL || !agl_exit_is_service_gone (self.error))
        {
          if (self.error != NULL)
            agl_service_explain_error (self.service, self.error);
          return finish (&self, options, error);
        }
      g_clear_error (&self.error);
      agl_wait_display_show_service_gone (self.display);
      g_clear_pointer (&self.service, agl_service_free);
      self.service = agl_service_find_again (&options->where, comeback_msec (options), &self.error);
      if (self.timed_out)
        g_clear_error (&self.error);
      if (self.service == NULL)
        return finish (&self, options, error);
    }
}

const AglCommand agl_command_wait = {
  .usage = {
    .name = "wait",
    .synopsis = N_ ("[DIR]"),
    .summary = N_ ("Return when DIR is free"),
    .description = N_ (
      "Takes no lock: somebody else may be quicker. “run --wait” and “acquire --wait” stand in line. A restart of\n"
      "the service does not end the wait.\n"
      "\n"
      "  agentctl-locks wait --wait=600 ~/src/app && notify-send 'app is free'\n"
      "\n"
      "Exits 0 when it is free, 75 when the time ran out, 64 wrong usage, 69 no service, 77 not permitted, 70\n"
      "anything else."),
    .groups = AGL_OPTIONS_WAIT | AGL_OPTIONS_STATUS | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
    .max_arguments = 1,
  },
  .run = wait_until_free,
};
