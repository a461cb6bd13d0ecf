/* SPDX-License-Identifier: MIT */
#include "service/mini-bus.h"

#include "door-fixture.h"

#define BUS      "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define BUS_FLAG G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION

static const AglDoorPolicy ample = { .everybody = TRUE, .max_connections_per_user = 100 };

static void
set_up (Fixture **f, gconstpointer data)
{
  *f = fixture_new (&ample);
  (*f)->mini_bus = TRUE;
}

static void
tear_down (Fixture **f, gconstpointer data)
{
  fixture_free (*f);
}

/* Fails with @dbus_error, or (NULL) succeeds. */
static GVariant *
bus_call_full (GDBusConnection *client,
               const char *interface,
               const char *method,
               GVariant *arguments,
               const char *dbus_error)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;
  GVariant *answer = client_call_full (client, BUS, BUS_PATH, interface, method, arguments, NULL, &error);

  if (dbus_error == NULL)
    {
      g_assert_no_error (error);
      return answer;
    }
  g_assert_null (answer);
  g_assert_nonnull (error);
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, dbus_error);
  return NULL;
}

static GVariant *
bus_call (GDBusConnection *client, const char *method, GVariant *arguments)
{
  return bus_call_full (client, BUS, method, arguments, NULL);
}

static void
bus_refuses (GDBusConnection *client, const char *method, GVariant *arguments, const char *dbus_error)
{
  g_test_message ("%s", method);
  g_assert_null (bus_call_full (client, BUS, method, arguments, dbus_error));
}

/* Takes @answer; compares with GVariant text. */
static void
assert_answer (GVariant *answer, const char *expected)
{
  g_autofree char *text = g_variant_print (answer, FALSE);

  g_assert_cmpstr (text, ==, expected);
  g_variant_unref (answer);
}

static void
test_hello (Fixture **f, gconstpointer data)
{
  GDBusConnection *first = client_new (*f, BUS_FLAG), *second = client_new (*f, BUS_FLAG);
  const char *first_name = g_dbus_connection_get_unique_name (first);
  const char *second_name = g_dbus_connection_get_unique_name (second);

  g_assert_true (g_dbus_is_unique_name (first_name));
  g_assert_true (g_dbus_is_unique_name (second_name));
  g_assert_true (g_str_has_prefix (first_name, ":1."));
  g_assert_cmpstr (first_name, !=, second_name);
  g_assert_cmpstr (first_name, !=, AGL_MINI_BUS_OWN_NAME);
  bus_refuses (first, "Hello", NULL, BUS ".Error.Failed");
  client_assert_echo (first, AGL_BUS_NAME);
  client_assert_echo (first, AGL_MINI_BUS_OWN_NAME);
  client_assert_echo (first, NULL);
  client_assert_echo (second, AGL_BUS_NAME);
  client_close (first);
  client_close (second);
}

