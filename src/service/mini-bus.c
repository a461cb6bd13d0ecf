/* SPDX-License-Identifier: MIT */
#include "service/mini-bus.h"

#include <string.h>
#include <unistd.h>

#include "common/names.h"
#include "common/text.h"
#include "service/match-rule.h"
#include "service/socket-door.h"

#define BUS_NAME       "org.freedesktop.DBus"
#define BUS_PATH       "/org/freedesktop/DBus"
#define BUS_ERROR      "org.freedesktop.DBus.Error."
#define BUS_MONITORING "org.freedesktop.DBus.Monitoring"

/* A program that shows everything there is to see needs five. Each is looked at for each signal. */
#define MAX_RULES      256
#define MAX_RULE_BYTES 1024

/* DBUS_START_REPLY_ALREADY_RUNNING, in the specification's StartServiceByName. */
#define ALREADY_RUNNING 2

/* Filters run in GDBus' thread, one at a time by its present ways; the lock holds whatever those are. */
typedef struct
{
  GMutex lock;
  char *unique_name; /* NULL: the peer has not said Hello */
  GPtrArray *rules;  /* of AglMatchRule */
  /* Set once, before the first message. */
  GDBusConnection *connection; /* owns this */
} MiniBus;

typedef struct
{
  const char *interface, *member, *arguments; /* arguments: a GVariant type */
  void (*answer) (MiniBus *self, GDBusMessage *call, GVariant *arguments);
} Method;

typedef enum
{
  NOBODY,
  SERVICE,
  PEER
} Owner;

static const char *const our_names[] = { AGL_MINI_BUS_OWN_NAME, AGL_BUS_NAME, NULL };

static void
mini_bus_free (gpointer data)
{
  MiniBus *self = data;

  g_ptr_array_unref (self->rules);
  g_free (self->unique_name);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Answers */

static void
send_as_bus (MiniBus *self, GDBusMessage *message)
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
static void
reply (MiniBus *self, GDBusMessage *call, GVariant *body)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_reply (call);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  send_as_bus (self, message);
}

static G_GNUC_PRINTF (4, 5) void refuse (
    MiniBus *self, GDBusMessage *call, const char *name, const char *format, ...)
{
  g_autoptr (GDBusMessage) message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_dbus_message_new_method_error_valist (call, name, format, arguments);
  va_end (arguments);
  send_as_bus (self, message);
}

static void
emit (MiniBus *self, const char *member, GVariant *body)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_signal (BUS_PATH, BUS_NAME, member);

  g_dbus_message_set_body (message, body);
  send_as_bus (self, message);
}

/* Names */

static Owner
owner_of (const MiniBus *self, const char *name)
{
  if (strcmp (name, BUS_NAME) == 0 || g_strv_contains (our_names, name))
    return SERVICE;
  return g_strcmp0 (name, self->unique_name) == 0 ? PEER : NOBODY;
}

static void
refuse_no_owner (MiniBus *self, GDBusMessage *call, const char *name)
{
  g_autofree char *shown = agl_text_escape (name, -1);

  refuse (self, call, BUS_ERROR "NameHasNoOwner",
          "The name “%s” has no owner: on a direct socket there is only %s", shown, AGL_BUS_NAME);
}

static void
hello (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  static gint n_names = 0; /* atomic */

  if (self->unique_name != NULL)
    {
      refuse (self, call, BUS_ERROR "Failed", "Hello has been said already");
      return;
    }
  self->unique_name = g_strdup_printf (":1.%u", (guint)g_atomic_int_add (&n_names, 1) + 1);
  reply (self, call, g_variant_new ("(s)", self->unique_name));
  emit (self, "NameAcquired", g_variant_new ("(s)", self->unique_name));
}

static void
get_name_owner (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  switch (owner_of (self, name))
    {
    case SERVICE:
      reply (self, call, g_variant_new ("(s)", strcmp (name, BUS_NAME) == 0 ? name : AGL_MINI_BUS_OWN_NAME));
      return;
    case PEER:
      reply (self, call, g_variant_new ("(s)", name));
      return;
    case NOBODY:
      refuse_no_owner (self, call, name);
      return;
    }
}

static void
name_has_owner (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  reply (self, call, g_variant_new ("(b)", owner_of (self, name) != NOBODY));
}

