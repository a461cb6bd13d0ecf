/* SPDX-License-Identifier: MIT */
#include "service/bus-throttle.h"

/* Touched in GDBus' thread alone, in which filters run. */
typedef struct
{
  GHashTable *unanswered; /* unique name → how many */
  guint n_unanswered;     /* of all */
  GHashTable *unwanted;   /* "SERIAL:1.23": calls whose replies nobody wants */
} Throttle;

static void
throttle_free (gpointer data)
{
  Throttle *self = data;

  g_hash_table_unref (self->unanswered);
  g_hash_table_unref (self->unwanted);
  g_free (self);
}

static char *
dup_key (guint32 serial, const char *sender)
{
  return g_strdup_printf ("%u%s", serial, sender);
}

static guint
get_count (const Throttle *self, const char *sender)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->unanswered, sender));
}

static void
set_count (Throttle *self, const char *sender, guint count)
{
  self->n_unanswered += count - get_count (self, sender);
  if (count == 0)
    g_hash_table_remove (self->unanswered, sender);
  else
    g_hash_table_insert (self->unanswered, g_strdup (sender), GUINT_TO_POINTER (count));
}

static guint
get_limit (const Throttle *self)
{
  return self->n_unanswered < AGL_BUS_MAX_UNANSWERED_OF_ALL ? AGL_BUS_MAX_UNANSWERED
                                                            : AGL_BUS_SPARED_UNANSWERED;
}

static void
refuse (GDBusConnection *connection, GDBusMessage *call, guint count)
{
  g_autoptr (GDBusMessage) reply =
      g_dbus_message_new_method_error (call, "org.freedesktop.DBus.Error.LimitsExceeded",
                                       "%u calls of this sender are unanswered; wait for replies", count);

  g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

/* GDBus answers no call that wants no reply, and so nothing would tell when it is done: here every call wants
 * one, and those that were not asked for end in on_reply(). Takes @call. */
static GDBusMessage *
want_reply (Throttle *self, GDBusMessage *call, const char *sender)
{
  GDBusMessage *copy = g_dbus_message_copy (call, NULL);

  if (copy != NULL)
    {
      g_dbus_message_set_flags (copy,
                                g_dbus_message_get_flags (call) & ~G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_hash_table_add (self->unwanted, dup_key (g_dbus_message_get_serial (call), sender));
    }
  g_object_unref (call);
  return copy;
}

static GDBusMessage *
on_call (Throttle *self, GDBusConnection *connection, GDBusMessage *call)
{
  const char *sender = g_dbus_message_get_sender (call);
  gboolean wants_reply = (g_dbus_message_get_flags (call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0;
  guint count;

  if (sender == NULL)
    return call;
  count = get_count (self, sender);
  if (count >= get_limit (self))
    {
      if (wants_reply)
        refuse (connection, call, count);
      g_object_unref (call);
      return NULL;
    }
  if (!wants_reply)
    call = want_reply (self, call, sender);
  if (call != NULL)
    set_count (self, sender, count + 1);
  return call;
}

/* A refusal of ours was never counted, and is let through like any other reply to a call that was answered
 * already: there is none. */
static GDBusMessage *
on_reply (Throttle *self, GDBusMessage *reply)
{
  const char *receiver = g_dbus_message_get_destination (reply);
  g_autofree char *key = NULL;
  guint count;

  if (receiver == NULL
      || g_strcmp0 (g_dbus_message_get_error_name (reply), "org.freedesktop.DBus.Error.LimitsExceeded") == 0)
    return reply;
  count = get_count (self, receiver);
  if (count > 0)
    set_count (self, receiver, count - 1);
  key = dup_key (g_dbus_message_get_reply_serial (reply), receiver);
  if (g_hash_table_remove (self->unwanted, key))
    g_clear_object (&reply);
  return reply;
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  Throttle *self = user_data;

  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      return is_incoming ? on_call (self, connection, message) : message;
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
    case G_DBUS_MESSAGE_TYPE_ERROR:
      return is_incoming ? message : on_reply (self, message);
    case G_DBUS_MESSAGE_TYPE_SIGNAL:
    case G_DBUS_MESSAGE_TYPE_INVALID:
      return message;
    }
  return message;
}

void
agl_bus_throttle_attach (GDBusConnection *connection)
{
  Throttle *self = g_new0 (Throttle, 1);

  self->unanswered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->unwanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_dbus_connection_add_filter (connection, on_message, self, throttle_free);
}