static void
test_names (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  const char *own = g_dbus_connection_get_unique_name (client);
  static const char *const ours[] = { BUS, AGL_BUS_NAME, AGL_MINI_BUS_OWN_NAME };
  static const char *const nobodys[] = { "org.example.Other", ":1.999999", ":2.0", "", "no name at all" };
  g_autofree char *names = g_strdup_printf ("(['" BUS "', '" AGL_BUS_NAME "', ':1.0', '%s'],)", own);
  g_autofree char *own_answer = g_strdup_printf ("('%s',)", own);

  assert_answer (bus_call (client, "ListNames", NULL), names);
  assert_answer (bus_call (client, "ListActivatableNames", NULL), "(['" BUS "', '" AGL_BUS_NAME "'],)");
  assert_answer (bus_call (client, "GetNameOwner", g_variant_new ("(s)", BUS)), "('" BUS "',)");
  assert_answer (bus_call (client, "GetNameOwner", g_variant_new ("(s)", AGL_BUS_NAME)), "(':1.0',)");
  assert_answer (bus_call (client, "GetNameOwner", g_variant_new ("(s)", ":1.0")), "(':1.0',)");
  assert_answer (bus_call (client, "GetNameOwner", g_variant_new ("(s)", own)), own_answer);
  for (gsize i = 0; i < G_N_ELEMENTS (ours); i++)
    {
      assert_answer (bus_call (client, "NameHasOwner", g_variant_new ("(s)", ours[i])), "(true,)");
      assert_answer (bus_call (client, "StartServiceByName", g_variant_new ("(su)", ours[i], 0)), "(2,)");
      bus_refuses (client, "RequestName", g_variant_new ("(su)", ours[i], 0), BUS ".Error.AccessDenied");
    }
  for (gsize i = 0; i < G_N_ELEMENTS (nobodys); i++)
    {
      assert_answer (bus_call (client, "NameHasOwner", g_variant_new ("(s)", nobodys[i])), "(false,)");
      bus_refuses (client, "GetNameOwner", g_variant_new ("(s)", nobodys[i]), BUS ".Error.NameHasNoOwner");
      bus_refuses (client, "StartServiceByName", g_variant_new ("(su)", nobodys[i], 0),
                   BUS ".Error.ServiceUnknown");
      bus_refuses (client, "GetConnectionCredentials", g_variant_new ("(s)", nobodys[i]),
                   BUS ".Error.NameHasNoOwner");
      bus_refuses (client, "RequestName", g_variant_new ("(su)", nobodys[i], 0), BUS ".Error.AccessDenied");
    }
  client_close (client);
}

static void
test_credentials (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  const char *names[] = { g_dbus_connection_get_unique_name (client), AGL_BUS_NAME, ":1.0", BUS };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GVariant) answer =
          bus_call (client, "GetConnectionCredentials", g_variant_new ("(s)", names[i]));
      g_autoptr (GVariant) credentials = g_variant_get_child_value (answer, 0);
      g_autofree char *pid_text = g_strdup_printf ("(%u,)", (guint)getpid ());
      g_autofree char *uid_text = g_strdup_printf ("(%u,)", (guint)geteuid ());
      guint32 uid = 99, pid = 99;

      g_assert_true (g_variant_lookup (credentials, "UnixUserID", "u", &uid));
      g_assert_true (g_variant_lookup (credentials, "ProcessID", "u", &pid));
      g_assert_cmpuint (uid, ==, geteuid ());
      g_assert_cmpuint (pid, ==, getpid ());
      assert_answer (bus_call (client, "GetConnectionUnixUser", g_variant_new ("(s)", names[i])), uid_text);
      assert_answer (bus_call (client, "GetConnectionUnixProcessID", g_variant_new ("(s)", names[i])),
                     pid_text);
    }
  client_close (client);
}

/* There is nobody else on this bus. */
static void
test_no_way_to_others (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG), *other = client_new (*f, BUS_FLAG);
  const char *other_name = g_dbus_connection_get_unique_name (other);
  const char *destinations[] = { other_name, g_dbus_connection_get_unique_name (client),
                                 "org.example.Other" };

  for (gsize i = 0; i < G_N_ELEMENTS (destinations); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *name = NULL;
      g_autoptr (GVariant) answer = client_call_full (client, destinations[i], AGL_OBJECT_PATH, AGL_INTERFACE,
                                                      "Echo", g_variant_new ("(s)", "hello"), NULL, &error);

      g_assert_null (answer);
      g_assert_nonnull (error);
      name = g_dbus_error_get_remote_error (error);
      g_assert_cmpstr (name, ==, BUS ".Error.ServiceUnknown");
    }
  g_assert_cmpuint ((*f)->n_calls, ==, 0);
  bus_refuses (client, "GetNameOwner", g_variant_new ("(s)", other_name), BUS ".Error.NameHasNoOwner");
  bus_refuses (client, "GetConnectionCredentials", g_variant_new ("(s)", other_name),
               BUS ".Error.NameHasNoOwner");
  client_close (client);
  client_close (other);
}

