/* SPDX-License-Identifier: MIT */
#include "client/listener.h"

#include "common/names.h"

/* So many answers in a row may be outdated before one is told all the same. */
#define MAX_OUTDATED 8

enum
{
  SIGNALS,
  PROPERTIES,
  OWNER,
  N_SUBSCRIPTIONS
};

struct _AglListener
{
  AglService *service;
  const AglListenerFuncs *funcs;
  gpointer user_data;
  guint subscriptions[N_SUBSCRIPTIONS]; /* 0: none */
};

static void
on_signal (GDBusConnection *connection,
           const char *sender,
           const char *path,
           const char *interface,
           const char *name,
           GVariant *parameters,
           gpointer user_data)
{
  AglListener *self = user_data;
  const char *new_owner;

  if (g_str_equal (interface, AGL_INTERFACE))
    self->funcs->on_signal (name, parameters, self->user_data);
  else if (g_str_equal (name, "PropertiesChanged"))
    self->funcs->on_property (self->user_data);
  else if (g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    {
      g_variant_get (parameters, "(&s&s&s)", NULL, NULL, &new_owner);
      self->funcs->on_presence (*new_owner != '\0', self->user_data);
    }
}

AglListener *
agl_listener_new (AglService *service, const AglListenerFuncs *funcs, gpointer user_data)
{
  AglListener *self = g_new0 (AglListener, 1);
  GDBusConnection *connection = service->connection;

  self->service = service;
  self->funcs = funcs;
  self->user_data = user_data;
  self->subscriptions[SIGNALS] =
      g_dbus_connection_signal_subscribe (connection, service->bus_name, AGL_INTERFACE, NULL, AGL_OBJECT_PATH,
                                          NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  if (funcs->on_property != NULL)
    self->subscriptions[PROPERTIES] = g_dbus_connection_signal_subscribe (
        connection, service->bus_name, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        AGL_OBJECT_PATH, AGL_INTERFACE, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  if (service->bus_name != NULL)
    self->subscriptions[OWNER] = g_dbus_connection_signal_subscribe (
        connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", NULL,
        service->bus_name, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  return self;
}

void
agl_listener_free (AglListener *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < N_SUBSCRIPTIONS; i++)
    if (self->subscriptions[i] != 0)
      g_dbus_connection_signal_unsubscribe (self->service->connection, self->subscriptions[i]);
  g_free (self);
}

gboolean
agl_question_begin (AglQuestion *self)
{
  self->is_outdated = self->is_asking;
  if (self->is_asking)
    return FALSE;
  self->is_asking = TRUE;
  return TRUE;
}

gboolean
agl_question_end (AglQuestion *self)
{
  self->is_asking = FALSE;
  if (self->is_outdated && ++self->n_outdated <= MAX_OUTDATED)
    return FALSE;
  self->n_outdated = 0;
  return TRUE;
}
