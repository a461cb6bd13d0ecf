/* SPDX-License-Identifier: MIT */
#include "client/wait-display.h"

#include <glib/gi18n.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/blockers-text.h"
#include "client/duration.h"
#include "client/table.h"

#define CLEAR_LINE "\r\033[K"

struct _AglWaitDisplay
{
  char *directory;
  gboolean quiet;
  gboolean is_terminal; /* one that can clear a line */
  gboolean has_told;    /* elsewhere: once is enough */
  gint64 started_usec;  /* monotonic */
  GVariant *blockers;   /* NULL: the service is gone */
  gboolean others_first;
  guint timer;
};

static gsize
terminal_width (void)
{
  struct winsize size = { 0 };

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
    return 79;
  return size.ws_col - 1u; /* a full last column makes some terminals wrap */
}

static void
show (AglWaitDisplay *self)
{
  g_autofree char *length = agl_duration_to_string (g_get_monotonic_time () - self->started_usec);
  const char *home = self->is_terminal ? g_get_home_dir () : NULL;
  g_autofree char *what = NULL;
  g_autofree char *line = NULL;
  g_autofree char *fitted = NULL;

  if (self->quiet)
    return;
  if (self->blockers == NULL)
    what = g_strdup (_ ("the service went away; waiting for it to come back"));
  else
    what = agl_blockers_describe_wait (self->blockers, self->others_first, self->directory, home,
                                       g_get_real_time ());
  if (!self->is_terminal)
    {
      g_printerr ("agentctl-locks: %s\n", what);
      return;
    }
  /* Translators: how long the wait has been so far, then "waiting for …" */
  line = g_strdup_printf (_ ("[%s] %s"), length, what);
  fitted = agl_text_cut (line, terminal_width (), AGL_CUT_END);
  g_printerr (CLEAR_LINE "%s", fitted);
}

static gboolean
on_second (gpointer user_data)
{
  show (user_data);
  return G_SOURCE_CONTINUE;
}

static void
set_blockers (AglWaitDisplay *self, GVariant *blockers, gboolean others_first)
{
  self->others_first = others_first;
  g_clear_pointer (&self->blockers, g_variant_unref);
  self->blockers = blockers == NULL ? NULL : g_variant_ref_sink (blockers);
  if (self->is_terminal && self->timer == 0)
    self->timer = g_timeout_add_seconds (1, on_second, self);
  show (self);
}

AglWaitDisplay *
agl_wait_display_new (const char *directory, gboolean quiet)
{
  AglWaitDisplay *self = g_new0 (AglWaitDisplay, 1);

  self->directory = g_strdup (directory);
  self->quiet = quiet;
  self->is_terminal = !quiet && isatty (STDERR_FILENO) != 0 && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
  self->started_usec = g_get_monotonic_time ();
  return self;
}

void
agl_wait_display_free (AglWaitDisplay *self)
{
  if (self->timer != 0)
    g_printerr (CLEAR_LINE);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_pointer (&self->blockers, g_variant_unref);
  g_free (self->directory);
  g_free (self);
}

void
agl_wait_display_show (AglWaitDisplay *self, GVariant *blockers, gboolean others_first)
{
  if (!self->is_terminal && self->has_told)
    return;
  self->has_told = TRUE;
  set_blockers (self, blockers, others_first);
}

void
agl_wait_display_show_service_gone (AglWaitDisplay *self)
{
  set_blockers (self, NULL, FALSE);
}

gboolean
agl_wait_display_is_live (const AglWaitDisplay *self)
{
  return self->is_terminal || !(self->quiet || self->has_told);
}
