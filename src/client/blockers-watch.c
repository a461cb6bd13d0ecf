/* SPDX-License-Identifier: MIT */
#include "client/blockers-watch.h"

#include "client/listener.h"
#include "common/names.h"

#define UNREGISTERED_INTERVAL_SEC 1

struct _AglBlockersWatch
{
  AglService *service;
  char *directory;
  gboolean subtree;
  AglBlockersFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  AglQuestion question;
  guint timer;
  AglListener *listener;
  gulong closed_handler;
};

static void ask (AglBlockersWatch *self);

static gboolean
on_timer (gpointer user_data)
{
  AglBlockersWatch *self = user_data;

  self->timer = 0;
  ask (self);
  return G_SOURCE_REMOVE;
}

static gboolean
has_unregistered (GVariant *blockers)
{
  GVariantIter iter;
  GVariant *blocker;
  gboolean found = FALSE;

  g_variant_iter_init (&iter, blockers);
  while (g_variant_iter_loop (&iter, "@a{sv}", &blocker))
    {
      const char *kind;

      found =
          found || (g_variant_lookup (blocker, "kind", "&s", &kind) && g_str_equal (kind, "unregistered"));
    }
  return found;
}

static void
fail (AglBlockersWatch *self, const GError *error)
{
  self->func (FALSE, NULL, error, self->user_data);
}

/* Tells the answer, unless it is outdated already. */
static void
tell (AglBlockersWatch *self, gboolean is_free, GVariant *blockers)
{
  gboolean is_told = agl_question_end (&self->question);

  /* First: the one who is told may free us. */
  if (self->question.is_outdated)
    ask (self);
  if (!is_told)
    return;
  if (has_unregistered (blockers) && self->timer == 0)
    self->timer = g_timeout_add_seconds (UNREGISTERED_INTERVAL_SEC, on_timer, self);
  self->func (is_free, blockers, NULL, self->user_data);
}

/* NULL: failed, and told, or cancelled, and then @user_data is no more. */
static GVariant *
finish (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    fail (user_data, error);
  return reply;
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) reply = finish (source, result, user_data);
  g_autoptr (GVariant) locks = NULL;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(@aa{sv})", &locks);
  tell (user_data, g_variant_n_children (locks) == 0, locks);
}

static void
call (AglBlockersWatch *self, const char *method, GVariant *parameters, GAsyncReadyCallback done)
{
  g_dbus_connection_call (self->service->connection, self->service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE,
                          method, parameters, agl_service_reply_type (method), G_DBUS_CALL_FLAGS_NONE,
                          AGL_CALL_TIMEOUT_MSEC, self->cancellable, done, self);
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  AglBlockersWatch *self = user_data;
  g_autoptr (GVariant) reply = finish (source, result, user_data);
  g_autoptr (GVariant) blockers = NULL;
  GVariantBuilder filter;
  gboolean is_free;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(b@aa{sv})", &is_free, &blockers);
  if (!is_free || !self->subtree)
    {
      tell (self, is_free, blockers);
      return;
    }
  g_variant_builder_init (&filter, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&filter, "{sv}", "under", g_variant_new_string (self->directory));
  call (self, "List", g_variant_new ("(a{sv})", &filter), on_listed);
}

static void
ask (AglBlockersWatch *self)
{
  if (!agl_question_begin (&self->question))
    return;
  g_clear_handle_id (&self->timer, g_source_remove);
  call (self, "Check", g_variant_new ("(s)", self->directory), on_checked);
}

static void
on_signal (const char *name, GVariant *parameters, gpointer user_data)
{
  ask (user_data);
}

static void
on_presence (gboolean is_there, gpointer user_data)
{
  ask (user_data);
}

static const AglListenerFuncs funcs = { .on_signal = on_signal, .on_presence = on_presence };

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  AglBlockersWatch *self = user_data;
  g_autoptr (GError) closed =
      g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "the connection was closed");

  /* A call under way would tell it too. */
  g_cancellable_cancel (self->cancellable);
  fail (self, closed);
}

AglBlockersWatch *
agl_blockers_watch_new (
    AglService *service, const char *directory, gboolean subtree, AglBlockersFunc func, gpointer user_data)
{
  AglBlockersWatch *self = g_new0 (AglBlockersWatch, 1);

  self->service = service;
  self->directory = g_strdup (directory);
  self->subtree = subtree;
  self->func = func;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->closed_handler = g_signal_connect (service->connection, "closed", G_CALLBACK (on_closed), self);
  /* Listening first: what changes after the answer is not missed. */
  self->listener = agl_listener_new (service, &funcs, self);
  ask (self);
  return self;
}

void
agl_blockers_watch_free (AglBlockersWatch *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_signal_handler (&self->closed_handler, self->service->connection);
  agl_listener_free (self->listener);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_free (self->directory);
  g_free (self);
}
