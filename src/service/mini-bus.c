/* SPDX-License-Identifier: MIT */
#include "service/mini-bus.h"

#include <string.h>

#include "common/names.h"
#include "common/text.h"
#include "service/match-rule.h"
#include "service/message-news.h"
#include "service/mini-bus-private.h"
#include "service/peer-stream.h"

/* A program that shows everything there is to see needs five. Each is looked at for each signal. */
#define MAX_RULES      256
#define MAX_RULE_BYTES 1024

typedef struct
{
  const char *interface, *member, *arguments; /* arguments: a GVariant type */
  void (*answer) (AglMiniBus *self, GDBusMessage *call, GVariant *arguments);
} Method;

/* A bus client says Hello at once and takes nothing else before the answer (sd-bus ends the connection); a
 * peer may listen without ever speaking. Who is silent for longer than this, or while so much happens, is
 * taken for such a peer. */
#define SILENCE_USEC (250 * G_TIME_SPAN_MILLISECOND)
#define MAX_HELD     500

/* On a message of ours that stands for the first one that is held back, wherever that has got to by then. */
#define KEY_STANDS_IN "agl-stands-in"

static const char *const our_names[] = { AGL_MINI_BUS_OWN_NAME, AGL_BUS_NAME, NULL };

static void
mini_bus_free (gpointer data)
{
  AglMiniBus *self = data;

  g_queue_clear_full (&self->held, g_object_unref);
  g_ptr_array_unref (self->rules);
  g_free (self->unique_name);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Answers */

static void
send_as_bus (AglMiniBus *self, GDBusMessage *message)
{
  g_autoptr (GError) error = NULL;

  g_dbus_message_set_sender (message, BUS_NAME);
  if (self->unique_name != NULL)
    g_dbus_message_set_destination (message, self->unique_name);
  if (!g_dbus_connection_send_message (self->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       &error))
    g_debug ("Direct socket: a reply is not sent: %s", error->message);
}

/* @body: floating, or NULL. */
void
agl_mini_bus_reply (AglMiniBus *self, GDBusMessage *call, GVariant *body)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_reply (call);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  send_as_bus (self, message);
}

void
agl_mini_bus_refuse (AglMiniBus *self, GDBusMessage *call, const char *name, const char *format, ...)
{
  g_autoptr (GDBusMessage) message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_dbus_message_new_method_error_valist (call, name, format, arguments);
  va_end (arguments);
  send_as_bus (self, message);
}

void
agl_mini_bus_emit (AglMiniBus *self, const char *member, GVariant *body)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_signal (BUS_PATH, BUS_NAME, member);

  g_dbus_message_set_body (message, body);
  send_as_bus (self, message);
}

/* Match rules */

static AglMatchRule *
parse_rule (AglMiniBus *self, GDBusMessage *call, const char *text)
{
  g_autoptr (GError) error = NULL;
  AglMatchRule *rule;

  if (strlen (text) > MAX_RULE_BYTES)
    {
      agl_mini_bus_refuse (self, call, BUS_ERROR "LimitsExceeded", "A match rule is at most %d bytes long",
                           MAX_RULE_BYTES);
      return NULL;
    }
  rule = agl_match_rule_parse (text, &error);
  if (rule == NULL)
    agl_mini_bus_refuse (self, call, BUS_ERROR "MatchRuleInvalid", "%s", error->message);
  return rule;
}

static void
add_match (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (AglMatchRule) rule = NULL;
  const char *text;

  g_variant_get (arguments, "(&s)", &text);
  rule = parse_rule (self, call, text);
  if (rule == NULL)
    return;
  if (self->rules->len >= MAX_RULES)
    {
      agl_mini_bus_refuse (self, call, BUS_ERROR "LimitsExceeded", "A connection has at most %d match rules",
                           MAX_RULES);
      return;
    }
  g_ptr_array_add (self->rules, g_steal_pointer (&rule));
  agl_mini_bus_reply (self, call, NULL);
}

static void
remove_match (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (AglMatchRule) rule = NULL;
  const char *text;

  g_variant_get (arguments, "(&s)", &text);
  rule = parse_rule (self, call, text);
  if (rule == NULL)
    return;
  for (guint i = 0; i < self->rules->len; i++)
    {
      if (!agl_match_rule_equal (self->rules->pdata[i], rule))
        continue;
      g_ptr_array_remove_index (self->rules, i);
      agl_mini_bus_reply (self, call, NULL);
      return;
    }
  agl_mini_bus_refuse (self, call, BUS_ERROR "MatchRuleNotFound", "This connection has no such match rule");
}

/* What a monitor would see on a bus of one is what this peer is sent: its rules, replaced by the given ones.
 * Monitors wait until they have lost their name. */