static void
test_refusals (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);

  bus_refuses (client, "Nothing", NULL, BUS ".Error.UnknownMethod");
  bus_refuses (client, "UpdateActivationEnvironment", NULL, BUS ".Error.UnknownMethod");
  bus_refuses (client, "GetNameOwner", NULL, BUS ".Error.InvalidArgs");
  bus_refuses (client, "GetNameOwner", g_variant_new ("(u)", 1), BUS ".Error.InvalidArgs");
  bus_refuses (client, "ListNames", g_variant_new ("(s)", "x"), BUS ".Error.InvalidArgs");
  g_assert_null (bus_call_full (client, "org.example.Other", "Hello", NULL, BUS ".Error.UnknownMethod"));
  g_assert_null (
      bus_call_full (client, AGL_INTERFACE, "Echo", g_variant_new ("(s)", "x"), BUS ".Error.UnknownMethod"));
  client_assert_echo (client, AGL_BUS_NAME);
  client_close (client);
}

/* What is sent as a bus would send it. */

static GDBusMessage *
get_reply (GDBusConnection *client, const char *destination, const char *path, const char *method)
{
  g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (
      destination, path, g_str_equal (path, BUS_PATH) ? BUS : AGL_INTERFACE, method);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GDBusMessage *reply;

  if (g_str_equal (method, "Echo"))
    g_dbus_message_set_body (call, g_variant_new ("(s)", "hello"));
  g_dbus_connection_send_message_with_reply (client, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT, NULL,
                                             NULL, on_result, &result);
  WAIT_UNTIL (result != NULL);
  reply = g_dbus_connection_send_message_with_reply_finish (client, result, &error);
  g_assert_no_error (error);
  return reply;
}

static void
test_addresses (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG), *peer = client_new (*f, G_DBUS_CONNECTION_FLAGS_NONE);
  const char *own = g_dbus_connection_get_unique_name (client);
  g_autoptr (GDBusMessage) echo = get_reply (client, AGL_BUS_NAME, AGL_OBJECT_PATH, "Echo");
  g_autoptr (GDBusMessage) failure = get_reply (client, AGL_BUS_NAME, AGL_OBJECT_PATH, "Nothing");
  g_autoptr (GDBusMessage) id = get_reply (client, BUS, BUS_PATH, "GetId");
  g_autoptr (GDBusMessage) plain = get_reply (peer, NULL, AGL_OBJECT_PATH, "Echo");

  g_assert_cmpstr (g_dbus_message_get_sender (echo), ==, ":1.0");
  g_assert_cmpstr (g_dbus_message_get_destination (echo), ==, own);
  g_assert_cmpint (g_dbus_message_get_message_type (failure), ==, G_DBUS_MESSAGE_TYPE_ERROR);
  g_assert_cmpstr (g_dbus_message_get_sender (failure), ==, ":1.0");
  g_assert_cmpstr (g_dbus_message_get_destination (failure), ==, own);
  g_assert_cmpstr (g_dbus_message_get_sender (id), ==, BUS);
  g_assert_cmpstr (g_dbus_message_get_destination (id), ==, own);
  g_assert_cmpstr (g_dbus_message_get_sender (plain), ==, NULL);
  g_assert_cmpstr (g_dbus_message_get_destination (plain), ==, NULL);
  client_close (client);
  client_close (peer);
}

/* Signals */

typedef struct
{
  GMutex lock;
  GPtrArray *texts; /* "interface.member sender text" */
} Ears;

static GDBusMessage *
on_heard (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  Ears *ears = user_data;
  GVariant *body = g_dbus_message_get_body (message);
  const char *text = "";

  if (!is_incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_SIGNAL)
    return message;
  if (body != NULL && g_variant_is_of_type (body, G_VARIANT_TYPE ("(s)")))
    g_variant_get (body, "(&s)", &text);
  g_mutex_lock (&ears->lock);
  g_ptr_array_add (ears->texts, g_strdup_printf ("%s.%s %s %s", g_dbus_message_get_interface (message),
                                                 g_dbus_message_get_member (message),
                                                 g_dbus_message_get_sender (message), text));
  g_mutex_unlock (&ears->lock);
  return message;
}