static void
list_names (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *names[] = { BUS_NAME, AGL_BUS_NAME, AGL_MINI_BUS_OWN_NAME, self->unique_name, NULL };

  reply (self, call, g_variant_new ("(^as)", names));
}

static void
list_activatable_names (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *names[] = { BUS_NAME, AGL_BUS_NAME, NULL };

  reply (self, call, g_variant_new ("(^as)", names));
}

static void
start_service_by_name (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;
  g_autofree char *shown = NULL;

  g_variant_get (arguments, "(&su)", &name, NULL);
  shown = agl_text_escape (name, -1);
  if (owner_of (self, name) == SERVICE)
    reply (self, call, g_variant_new ("(u)", ALREADY_RUNNING));
  else
    refuse (self, call, BUS_ERROR "ServiceUnknown", "There is no “%s” on a direct socket", shown);
}

static void
request_name (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  refuse (self, call, BUS_ERROR "AccessDenied", "Names cannot be owned on a direct socket");
}

static void
get_id (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  static char *id = NULL;

  if (g_once_init_enter (&id))
    g_once_init_leave (&id, g_dbus_generate_guid ());
  reply (self, call, g_variant_new ("(s)", id));
}

/* Who is who */

/* FALSE: refused. @pid: 0 when it cannot be told. */
static gboolean
look_up (MiniBus *self, GDBusMessage *call, GVariant *arguments, guint32 *uid, guint32 *pid)
{
  const AglPeer *peer = agl_socket_door_get_peer (self->connection);
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  *uid = geteuid ();
  *pid = (guint32)getpid ();
  switch (owner_of (self, name))
    {
    case SERVICE:
      return TRUE;
    case PEER:
      if (peer != NULL)
        {
          *uid = peer->uid;
          *pid = (guint32)peer->pid;
          return TRUE;
        }
      break;
    case NOBODY:
      break;
    }
  refuse_no_owner (self, call, name);
  return FALSE;
}

static void
get_connection_unix_user (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  guint32 uid, pid;

  if (look_up (self, call, arguments, &uid, &pid))
    reply (self, call, g_variant_new ("(u)", uid));
}

static void
get_connection_unix_process_id (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  guint32 uid, pid;

  if (!look_up (self, call, arguments, &uid, &pid))
    return;
  if (pid != 0)
    reply (self, call, g_variant_new ("(u)", pid));
  else
    refuse (self, call, BUS_ERROR "UnixProcessIdUnknown",
            "It is in a PID namespace that cannot be seen here");
}

static void
get_connection_credentials (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GVariantDict) credentials = g_variant_dict_new (NULL);
  guint32 uid, pid;

  if (!look_up (self, call, arguments, &uid, &pid))
    return;
  g_variant_dict_insert (credentials, "UnixUserID", "u", uid);
  if (pid != 0)
    g_variant_dict_insert (credentials, "ProcessID", "u", pid);
  reply (self, call, g_variant_new ("(@a{sv})", g_variant_dict_end (credentials)));
}

/* Match rules */

static AglMatchRule *
parse_rule (MiniBus *self, GDBusMessage *call, const char *text)
{
  g_autoptr (GError) error = NULL;
  AglMatchRule *rule;

  if (strlen (text) > MAX_RULE_BYTES)
    {
      refuse (self, call, BUS_ERROR "LimitsExceeded", "A match rule is at most %d bytes long",
              MAX_RULE_BYTES);
      return NULL;
    }
  rule = agl_match_rule_parse (text, &error);
  if (rule == NULL)
    refuse (self, call, BUS_ERROR "MatchRuleInvalid", "%s", error->message);
  return rule;
}

static void
add_match (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (AglMatchRule) rule = NULL;
  const char *text;

  g_variant_get (arguments, "(&s)", &text);
  rule = parse_rule (self, call, text);
  if (rule == NULL)
    return;
  if (self->rules->len >= MAX_RULES)
    {
      refuse (self, call, BUS_ERROR "LimitsExceeded", "A connection has at most %d match rules", MAX_RULES);
      return;
    }
  g_ptr_array_add (self->rules, g_steal_pointer (&rule));
  reply (self, call, NULL);
}

static void
remove_match (MiniBus *self, GDBusMessage *call, GVariant *arguments)
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
      reply (self, call, NULL);
      return;
    }
  refuse (self, call, BUS_ERROR "MatchRuleNotFound", "This connection has no such match rule");
}