static void
become_monitor (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_match_rule_free);
  g_autoptr (GVariantIter) texts = NULL;
  const char *text;
  guint32 flags;

  g_variant_get (arguments, "(asu)", &texts, &flags);
  if (self->unique_name == NULL || flags != 0 || g_variant_iter_n_children (texts) > MAX_RULES)
    {
      agl_mini_bus_refuse (self, call, BUS_ERROR "InvalidArgs",
                           "Expected a connection that has said Hello, at most %d match rules, and no flags",
                           MAX_RULES);
      return;
    }
  while (g_variant_iter_next (texts, "&s", &text))
    {
      AglMatchRule *rule = parse_rule (self, call, text);

      if (rule == NULL)
        return;
      g_ptr_array_add (rules, rule);
    }
  if (rules->len == 0)
    g_ptr_array_add (rules, agl_match_rule_parse ("", NULL));

  g_ptr_array_unref (self->rules);
  self->rules = g_steal_pointer (&rules);
  agl_mini_bus_reply (self, call, NULL);
  agl_mini_bus_emit (self, "NameLost", g_variant_new ("(s)", self->unique_name));
}

static const Method methods[] = {
  { BUS_NAME, "Hello", "()", agl_mini_bus_hello },
  { BUS_NAME, "AddMatch", "(s)", add_match },
  { BUS_NAME, "RemoveMatch", "(s)", remove_match },
  { BUS_NAME, "GetNameOwner", "(s)", agl_mini_bus_get_name_owner },
  { BUS_NAME, "NameHasOwner", "(s)", agl_mini_bus_name_has_owner },
  { BUS_NAME, "ListNames", "()", agl_mini_bus_list_names },
  { BUS_NAME, "ListActivatableNames", "()", agl_mini_bus_list_activatable_names },
  { BUS_NAME, "GetId", "()", agl_mini_bus_get_id },
  { BUS_NAME, "GetConnectionCredentials", "(s)", agl_mini_bus_get_connection_credentials },
  { BUS_NAME, "GetConnectionUnixProcessID", "(s)", agl_mini_bus_get_connection_unix_process_id },
  { BUS_NAME, "GetConnectionUnixUser", "(s)", agl_mini_bus_get_connection_unix_user },
  { BUS_NAME, "StartServiceByName", "(su)", agl_mini_bus_start_service_by_name },
  { BUS_NAME, "RequestName", "(su)", agl_mini_bus_request_name },
  { BUS_MONITORING, "BecomeMonitor", "(asu)", become_monitor },
  { "org.freedesktop.DBus.Introspectable", "Introspect", "()", agl_mini_bus_introspect },
  { "org.freedesktop.DBus.Peer", "Ping", "()", agl_mini_bus_ping },
  { "org.freedesktop.DBus.Properties", "Get", "(ss)", agl_mini_bus_get_property },
  { "org.freedesktop.DBus.Properties", "GetAll", "(s)", agl_mini_bus_get_all_properties },
};

/* A call may leave its interface out (D-Bus specification, "Message Types"). */
static const Method *
find_method (const char *interface, const char *member)
{
  for (gsize i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      if (strcmp (member, methods[i].member) == 0
          && (interface == NULL || strcmp (interface, methods[i].interface) == 0))
        return &methods[i];
    }
  return NULL;
}

static void
answer (AglMiniBus *self, GDBusMessage *call)
{
  const char *member = g_dbus_message_get_member (call);
  const Method *method = find_method (g_dbus_message_get_interface (call), member);
  GVariant *body = g_dbus_message_get_body (call);
  g_autoptr (GVariant) arguments = g_variant_ref_sink (body != NULL ? body : g_variant_new_tuple (NULL, 0));
  g_autofree char *shown = agl_text_escape (member, -1);

  if (method == NULL)
    agl_mini_bus_refuse (self, call, BUS_ERROR "UnknownMethod", "%s has no method “%s” on a direct socket",
                         BUS_NAME, shown);
  else if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE (method->arguments)))
    agl_mini_bus_refuse (self, call, BUS_ERROR "InvalidArgs", "“%s” takes arguments of the types %s", shown,
                         method->arguments);
  else
    method->answer (self, call, arguments);
}

/* The way of a message */

/* TRUE when it was answered here. */
static gboolean
take_incoming (AglMiniBus *self, GDBusMessage *message)
{
  const char *destination = g_dbus_message_get_destination (message);
  g_autofree char *shown = NULL;

  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return FALSE;
  if (destination == NULL && g_strcmp0 (g_dbus_message_get_interface (message), BUS_NAME) != 0)
    return FALSE;
  if (destination == NULL || strcmp (destination, BUS_NAME) == 0)
    {
      answer (self, message);
      return TRUE;
    }
  if (g_strv_contains (our_names, destination))
    return FALSE;

  shown = agl_text_escape (destination, -1);
  agl_mini_bus_refuse (self, message, BUS_ERROR "ServiceUnknown",
                       "There is no “%s” on a direct socket, only %s", shown, AGL_BUS_NAME);
  return TRUE;
}

static gboolean
is_wanted (const AglMiniBus *self, GDBusMessage *message)
{
  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_SIGNAL
      || g_dbus_message_get_destination (message) != NULL)
    return TRUE;
  for (guint i = 0; i < self->rules->len; i++)
    {
      if (agl_match_rule_matches (self->rules->pdata[i], message, our_names))
        return TRUE;
    }
  return FALSE;
}

