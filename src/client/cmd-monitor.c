/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "client/command.h"
#include "client/json.h"
#include "client/listener.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "client/service.h"
#include "client/status-line.h"
#include "client/status-watch.h"
#include "common/text.h"

typedef struct
{
  const AglOptions *options;
  AglService *service;
  const char *home; /* NULL: not a terminal */
  gboolean closed;

  /* With --format: */
  AglStatusFormat format;
  AglStatus status; /* its locks are ours */
  char *shown;      /* the last line */
} Monitor;

/* One signal, taken apart. NULL where it does not carry the like. */
typedef struct
{
  const char *name;
  guint64 id;
  const char *directory;
  guint32 pid;
  const char *reason;
  GVariant *lock;
  GVariant *changed;
  GVariant *unknown; /* all that a signal says which this program does not know */
} Event;

static void
event_parse (Event *event, const char *name, GVariant *parameters)
{
  *event = (Event){ .name = name };
  if (g_str_equal (name, "LockAcquired") && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(tsua{sv})")))
    g_variant_get (parameters, "(t&su@a{sv})", &event->id, &event->directory, &event->pid, &event->lock);
  else if (g_str_equal (name, "LockReleased")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(tsusa{sv})")))
    g_variant_get (parameters, "(t&su&s@a{sv})", &event->id, &event->directory, &event->pid, &event->reason,
                   &event->lock);
  else if (g_str_equal (name, "LockChanged")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ta{sv})")))
    g_variant_get (parameters, "(t@a{sv})", &event->id, &event->changed);
  else
    event->unknown = g_variant_ref (parameters);
}

static void
event_clear (Event *event)
{
  g_clear_pointer (&event->lock, g_variant_unref);
  g_clear_pointer (&event->changed, g_variant_unref);
  g_clear_pointer (&event->unknown, g_variant_unref);
}

static void
print_json (const Event *event, gint64 at_usec)
{
  GVariantBuilder line;

  g_variant_builder_init (&line, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&line, "{sv}", "at", g_variant_new_uint64 ((guint64)at_usec));
  g_variant_builder_add (&line, "{sv}", "event", g_variant_new_string (event->name));
  g_variant_builder_add (&line, "{sv}", "id", g_variant_new_uint64 (event->id));
  if (event->directory != NULL)
    {
      g_variant_builder_add (&line, "{sv}", "directory", g_variant_new_string (event->directory));
      g_variant_builder_add (&line, "{sv}", "pid", g_variant_new_uint32 (event->pid));
    }
  if (event->reason != NULL)
    g_variant_builder_add (&line, "{sv}", "release", g_variant_new_string (event->reason));
  if (event->lock != NULL)
    g_variant_builder_add (&line, "{sv}", "lock", event->lock);
  if (event->changed != NULL)
    g_variant_builder_add (&line, "{sv}", "changed", event->changed);
  agl_json_print (g_variant_builder_end (&line), FALSE);
}

/* "waiters=1 cwd='outside'": names and values as on the bus. */
static char *
describe_changed (GVariant *changed)
{
  GString *out = g_string_new (NULL);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *text = g_variant_print (value, FALSE);

      g_string_append_printf (out, "%s%s=%s", out->len == 0 ? "" : " ", key, text);
    }
  return g_string_free (out, FALSE);
}

/* Of a newer service: shown as it came, rather than kept from whoever watches. */
static void
print_unknown (const char *at, const Event *event)
{
  g_autofree char *text = g_variant_print (event->unknown, FALSE);
  g_autofree char *name = agl_text_escape (event->name, -1);
  g_autofree char *harmless = agl_text_escape (text, -1);

  g_print ("%s %-12s %s\n", at, name, harmless);
}

static void
print_line (const Monitor *self, const Event *event)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *at = g_date_time_format (now, self->home != NULL ? "%X" : "%Y-%m-%dT%H:%M:%S%z");
  g_autofree char *shown = event->directory == NULL ? NULL : agl_place_display (event->directory, self->home);
  g_autofree char *who = event->lock == NULL ? NULL : agl_row_who (event->lock);
  g_autofree char *changed = event->changed == NULL ? NULL : describe_changed (event->changed);
  g_autofree char *harmless = changed == NULL ? NULL : agl_place_display (changed, NULL);

  if (event->unknown != NULL)
    {
      print_unknown (at, event);
      return;
    }
  g_print ("%s %-12s %" G_GUINT64_FORMAT " ", at, event->name, event->id);
  if (harmless != NULL)
    g_print ("%s", harmless);
  else if (event->pid != 0)
    g_print ("%s %s[%u]", shown, who, event->pid);
  else
    g_print ("%s %s", shown, who);
  g_print ("%s%s\n", event->reason == NULL ? "" : " ", event->reason == NULL ? "" : event->reason);
}

static void
on_signal (const char *name, GVariant *parameters, gpointer user_data)
{
  const Monitor *self = user_data;
  Event event;

  event_parse (&event, name, parameters);
  /* A program that reads objects has been promised their keys. */
  if (self->options->json && event.unknown == NULL)
    print_json (&event, g_get_real_time ());
  else if (!self->options->json)
    print_line (self, &event);
  event_clear (&event);
}