static Ears *
listen_to (GDBusConnection *client)
{
  Ears *ears = g_new0 (Ears, 1);

  g_mutex_init (&ears->lock);
  ears->texts = g_ptr_array_new_with_free_func (g_free);
  g_dbus_connection_add_filter (client, on_heard, ears, NULL);
  return ears;
}

/* All that was heard since the last time, joined; what comes before the reply to a call has come by then. */
static char *
heard (Ears *ears, GDBusConnection *client)
{
  char *all;

  client_assert_echo (client, NULL);
  g_mutex_lock (&ears->lock);
  g_ptr_array_add (ears->texts, NULL);
  all = g_strjoinv (", ", (char **)ears->texts->pdata);
  g_ptr_array_set_size (ears->texts, 0);
  g_mutex_unlock (&ears->lock);
  return all;
}

/* NameAcquired. */
static void
forget_heard (Ears *ears, GDBusConnection *client)
{
  g_free (heard (ears, client));
}

static void
ears_free (Ears *ears)
{
  g_ptr_array_unref (ears->texts);
  g_mutex_clear (&ears->lock);
  g_free (ears);
}

static void
ping_and_assert (Fixture *f, GDBusConnection *client, Ears *ears, const char *expected)
{
  g_autofree char *all = NULL;

  fixture_ping (f, "Ping", "1");
  fixture_ping (f, "Pong", "2");
  all = heard (ears, client);
  g_assert_cmpstr (all, ==, expected);
}

#define PING "org.agentctl.Locks.Ping :1.0 1"
#define PONG "org.agentctl.Locks.Pong :1.0 2"

static void
test_signals (Fixture **f, gconstpointer data)
{
  static const char ping[] = "type='signal',sender='org.agentctl.Locks',member='Ping'";
  static const char ping_otherwise[] = "member='Ping',sender='org.agentctl.Locks',type='signal'";
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  Ears *ears = listen_to (client);

  forget_heard (ears, client);
  ping_and_assert (*f, client, ears, "");
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", ping)), "()");
  ping_and_assert (*f, client, ears, PING);
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", ping)), "()");
  ping_and_assert (*f, client, ears, PING);
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", "sender=':1.0'")), "()");
  ping_and_assert (*f, client, ears, PING ", " PONG);
  assert_answer (bus_call (client, "RemoveMatch", g_variant_new ("(s)", "sender=':1.0'")), "()");
  assert_answer (bus_call (client, "RemoveMatch", g_variant_new ("(s)", ping_otherwise)), "()");
  ping_and_assert (*f, client, ears, PING);
  assert_answer (bus_call (client, "RemoveMatch", g_variant_new ("(s)", ping)), "()");
  ping_and_assert (*f, client, ears, "");
  bus_refuses (client, "RemoveMatch", g_variant_new ("(s)", ping), BUS ".Error.MatchRuleNotFound");
  client_close (client);
  ears_free (ears);
}

/* One's rules are one's own. */
static void
test_signals_of_others (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG), *other = client_new (*f, BUS_FLAG);
  GDBusConnection *peer = client_new (*f, G_DBUS_CONNECTION_FLAGS_NONE);
  Ears *ears = listen_to (client), *peer_ears = listen_to (peer);
  g_autofree char *others =
      g_strdup_printf ("eavesdrop='true',destination='%s'", g_dbus_connection_get_unique_name (other));
  g_autofree char *heard_by_peer = NULL;

  forget_heard (ears, client);
  assert_answer (bus_call (other, "AddMatch", g_variant_new ("(s)", "type='signal'")), "()");
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", others)), "()");
  client_assert_echo (other, AGL_BUS_NAME);
  client_assert_echo (peer, NULL); /* a word of it, and no Hello */
  forget_heard (peer_ears, peer);
  ping_and_assert (*f, client, ears, "");
  /* Who never said Hello gets everything, as one always did without a bus. */
  heard_by_peer = heard (peer_ears, peer);
  g_assert_cmpstr (heard_by_peer, ==, "org.agentctl.Locks.Ping (null) 1, org.agentctl.Locks.Pong (null) 2");
  client_close (client);
  client_close (other);
  client_close (peer);
  ears_free (ears);
  ears_free (peer_ears);
}

