/* SPDX-License-Identifier: MIT */
#include "client/wait-display.h"

#include <glib/gi18n.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/duration.h"
#include "client/lock-columns.h"
#include "client/place.h"

#define CLEAR_LINE "\r\033[K"

struct _AglWaitDisplay
{
  char *directory;
  gboolean quiet;
  gboolean is_terminal; /* one that can clear a line */
  gboolean has_told;    /* elsewhere: once is enough */
  gint64 started_usec;  /* monotonic */
  GVariant *blockers;   /* NULL: the service is gone */
  guint timer;
};

static char *
describe_blocker (GVariant *blocker)
{
  g_autofree char *who = agl_row_who (blocker);
  guint pid = (guint)agl_row_number (blocker, "pid", 0);
  const char *kind;

  if (pid == 0)
    /* Translators: a manual lock of the user %s */
    return g_strdup_printf (_ ("a claim of %s"), who);
  if (g_variant_lookup (blocker, "kind", "&s", &kind) && g_str_equal (kind, "unregistered"))
    /* Translators: an agent that runs there without a lock */
    return g_strdup_printf (_ ("%s (pid %u, unregistered)"), who, pid);
  /* Translators: the name of an agent or a command, the number of its process */
  return g_strdup_printf (_ ("%s (pid %u)"), who, pid);
}

char *
agl_wait_display_describe (GVariant *blockers, const char *directory, const char *home, gint64 now_usec)
{
  g_autofree char *shown = agl_place_display (directory, home);
  gsize n = g_variant_n_children (blockers);
  g_autoptr (GVariant) first = n == 0 ? NULL : g_variant_get_child_value (blockers, 0);
  g_autofree char *who = NULL;
  GString *out = g_string_new (NULL);
  guint64 since, waiters;

  if (first == NULL)
    {
      g_string_append_printf (out, _ ("waiting for my turn: %s"), shown);
      return g_string_free (out, FALSE);
    }
  who = describe_blocker (first);
  /* Translators: who is in the way */
  g_string_append_printf (out, _ ("waiting for %s"), who);
  since = agl_row_number (first, "acquired-at", 0);
  if (since != 0)
    {
      g_autofree char *length = agl_duration_to_string (now_usec - (gint64)since);

      /* Translators: continues "waiting for …"; %s is a length of time */
      g_string_append_printf (out, _ (", there for %s"), length);
    }
  if (n > 1)
    g_string_append_printf (out, ngettext (", and %u other", ", and %u others", n - 1), (guint)(n - 1));
  waiters = agl_row_number (first, "waiters", 0);
  if (waiters > 1)
    /* Translators: how many wait, this one included */
    g_string_append_printf (out, ngettext ("; %u in line", "; %u in line", waiters), (guint)waiters);
  g_string_append_printf (out, ": %s", shown);
  return g_string_free (out, FALSE);
}

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
    what = agl_wait_display_describe (self->blockers, self->directory, home, g_get_real_time ());
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
set_blockers (AglWaitDisplay *self, GVariant *blockers)
{
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
agl_wait_display_show (AglWaitDisplay *self, GVariant *blockers)
{
  if (!self->is_terminal && self->has_told)
    return;
  self->has_told = TRUE;
  set_blockers (self, blockers);
}

void
agl_wait_display_show_service_gone (AglWaitDisplay *self)
{
  set_blockers (self, NULL);
}

gboolean
agl_wait_display_is_live (const AglWaitDisplay *self)
{
  return self->is_terminal || !(self->quiet || self->has_told);
}