/* What a monitor would see on a bus of one is what this peer is sent: its rules, replaced by the given ones.
 * Monitors wait until they have lost their name. */
static void
become_monitor (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_match_rule_free);
  g_autoptr (GVariantIter) texts = NULL;
  const char *text;
  guint32 flags;

  g_variant_get (arguments, "(asu)", &texts, &flags);
  if (self->unique_name == NULL || flags != 0 || g_variant_iter_n_children (texts) > MAX_RULES)
    {
      refuse (self, call, BUS_ERROR "InvalidArgs",
              "Expected a connection that has said Hello, at most %d match rules, and no flags", MAX_RULES);
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
  reply (self, call, NULL);
  emit (self, "NameLost", g_variant_new ("(s)", self->unique_name));
}

/* The rest of a bus's object */

static void
ping (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  reply (self, call, NULL);
}

static const char introspection[] =
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
    "<node>\n"
    " <interface name='org.freedesktop.DBus'>\n"
    "  <method name='Hello'><arg type='s' direction='out'/></method>\n"
    "  <method name='AddMatch'><arg type='s' direction='in'/></method>\n"
    "  <method name='RemoveMatch'><arg type='s' direction='in'/></method>\n"
    "  <method name='GetNameOwner'><arg type='s' direction='in'/><arg type='s' direction='out'/></method>\n"
    "  <method name='NameHasOwner'><arg type='s' direction='in'/><arg type='b' direction='out'/></method>\n"
    "  <method name='ListNames'><arg type='as' direction='out'/></method>\n"
    "  <method name='ListActivatableNames'><arg type='as' direction='out'/></method>\n"
    "  <method name='GetId'><arg type='s' direction='out'/></method>\n"
    "  <method name='GetConnectionCredentials'><arg type='s' direction='in'/>"
    "<arg type='a{sv}' direction='out'/></method>\n"
    "  <method name='GetConnectionUnixProcessID'><arg type='s' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='GetConnectionUnixUser'><arg type='s' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='StartServiceByName'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <method name='RequestName'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='out'/></method>\n"
    "  <property name='Features' type='as' access='read'/>\n"
    "  <property name='Interfaces' type='as' access='read'/>\n"
    "  <signal name='NameOwnerChanged'><arg type='s'/><arg type='s'/><arg type='s'/></signal>\n"
    "  <signal name='NameLost'><arg type='s'/></signal>\n"
    "  <signal name='NameAcquired'><arg type='s'/></signal>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Monitoring'>\n"
    "  <method name='BecomeMonitor'><arg type='as' direction='in'/><arg type='u' direction='in'/></method>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Introspectable'>\n"
    "  <method name='Introspect'><arg type='s' direction='out'/></method>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Peer'>\n"
    "  <method name='Ping'/>\n"
    " </interface>\n"
    " <interface name='org.freedesktop.DBus.Properties'>\n"
    "  <method name='Get'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='v' direction='out'/></method>\n"
    "  <method name='GetAll'><arg type='s' direction='in'/><arg type='a{sv}' direction='out'/></method>\n"
    " </interface>\n"
    "</node>\n";

static void
introspect (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *path = g_dbus_message_get_path (call);
  const char *xml = "<node/>\n";

  if (strcmp (path, BUS_PATH) == 0)
    xml = introspection;
  else if (strcmp (path, "/") == 0)
    xml = "<node><node name='org/freedesktop/DBus'/></node>\n";
  reply (self, call, g_variant_new ("(s)", xml));
}

static GVariant *
get_property_value (const char *name)
{
  static const char *const interfaces[] = { BUS_MONITORING, NULL };

  if (strcmp (name, "Features") == 0)
    return g_variant_new_strv (NULL, 0);
  if (strcmp (name, "Interfaces") == 0)
    return g_variant_new_strv (interfaces, -1);
  return NULL;
}

static void
get_property (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *interface, *name;
  GVariant *value;

  g_variant_get (arguments, "(&s&s)", &interface, &name);
  value = strcmp (interface, BUS_NAME) == 0 ? get_property_value (name) : NULL;
  if (value != NULL)
    reply (self, call, g_variant_new ("(v)", value));
  else
    refuse (self, call, BUS_ERROR "UnknownProperty", "There is no such property");
}