static void
on_signal (GDBusConnection *connection,
           const char *sender,
           const char *path,
           const char *interface,
           const char *signal,
           GVariant *arguments,
           gpointer user_data)
{
  guint *n = user_data;

  g_assert_cmpstr (sender, ==, ":1.0");
  (*n)++;
}

/* GDBus' own way, by the well-known name, whose owner it looks up. */
static void
test_subscription (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  guint n_pings = 0, id;

  id = g_dbus_connection_signal_subscribe (client, AGL_BUS_NAME, AGL_INTERFACE, "Ping", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &n_pings, NULL);
  client_assert_echo (client, AGL_BUS_NAME);
  fixture_ping (*f, "Ping", "1");
  fixture_ping (*f, "Pong", "2");
  WAIT_UNTIL (n_pings == 1);
  g_dbus_connection_signal_unsubscribe (client, id);
  client_close (client);
}

static void
test_rule_bounds (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG), *other = client_new (*f, BUS_FLAG);
  g_autofree char *value = g_strnfill (1100, 'x');
  g_autofree char *too_long = g_strdup_printf ("arg0='%s'", value);

  bus_refuses (client, "AddMatch", g_variant_new ("(s)", "nonsense"), BUS ".Error.MatchRuleInvalid");
  bus_refuses (client, "RemoveMatch", g_variant_new ("(s)", "nonsense"), BUS ".Error.MatchRuleInvalid");
  bus_refuses (client, "AddMatch", g_variant_new ("(s)", too_long), BUS ".Error.LimitsExceeded");
  for (guint i = 0; i < 256; i++)
    assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", "type='signal'")), "()");
  bus_refuses (client, "AddMatch", g_variant_new ("(s)", "type='signal'"), BUS ".Error.LimitsExceeded");
  assert_answer (bus_call (client, "RemoveMatch", g_variant_new ("(s)", "type='signal'")), "()");
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", "type='signal'")), "()");
  assert_answer (bus_call (other, "AddMatch", g_variant_new ("(s)", "type='signal'")), "()");
  client_close (client);
  client_close (other);
}

static GVariant *
become_monitor (GDBusConnection *client, const char *const *rules, guint32 flags, const char *dbus_error)
{
  return bus_call_full (client, BUS ".Monitoring", "BecomeMonitor", g_variant_new ("(^asu)", rules, flags),
                        dbus_error);
}

static void
test_monitor (Fixture **f, gconstpointer data)
{
  static const char *const none[] = { NULL }, *const pong[] = { "member='Pong'", NULL },
                           *const wrong[] = { "member='Pong'", "nonsense", NULL };
  GDBusConnection *client = client_new (*f, BUS_FLAG), *peer = client_new (*f, G_DBUS_CONNECTION_FLAGS_NONE);
  Ears *ears = listen_to (client);
  g_autofree char *lost = NULL;
  g_autofree char *heard_lost = NULL;

  forget_heard (ears, client);
  assert_answer (bus_call (client, "AddMatch", g_variant_new ("(s)", "member='Ping'")), "()");
  become_monitor (client, wrong, 0, BUS ".Error.MatchRuleInvalid");
  become_monitor (client, none, 7, BUS ".Error.InvalidArgs");
  become_monitor (peer, none, 0, BUS ".Error.InvalidArgs");
  ping_and_assert (*f, client, ears, PING);

  assert_answer (become_monitor (client, pong, 0, NULL), "()");
  heard_lost = heard (ears, client);
  lost = g_strdup_printf (BUS ".NameLost " BUS " %s", g_dbus_connection_get_unique_name (client));
  g_assert_cmpstr (heard_lost, ==, lost);
  ping_and_assert (*f, client, ears, PONG);

  assert_answer (become_monitor (client, none, 0, NULL), "()");
  g_clear_pointer (&heard_lost, g_free);
  heard_lost = heard (ears, client);
  ping_and_assert (*f, client, ears, PING ", " PONG);
  client_close (client);
  client_close (peer);
  ears_free (ears);
}