/* Silence */

/* What is held back has left GDBus' queue, and only in the place of another message can it be sent. */
static void
send_stand_ins (GDBusConnection *connection, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GDBusMessage) message = g_dbus_message_new_signal (BUS_PATH, BUS_NAME, "StandIn");

      g_object_set_data (G_OBJECT (message), KEY_STANDS_IN, message);
      if (!g_dbus_connection_send_message (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL))
        return;
    }
}

/* In the main thread. */
static gboolean
on_silence_over (gpointer user_data)
{
  AglMiniBus *self = user_data;
  guint n_held;

  g_mutex_lock (&self->lock);
  n_held = self->held.length;
  g_mutex_unlock (&self->lock);
  send_stand_ins (self->connection, n_held);
  return G_SOURCE_REMOVE;
}

/* The connection keeps @user_data. */
static void
let_go_of_connection (gpointer user_data)
{
  g_object_unref (((AglMiniBus *)user_data)->connection);
}

/* It has spoken, or that is assumed. */
static void
end_silence (AglMiniBus *self)
{
  self->has_spoken = TRUE;
  send_stand_ins (self->connection, self->held.length);
}

static gboolean
is_stand_in (GDBusMessage *message)
{
  return g_object_get_data (G_OBJECT (message), KEY_STANDS_IN) != NULL;
}

/* @signal: (transfer full). Returns the one whose turn it is, which is this one where none is held back, or
 * NULL. Their order stays. */
static GDBusMessage *
take_turn (AglMiniBus *self, GDBusMessage *signal)
{
  gint64 left_usec = self->has_spoken ? 0 : self->attached_usec + SILENCE_USEC - g_get_monotonic_time ();

  if (is_stand_in (signal))
    g_object_unref (signal);
  else
    g_queue_push_tail (&self->held, signal);
  if (left_usec <= 0)
    return g_queue_pop_head (&self->held);
  if (self->held.length == 1)
    {
      g_object_ref (self->connection);
      g_timeout_add_full (G_PRIORITY_DEFAULT, (guint)(left_usec / 1000) + 1, on_silence_over, self,
                          let_go_of_connection);
    }
  else if (self->held.length > MAX_HELD)
    end_silence (self);
  return NULL;
}

/* @message: (transfer full). NULL: not for this peer. */
static GDBusMessage *
address_outgoing (AglMiniBus *self, GDBusMessage *message)
{
  GDBusMessage *addressed;

  if (self->unique_name == NULL && g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_SIGNAL)
    message = take_turn (self, message);
  else if (is_stand_in (message))
    g_clear_object (&message);
  if (message == NULL)
    return NULL;
  /* What we said as the bus has its sender already. */
  if (self->unique_name == NULL || g_dbus_message_get_sender (message) != NULL)
    return message;

  if (!is_wanted (self, message))
    {
      g_object_unref (message);
      return NULL;
    }
  /* GDBus has locked it. A copy fails only for want of descriptors, and we send none. */
  addressed = g_dbus_message_copy (message, NULL);
  if (addressed == NULL)
    return message;
  agl_message_move_news (message, addressed);
  g_dbus_message_set_sender (addressed, AGL_MINI_BUS_OWN_NAME);
  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_SIGNAL)
    g_dbus_message_set_destination (addressed, self->unique_name);
  g_object_unref (message);
  return addressed;
}

/* A message bus lets nothing else pass. GDBus sees to it that a call has these fields, but not of which type
 * they are or what is in them, and takes it for granted later: it would be the end of the service
 * (GLib 2.74). */
static gboolean
is_sound (GDBusMessage *message)
{
  const char *sender = g_dbus_message_get_sender (message);

  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return TRUE;
  return g_dbus_message_get_path (message) != NULL && g_dbus_message_get_member (message) != NULL
         && (sender == NULL || g_dbus_is_name (sender));
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  AglMiniBus *self = user_data;

  if (is_incoming && !is_sound (message))
    {
      agl_peer_stream_abort (AGL_PEER_STREAM (g_dbus_connection_get_stream (connection)));
      g_object_unref (message);
      return NULL;
    }
  g_mutex_lock (&self->lock);
  if (!is_incoming)
    message = address_outgoing (self, message);
  else
    {
      gboolean was_silent = !self->has_spoken;

      if (take_incoming (self, message))
        g_clear_object (&message);
      /* Who is on a bus has missed what was before his Hello. */
      if (self->unique_name != NULL)
        g_queue_clear_full (&self->held, g_object_unref);
      if (was_silent)
        end_silence (self);
    }
  g_mutex_unlock (&self->lock);
  return message;
}

void
agl_mini_bus_attach (GDBusConnection *connection)
{
  AglMiniBus *self = g_new0 (AglMiniBus, 1);

  g_mutex_init (&self->lock);
  self->rules = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_match_rule_free);
  self->connection = connection;
  self->attached_usec = g_get_monotonic_time ();
  g_dbus_connection_add_filter (connection, on_message, self, mini_bus_free);
}
