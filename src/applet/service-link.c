/* SPDX-License-Identifier: MIT */
#include "applet/service-link.h"

#include <glib/gi18n.h>

#include "applet/comeback.h"
#include "applet/service-finder.h"
#include "applet/trouble.h"
#include "common/names.h"

struct _AglServiceLink
{
  GObject parent_instance;
  AglWhere where;
  AglLockModel *model;
  AglLinkState state;
  char *reason;

  GCancellable *search;  /* one that is under way; NULL: none */
  gboolean may_start;    /* a person wants it to run */
  AglComeback *comeback; /* only while it is away */

  AglService *service; /* NULL: not connected */
  gulong closed;
  guint name_watch;       /* on a bus */
  guint subscription;     /* 0: no conversation */
  GCancellable *question; /* of the answer that is due */
  char *last_door;        /* whose ids the model knows */
};

G_DEFINE_FINAL_TYPE (AglServiceLink, agl_service_link, G_TYPE_OBJECT)

enum
{
  PROP_STATE = 1,
  PROP_REASON,
  N_PROPERTIES
};
static GParamSpec *properties[N_PROPERTIES];

static void look_again (gpointer user_data);

static void
set_state (AglServiceLink *self, AglLinkState state, const char *reason)
{
  if (state == self->state && g_strcmp0 (reason, self->reason) == 0)
    return;
  g_free (self->reason);
  self->reason = g_strdup (reason);
  self->state = state;
  g_object_freeze_notify (G_OBJECT (self));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_REASON]);
  g_object_thaw_notify (G_OBJECT (self));
}

static void
set_away (AglServiceLink *self, const char *reason)
{
  if (self->comeback == NULL)
    self->comeback = agl_comeback_new (&self->where, look_again, self);
  set_state (self, AGL_LINK_AWAY, reason);
}

/* --- the conversation --- */

static void
end_conversation (AglServiceLink *self)
{
  if (self->question != NULL)
    g_cancellable_cancel (self->question);
  g_clear_object (&self->question);
  if (self->subscription != 0)
    g_dbus_connection_signal_unsubscribe (self->service->connection, self->subscription);
  self->subscription = 0;
}

static void
hang_up (AglServiceLink *self)
{
  end_conversation (self);
  g_clear_handle_id (&self->name_watch, g_bus_unwatch_name);
  if (self->service == NULL)
    return;
  g_clear_signal_handler (&self->closed, self->service->connection);
  g_dbus_connection_close (self->service->connection, NULL, NULL, NULL);
  g_clear_pointer (&self->service, agl_service_free);
}

static void
on_signal (GDBusConnection *connection,
           const char *sender,
           const char *path,
           const char *interface,
           const char *name,
           GVariant *parameters,
           gpointer user_data)
{
  AglServiceLink *self = user_data;
  g_autoptr (GVariant) facts = NULL;
  const char *reason;
  guint64 id;

  /* What a newer service may say otherwise is not for us. */
  if (g_str_equal (name, "LockAcquired") && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(tsua{sv})")))
    {
      g_variant_get (parameters, "(tsu@a{sv})", &id, NULL, NULL, &facts);
      agl_lock_model_take_acquired (self->model, id, facts);
    }
  else if (g_str_equal (name, "LockReleased")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(tsusa{sv})")))
    {
      g_variant_get (parameters, "(tsu&s@a{sv})", &id, NULL, NULL, &reason, &facts);
      agl_lock_model_take_released (self->model, id, reason, facts);
    }
  else if (g_str_equal (name, "LockChanged")
           && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ta{sv})")))
    {
      g_variant_get (parameters, "(t@a{sv})", &id, &facts);
      agl_lock_model_take_changed (self->model, id, facts);
    }
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (AglServiceLink) self = user_data;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) locks = NULL;
  g_autoptr (GError) error = NULL;

  reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->question);
  if (reply == NULL)
    {
      g_autofree char *trouble = agl_trouble_describe (error);

      end_conversation (self);
      set_away (self, trouble);
      return;
    }
  g_variant_get (reply, "(@aa{sv})", &locks);
  agl_lock_model_take_list (self->model, locks);
  g_clear_pointer (&self->comeback, agl_comeback_free);
  set_state (self, AGL_LINK_READY, NULL);
}

/* Subscribed first, asked second: on one connection nothing can fall between. */
static void
begin_conversation (AglServiceLink *self)
{
  end_conversation (self);
  if (g_strcmp0 (self->last_door, self->service->door) != 0)
    {
      g_free (self->last_door);
      self->last_door = g_strdup (self->service->door);
      agl_lock_model_clear (self->model);
    }
  agl_lock_model_begin (self->model);
  self->subscription = g_dbus_connection_signal_subscribe (self->service->connection, self->service->bus_name,
                                                           AGL_INTERFACE, NULL, AGL_OBJECT_PATH, NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  self->question = g_cancellable_new ();
  g_dbus_connection_call (self->service->connection, self->service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE,
                          "List", g_variant_new ("(a{sv})", NULL), agl_service_reply_type ("List"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, AGL_CALL_TIMEOUT_MSEC, self->question, on_listed,
                          g_object_ref (self));
}

/* --- coming and going --- */

static void
on_name_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  begin_conversation (user_data);
}

static void
on_name_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  AglServiceLink *self = user_data;

  if (connection == NULL) /* the connection is closed: that is told elsewhere */
    return;
  end_conversation (self);
  if (self->state == AGL_LINK_CONNECTING)
    set_away (self, _ ("There is no service on this bus."));
  else if (self->state == AGL_LINK_READY)
    set_away (self, _ ("The service has ended."));
}