/* Its object is one as others are. */
static void
test_object (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  g_autoptr (GVariant) xml =
      bus_call_full (client, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, NULL);
  g_autoptr (GVariant) id = bus_call (client, "GetId", NULL);
  g_autoptr (GDBusNodeInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  static const char properties[] = "org.freedesktop.DBus.Properties";
  const char *text;

  g_variant_get (xml, "(&s)", &text);
  info = g_dbus_node_info_new_for_xml (text, &error);
  g_assert_no_error (error);
  g_assert_nonnull (g_dbus_node_info_lookup_interface (info, BUS));
  assert_answer (bus_call_full (client, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL), "()");
  assert_answer (bus_call_full (client, properties, "Get", g_variant_new ("(ss)", BUS, "Interfaces"), NULL),
                 "(<['org.freedesktop.DBus.Monitoring']>,)");
  assert_answer (bus_call_full (client, properties, "GetAll", g_variant_new ("(s)", AGL_INTERFACE), NULL),
                 "({},)");
  g_assert_null (bus_call_full (client, properties, "Get", g_variant_new ("(ss)", BUS, "Nothing"),
                                BUS ".Error.UnknownProperty"));
  g_variant_get (id, "(&s)", &text);
  g_assert_true (g_dbus_is_guid (text));
  client_close (client);
}

/* Every method that the bus says it has can be called. */
static void
test_introspection_is_true (Fixture **f, gconstpointer data)
{
  GDBusConnection *client = client_new (*f, BUS_FLAG);
  g_autoptr (GVariant) xml =
      bus_call_full (client, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, NULL);
  g_autoptr (GDBusNodeInfo) info = NULL;
  guint n_methods = 0;
  const char *text;

  g_variant_get (xml, "(&s)", &text);
  info = g_dbus_node_info_new_for_xml (text, NULL);
  for (guint i = 0; info->interfaces[i] != NULL; i++)
    {
      GDBusInterfaceInfo *interface = info->interfaces[i];

      for (guint j = 0; interface->methods != NULL && interface->methods[j] != NULL; j++)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (GVariant) answer =
              client_call_full (client, BUS, BUS_PATH, interface->name, interface->methods[j]->name,
                                g_variant_new ("(d)", 1.0), NULL, &error);

          g_test_message ("%s.%s", interface->name, interface->methods[j]->name);
          g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
          g_assert_null (answer);
          n_methods++;
        }
    }
  g_assert_cmpuint (n_methods, ==, 18);
  client_close (client);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*test) (Fixture **f, gconstpointer data);
  } tests[] = {
    { "/mini-bus/hello", test_hello },
    { "/mini-bus/names", test_names },
    { "/mini-bus/credentials", test_credentials },
    { "/mini-bus/no-way-to-others", test_no_way_to_others },
    { "/mini-bus/refusals", test_refusals },
    { "/mini-bus/addresses", test_addresses },
    { "/mini-bus/signals", test_signals },
    { "/mini-bus/signals-of-others", test_signals_of_others },
    { "/mini-bus/subscription", test_subscription },
    { "/mini-bus/rule-bounds", test_rule_bounds },
    { "/mini-bus/monitor", test_monitor },
    { "/mini-bus/object", test_object },
    { "/mini-bus/introspection-is-true", test_introspection_is_true },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture *, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
