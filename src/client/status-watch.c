/* SPDX-License-Identifier: MIT */
#include "client/status-watch.h"

#include "client/listener.h"
#include "common/names.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

struct _AglStatusWatch
{
  AglService *service;
  AglStatusFunc func;
  gpointer user_data;
  GCancellable *cancellable; /* of what is asked */
  AglListener *listener;
  AglQuestion question;
  GVariant *locks; /* the answer's first half */
};

static void ask (AglStatusWatch *self);

/* NULL: cancelled (then @user_data is no more), or not answered: what ends a connection or takes the name
 * away is told by other means, and whatever else it was, the next signal asks again. */
static GVariant *
finish (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  AglStatusWatch *self = user_data;

  if (reply != NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return reply;
  g_debug ("The state was not told: %s", error->message);
  self->question.is_asking = FALSE;
  if (self->question.is_outdated)
    ask (self);
  return NULL;
}

static void
call (AglStatusWatch *self,
      const char *interface,
      const char *method,
      GVariant *parameters,
      const char *reply,
      GAsyncReadyCallback done)
{
  /* A service that stopped for want of work is not started again to be asked how little there is. */
  g_dbus_connection_call (self->service->connection, self->service->bus_name, AGL_OBJECT_PATH, interface,
                          method, parameters, G_VARIANT_TYPE (reply), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          AGL_CALL_TIMEOUT_MSEC, self->cancellable, done, self);
}

static void
on_counted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  AglStatusWatch *self = user_data;
  g_autoptr (GVariant) reply = finish (source, result, user_data);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(v)", &value);
  if (agl_question_end (&self->question))
    self->func (self->locks,
                g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32 (value) : 0,
                self->user_data);
  if (self->question.is_outdated)
    ask (self);
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  AglStatusWatch *self = user_data;
  g_autoptr (GVariant) reply = finish (source, result, user_data);

  if (reply == NULL)
    return;
  g_clear_pointer (&self->locks, g_variant_unref);
  g_variant_get (reply, "(@aa{sv})", &self->locks);
  call (self, PROPERTIES, "Get", g_variant_new ("(ss)", AGL_INTERFACE, "WaiterCount"), "(v)", on_counted);
}

/* Always of the service: the signals say that something changed, List says what there is. So what a lock's
 * holder calls itself since it was granted is right too. */
static void
ask (AglStatusWatch *self)
{
  if (agl_question_begin (&self->question))
    call (self, AGL_INTERFACE, "List", g_variant_new_parsed ("(@a{sv} {},)"), "(aa{sv})", on_listed);
}

static void
on_signal (const char *name, GVariant *parameters, gpointer user_data)
{
  ask (user_data);
}

static void
on_property (gpointer user_data)
{
  ask (user_data);
}

/* What was asked of the one that went is not answered by the one that comes. */
static void
start_over (AglStatusWatch *self)
{
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  self->cancellable = g_cancellable_new ();
  self->question.is_asking = FALSE;
}

static void
on_presence (gboolean is_there, gpointer user_data)
{
  AglStatusWatch *self = user_data;

  start_over (self);
  if (is_there)
    ask (self);
  else
    self->func (NULL, 0, self->user_data);
}

static const AglListenerFuncs funcs = { on_signal, on_property, on_presence };

AglStatusWatch *
agl_status_watch_new (AglService *service, AglStatusFunc func, gpointer user_data)
{
  AglStatusWatch *self = g_new0 (AglStatusWatch, 1);

  self->service = service;
  self->func = func;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  /* Listening first: what changes after the answer is not missed. */
  self->listener = agl_listener_new (service, &funcs, self);
  ask (self);
  return self;
}

void
agl_status_watch_free (AglStatusWatch *self)
{
  if (self == NULL)
    return;
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  agl_listener_free (self->listener);
  g_clear_pointer (&self->locks, g_variant_unref);
  g_free (self);
}