static void
on_closed (GDBusConnection *connection, gboolean remote, GError *error, gpointer user_data)
{
  AglServiceLink *self = user_data;

  hang_up (self);
  set_away (self, _ ("The service has ended."));
}

static void
take_service (AglServiceLink *self, AglService *service)
{
  GBusNameWatcherFlags flags =
      self->may_start ? G_BUS_NAME_WATCHER_FLAGS_AUTO_START : G_BUS_NAME_WATCHER_FLAGS_NONE;

  hang_up (self);
  self->service = service;
  self->closed = g_signal_connect (service->connection, "closed", G_CALLBACK (on_closed), self);
  if (service->bus_name == NULL)
    begin_conversation (self);
  else
    self->name_watch = g_bus_watch_name_on_connection (service->connection, service->bus_name, flags,
                                                       on_name_appeared, on_name_vanished, self, NULL);
}

/* The same bus again: its name is watched already. */
static gboolean
is_watched (AglServiceLink *self, const AglService *found)
{
  return self->service != NULL && found->bus_name != NULL && self->name_watch != 0 && !self->may_start
         && g_str_equal (self->service->door, found->door);
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (AglServiceLink) self = user_data;
  g_autoptr (GError) error = NULL;
  AglService *service = agl_service_finder_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->search);
  if (service == NULL)
    {
      g_autofree char *trouble = agl_trouble_describe (error);

      /* A bus on which the name is still to come is kept. */
      if (self->state != AGL_LINK_READY && self->question == NULL)
        set_away (self, trouble);
      return;
    }
  /* Or else the name on the bus was quicker. */
  if (self->state == AGL_LINK_READY || self->question != NULL || is_watched (self, service))
    agl_service_free (service);
  else
    take_service (self, service);
}

static void
look (AglServiceLink *self, gboolean start)
{
  if (self->search != NULL)
    return;
  self->may_start = start;
  self->search = g_cancellable_new ();
  agl_service_finder_find (&self->where, start, self->search, on_found, g_object_ref (self));
}

static void
look_again (gpointer user_data)
{
  look (user_data, FALSE);
}

/* --- for others --- */

AglServiceLink *
agl_service_link_new (const AglWhere *where, AglLockModel *model)
{
  AglServiceLink *self = g_object_new (AGL_TYPE_SERVICE_LINK, NULL);

  self->where = (AglWhere){ where->system, where->user, g_strdup (where->address) };
  self->model = g_object_ref (model);
  return self;
}

void
agl_service_link_open (AglServiceLink *self)
{
  g_return_if_fail (AGL_IS_SERVICE_LINK (self));

  if (self->state == AGL_LINK_READY)
    return;
  if (self->search != NULL)
    g_cancellable_cancel (self->search);
  g_clear_object (&self->search);
  look (self, TRUE);
}

void
agl_service_link_close (AglServiceLink *self)
{
  g_return_if_fail (AGL_IS_SERVICE_LINK (self));

  if (self->search != NULL)
    g_cancellable_cancel (self->search);
  g_clear_object (&self->search);
  g_clear_pointer (&self->comeback, agl_comeback_free);
  hang_up (self);
}

AglLinkState
agl_service_link_get_state (AglServiceLink *self)
{
  g_return_val_if_fail (AGL_IS_SERVICE_LINK (self), AGL_LINK_AWAY);
  return self->state;
}

const char *
agl_service_link_get_reason (AglServiceLink *self)
{
  g_return_val_if_fail (AGL_IS_SERVICE_LINK (self), NULL);
  return self->reason;
}

AglLockModel *
agl_service_link_get_model (AglServiceLink *self)
{
  g_return_val_if_fail (AGL_IS_SERVICE_LINK (self), NULL);
  return self->model;
}

AglService *
agl_service_link_get_service (AglServiceLink *self)
{
  g_return_val_if_fail (AGL_IS_SERVICE_LINK (self), NULL);
  return self->state == AGL_LINK_READY ? self->service : NULL;
}

/* --- GObject --- */

static void
agl_service_link_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AglServiceLink *self = AGL_SERVICE_LINK (object);

  if (id == PROP_STATE)
    g_value_set_uint (value, self->state);
  else if (id == PROP_REASON)
    g_value_set_string (value, self->reason);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
agl_service_link_dispose (GObject *object)
{
  agl_service_link_close (AGL_SERVICE_LINK (object));
  G_OBJECT_CLASS (agl_service_link_parent_class)->dispose (object);
}

static void
agl_service_link_finalize (GObject *object)
{
  AglServiceLink *self = AGL_SERVICE_LINK (object);

  g_object_unref (self->model);
  g_free (self->where.address);
  g_free (self->reason);
  g_free (self->last_door);
  G_OBJECT_CLASS (agl_service_link_parent_class)->finalize (object);
}

static void
agl_service_link_class_init (AglServiceLinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = agl_service_link_get_property;
  object_class->dispose = agl_service_link_dispose;
  object_class->finalize = agl_service_link_finalize;
  properties[PROP_STATE] = g_param_spec_uint ("state", NULL, NULL, 0, AGL_LINK_AWAY, 0, flags);
  properties[PROP_REASON] = g_param_spec_string ("reason", NULL, NULL, NULL, flags);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
agl_service_link_init (AglServiceLink *self)
{
}