/* --- a status bar: what is, in one line, whenever it is another line than before --- */

static void
show_status (Monitor *self)
{
  g_autofree char *line = NULL;

  /* Before the first answer there is nothing to say, and afterwards nothing that was not true. */
  if (self->status.locks == NULL)
    return;
  line = agl_status_line (&self->status, &self->format);
  if (g_strcmp0 (line, self->shown) == 0)
    return;
  /* Not g_print: waybar wants UTF-8, and a template is as the user wrote it. */
  puts (line);
  fflush (stdout);
  g_free (self->shown);
  self->shown = g_steal_pointer (&line);
}

static void
on_status (GVariant *locks, guint n_waiters, gpointer user_data)
{
  Monitor *self = user_data;

  self->status.is_online = locks != NULL;
  if (locks != NULL)
    {
      g_clear_pointer (&self->status.locks, g_variant_unref);
      self->status.locks = g_variant_ref (locks);
      self->status.n_waiters = n_waiters;
    }
  show_status (self);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  Monitor *self = user_data;

  self->closed = TRUE;
}

static void
note (const char *text)
{
  g_printerr ("agentctl-locks: %s\n", text);
}

static void
on_presence (gboolean is_there, gpointer user_data)
{
  note (is_there ? _ ("the service is back") : _ ("the service went away; waiting for it to come back"));
}

static const AglListenerFuncs funcs = { .on_signal = on_signal, .on_presence = on_presence };

static void
wait_for_end (Monitor *self)
{
  gulong handler = g_signal_connect (self->service->connection, "closed", G_CALLBACK (on_closed), self);

  self->closed = g_dbus_connection_is_closed (self->service->connection);
  while (!self->closed && ferror (stdout) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_signal_handler_disconnect (self->service->connection, handler);
}

/* As long as the connection lasts: through a bus also beyond the service's own life. */
static void
watch (Monitor *self)
{
  AglListener *listener = agl_listener_new (self->service, &funcs, self);

  wait_for_end (self);
  agl_listener_free (listener);
}

static void
watch_status (Monitor *self)
{
  AglStatusWatch *status_watch = agl_status_watch_new (self->service, on_status, self);

  wait_for_end (self);
  agl_status_watch_free (status_watch);
}

static int
monitor_status (const AglOptions *options, GError **error)
{
  Monitor self = { .options = options, .status = { .home = g_get_home_dir () } };

  if (agl_status_format_parse (options->format, &self.format, error))
    self.service = agl_service_find (&options->where, TRUE, error);
  while (self.service != NULL)
    {
      watch_status (&self);
      g_clear_pointer (&self.service, agl_service_free);
      if (ferror (stdout) != 0)
        break;
      self.status.is_online = FALSE;
      show_status (&self);
      self.service = agl_service_find_again (&options->where, -1, error);
    }
  agl_status_format_clear (&self.format);
  g_clear_pointer (&self.status.locks, g_variant_unref);
  g_free (self.shown);
  return AGL_EXIT_OK;
}

static int
monitor (const AglOptions *options, GError **error)
{
  Monitor self = { .options = options, .home = isatty (STDOUT_FILENO) != 0 ? g_get_home_dir () : NULL };

  if (options->format != NULL)
    return monitor_status (options, error);
  self.service = agl_service_find (&options->where, TRUE, error);
  while (self.service != NULL)
    {
      watch (&self);
      g_clear_pointer (&self.service, agl_service_free);
      if (ferror (stdout) != 0)
        break;
      note (_ ("the service went away; waiting for it to come back"));
      self.service = agl_service_find_again (&options->where, -1, error);
      if (self.service != NULL)
        note (_ ("the service is back"));
    }
  return AGL_EXIT_OK;
}

const AglCommand agl_command_monitor = {
  .usage = {
    .name = "monitor",
    .synopsis = NULL,
    .summary = N_ ("Show what happens to locks, as it happens"),
    .description = N_ (
      "One line for each signal of the service, until interrupted; across restarts of the service too. With --json\n"
      "each line is an object with “at” (microseconds since the epoch), “event” (the signal's name), “id”,\n"
      "“directory”, “pid”, “release” (why it was released), “lock” or “changed”.\n"
      "\n"
      "--format feeds a status bar: a line with what is held now, at once and whenever that changes. waybar is one\n"
      "JSON object a line for a custom module (text, tooltip, class, alt: free, held, waiting or offline); tmux is\n"
      "for #(…) in status-right; in plain:TEMPLATE {locks}, {waiters}, {process}, {manual}, {state}, {who} and\n"
      "{directories} are filled in.\n"
      "\n"
      "  agentctl-locks monitor --format='plain:{locks} locked, {waiters} waiting'\n"
      "\n"
      "Exits when interrupted; 64 wrong usage, 69 no service, 70 anything else."),
    .groups = AGL_OPTIONS_JSON | AGL_OPTIONS_FORMAT | AGL_OPTIONS_WHERE,
  },
  .run = monitor,
};