static void
get_all_properties (MiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GVariantDict) values = g_variant_dict_new (NULL);
  const char *interface;

  g_variant_get (arguments, "(&s)", &interface);
  if (strcmp (interface, BUS_NAME) == 0)
    {
      g_variant_dict_insert_value (values, "Features", get_property_value ("Features"));
      g_variant_dict_insert_value (values, "Interfaces", get_property_value ("Interfaces"));
    }
  reply (self, call, g_variant_new ("(@a{sv})", g_variant_dict_end (values)));
}

static const Method methods[] = {
  { BUS_NAME, "Hello", "()", hello },
  { BUS_NAME, "AddMatch", "(s)", add_match },
  { BUS_NAME, "RemoveMatch", "(s)", remove_match },
  { BUS_NAME, "GetNameOwner", "(s)", get_name_owner },
  { BUS_NAME, "NameHasOwner", "(s)", name_has_owner },
  { BUS_NAME, "ListNames", "()", list_names },
  { BUS_NAME, "ListActivatableNames", "()", list_activatable_names },
  { BUS_NAME, "GetId", "()", get_id },
  { BUS_NAME, "GetConnectionCredentials", "(s)", get_connection_credentials },
  { BUS_NAME, "GetConnectionUnixProcessID", "(s)", get_connection_unix_process_id },
  { BUS_NAME, "GetConnectionUnixUser", "(s)", get_connection_unix_user },
  { BUS_NAME, "StartServiceByName", "(su)", start_service_by_name },
  { BUS_NAME, "RequestName", "(su)", request_name },
  { BUS_MONITORING, "BecomeMonitor", "(asu)", become_monitor },
  { "org.freedesktop.DBus.Introspectable", "Introspect", "()", introspect },
  { "org.freedesktop.DBus.Peer", "Ping", "()", ping },
  { "org.freedesktop.DBus.Properties", "Get", "(ss)", get_property },
  { "org.freedesktop.DBus.Properties", "GetAll", "(s)", get_all_properties },
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
answer (MiniBus *self, GDBusMessage *call)
{
  const char *member = g_dbus_message_get_member (call);
  const Method *method = find_method (g_dbus_message_get_interface (call), member);
  GVariant *body = g_dbus_message_get_body (call);
  g_autoptr (GVariant) arguments = g_variant_ref_sink (body != NULL ? body : g_variant_new_tuple (NULL, 0));
  g_autofree char *shown = agl_text_escape (member, -1);

  if (method == NULL)
    refuse (self, call, BUS_ERROR "UnknownMethod", "%s has no method “%s” on a direct socket", BUS_NAME,
            shown);
  else if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE (method->arguments)))
    refuse (self, call, BUS_ERROR "InvalidArgs", "“%s” takes arguments of the types %s", shown,
            method->arguments);
  else
    method->answer (self, call, arguments);
}

/* The way of a message */

/* TRUE when it was answered here. */
static gboolean
take_incoming (MiniBus *self, GDBusMessage *message)
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
  refuse (self, message, BUS_ERROR "ServiceUnknown", "There is no “%s” on a direct socket, only %s", shown,
          AGL_BUS_NAME);
  return TRUE;
}

static gboolean
is_wanted (const MiniBus *self, GDBusMessage *message)
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

/* @message: (transfer full). NULL: not for this peer. */
static GDBusMessage *
address_outgoing (const MiniBus *self, GDBusMessage *message)
{
  GDBusMessage *addressed;

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
  g_dbus_message_set_sender (addressed, AGL_MINI_BUS_OWN_NAME);
  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_SIGNAL)
    g_dbus_message_set_destination (addressed, self->unique_name);
  g_object_unref (message);
  return addressed;
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  MiniBus *self = user_data;

  g_mutex_lock (&self->lock);
  if (!is_incoming)
    message = address_outgoing (self, message);
  else if (take_incoming (self, message))
    g_clear_object (&message);
  g_mutex_unlock (&self->lock);
  return message;
}

void
agl_mini_bus_attach (GDBusConnection *connection)
{
  MiniBus *self = g_new0 (MiniBus, 1);

  g_mutex_init (&self->lock);
  self->rules = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_match_rule_free);
  self->connection = connection;
  g_dbus_connection_add_filter (connection, on_message, self, mini_bus_free);
}
