/* SPDX-License-Identifier: MIT */
#include "service/bus-door.h"

#include "common/names.h"
#include "core/undead.h"
#include "service/bare-call.h"
#include "service/bus-stream.h"
#include "service/bus-throttle.h"
#include "service/message-bus.h"
#include "service/message-news.h"

/* From a restarting bus's first moment to one that stays away: how long until the next attempt. */
#define FIRST_RETRY_MSEC 100
#define LAST_RETRY_MSEC  10000

/* A bus that answers does so within milliseconds; one that hangs is not waited for with the first news. */
#define SETTLE_MSEC 5000

struct _AglBusDoor
{
  AglService *service;
  char *address;
  char *id;
  gboolean replace;
  gboolean is_taking; /* the name, from an instance that is dead */
  gboolean is_settled;
  gboolean is_missed; /* that it cannot be reached has been said */
  const AglBusDoorHooks *hooks;
  gpointer user_data;
  GCancellable *cancellable;
  GDBusConnection *connection; /* NULL while there is none */
  guint name;
  guint patience; /* until settled is called anyway */
  guint retry;
  guint retry_msec;
};

static void connect_to_bus (AglBusDoor *self);

static void
settle (AglBusDoor *self)
{
  g_clear_handle_id (&self->patience, g_source_remove);
  if (self->is_settled)
    return;
  self->is_settled = TRUE;
  self->hooks->settled (self, self->user_data);
}

static gboolean
on_patience_over (gpointer user_data)
{
  AglBusDoor *self = user_data;

  self->patience = 0;
  settle (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_retry (gpointer user_data)
{
  AglBusDoor *self = user_data;

  self->retry = 0;
  connect_to_bus (self);
  return G_SOURCE_REMOVE;
}

static void
retry_later (AglBusDoor *self)
{
  self->retry = g_timeout_add (self->retry_msec, on_retry, self);
  self->retry_msec = MIN (self->retry_msec * 2, LAST_RETRY_MSEC);
}

static void
disconnect (AglBusDoor *self)
{
  if (self->connection == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->connection, self);
  g_clear_handle_id (&self->name, g_bus_unown_name);
  if (g_dbus_interface_skeleton_has_connection (G_DBUS_INTERFACE_SKELETON (self->service->object),
                                                self->connection))
    g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (self->service->object),
                                                        self->connection);
  agl_callers_drop_connection (self->service->callers, self->connection);
  g_clear_object (&self->connection);
}

static void
on_closed (GDBusConnection *connection, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  AglBusDoor *self = user_data;

  g_message ("The message bus went away; locks stay as they are, and the direct socket goes on");
  disconnect (self);
  retry_later (self);
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  AglBusDoor *self = user_data;

  g_debug ("Owns %s", name);
  self->retry_msec = FIRST_RETRY_MSEC;
  self->is_taking = FALSE;
  settle (self);
}

static void
do_without_name (AglBusDoor *self)
{
  g_warning ("%s is owned by another instance on this bus; serving the direct socket until it is free",
             AGL_BUS_NAME);
  self->is_taking = FALSE;
  settle (self);
}

static void
on_name_taken (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 code = 0;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    g_variant_get (reply, "(u)", &code);
  /* With 1 (DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER) on_name_acquired() is called. */
  if (code != 1)
    do_without_name (user_data);
}

static void
on_owner_known (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusConnection *bus = G_DBUS_CONNECTION (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (bus, result, &error);
  AglBusDoor *self = user_data;
  guint32 pid = 0;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply != NULL)
    g_variant_get (reply, "(u)", &pid);
  if (pid == 0 || agl_life_of ((pid_t)pid) == AGL_LIFE_UNKNOWN)
    {
      do_without_name (self);
      return;
    }
  g_message ("%s is owned by the instance (pid %u) that was killed and hangs in the kernel: taking it over",
             AGL_BUS_NAME, pid);
  g_dbus_connection_call (
      bus, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER, "RequestName",
      g_variant_new ("(su)", AGL_BUS_NAME,
                     G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT | G_BUS_NAME_OWNER_FLAGS_REPLACE),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, on_name_taken, self);
}

/* Who was killed keeps the name as long as a thread of it hangs in a filesystem that does not answer. */
static void
ask_for_owner (AglBusDoor *self)
{
  self->is_taking = TRUE;
  g_dbus_connection_call (self->connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER,
                          "GetConnectionUnixProcessID", g_variant_new ("(s)", AGL_BUS_NAME),
                          G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable,
                          on_owner_known, self);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  AglBusDoor *self = user_data;

  /* A closed connection is on_closed's. */
  if (connection == NULL || g_dbus_connection_is_closed (connection))
    settle (self);
  else if (!self->is_taking)
    ask_for_owner (self);
}

/* Said once: a bus that ended with its session never comes back. */
static void
note_unreachable (AglBusDoor *self, const GError *error)
{
  gboolean is_away = self->retry_msec == LAST_RETRY_MSEC;

  if (self->is_missed)
    g_debug ("The message bus at %s still cannot be reached: %s", self->address, error->message);
  else
    g_message ("The message bus at %s cannot be reached, trying again now and then: %s", self->address,
               error->message);
  self->is_missed = TRUE;
  settle (self);
  retry_later (self);
  if (is_away)
    self->hooks->away (self, self->user_data);
}

static void
enter (AglBusDoor *self, GDBusConnection *connection)
{
  g_autoptr (GError) error = NULL;

  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->service->object), connection,
                                         AGL_OBJECT_PATH, &error))
    {
      note_unreachable (self, error);
      return;
    }
  self->connection = g_object_ref (connection);
  self->is_missed = FALSE;
  agl_bare_call_attach (self->connection);
  agl_message_news_attach (self->connection);
  g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  self->name = g_bus_own_name_on_connection (self->connection, AGL_BUS_NAME,
                                             G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT
                                                 | (self->replace ? G_BUS_NAME_OWNER_FLAGS_REPLACE : 0),
                                             on_name_acquired, on_name_lost, self, NULL);
  if (g_dbus_connection_is_closed (self->connection))
    on_closed (self->connection, TRUE, NULL, self);
}

/* A bus that does not tell (its answer is an error) is like no other. */
static void
on_id (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  AglBusDoor *self;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  self = user_data;
  if (reply == NULL && !g_dbus_error_is_remote_error (error))
    {
      note_unreachable (self, error);
      return;
    }
  g_clear_pointer (&self->id, g_free);
  if (reply != NULL)
    g_variant_get (reply, "(s)", &self->id);
  if (self->hooks->reached (self, self->user_data))
    enter (self, G_DBUS_CONNECTION (source));
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_finish (result, &error);
  AglBusDoor *self;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  self = user_data;
  if (connection == NULL)
    {
      note_unreachable (self, error);
      return;
    }
  /* Whoever shares a machine may send whatever he likes; on his own bus a user has only himself to blame. */
  if (self->service->scope == AGL_SCOPE_SYSTEM)
    agl_bus_throttle_attach (connection);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_dbus_connection_call (connection, AGL_BUS_DRIVER, AGL_BUS_DRIVER_PATH, AGL_BUS_DRIVER, "GetId", NULL,
                          G_VARIANT_TYPE ("(s)"), G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, on_id, self);
}

static void
on_stream (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) plain = g_dbus_address_get_stream_finish (result, NULL, &error);
  g_autoptr (GIOStream) stream = NULL;
  AglBusDoor *self;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  self = user_data;
  if (plain == NULL)
    {
      note_unreachable (self, error);
      return;
    }
  stream = agl_bus_stream_new (plain);
  g_dbus_connection_new (stream, NULL,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                             | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                         NULL, self->cancellable, on_connected, self);
}

static void
connect_to_bus (AglBusDoor *self)
{
  g_dbus_address_get_stream (self->address, self->cancellable, on_stream, self);
}

/* Not g_dbus_address_get_for_bus_sync() for the session: it would start a bus where there is none. */
char *
agl_bus_door_find_address (AglScope scope)
{
  g_autofree char *socket = NULL, *escaped = NULL;
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");

  if (scope == AGL_SCOPE_SYSTEM)
    return g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);
  if (address != NULL && *address != '\0')
    return g_strdup (address);
  socket = g_build_filename (g_get_user_runtime_dir (), "bus", NULL);
  if (!g_file_test (socket, G_FILE_TEST_EXISTS))
    return NULL;
  escaped = g_dbus_address_escape_value (socket);
  return g_strconcat ("unix:path=", escaped, NULL);
}

AglBusDoor *
agl_bus_door_new (AglService *service,
                  const char *address,
                  gboolean replace,
                  const AglBusDoorHooks *hooks,
                  gpointer user_data)
{
  AglBusDoor *self = g_new0 (AglBusDoor, 1);

  self->service = service;
  self->address = g_strdup (address);
  self->replace = replace;
  self->hooks = hooks;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->retry_msec = FIRST_RETRY_MSEC;
  self->patience = g_timeout_add (SETTLE_MSEC, on_patience_over, self);
  connect_to_bus (self);
  return self;
}

const char *
agl_bus_door_get_address (const AglBusDoor *self)
{
  return self->address;
}

const char *
agl_bus_door_get_id (const AglBusDoor *self)
{
  return self->id;
}

gboolean
agl_bus_door_is_settled (const AglBusDoor *self)
{
  return self->is_settled;
}

gboolean
agl_bus_door_is_connected (const AglBusDoor *self)
{
  return self->connection != NULL;
}

void
agl_bus_door_hurry (AglBusDoor *self)
{
  self->retry_msec = FIRST_RETRY_MSEC;
  if (self->retry == 0)
    return;
  g_clear_handle_id (&self->retry, g_source_remove);
  connect_to_bus (self);
}

/* The bus takes the name back when the connection ends. g_bus_unown_name() would ask it to, in a synchronous
 * call, which waits for 25 s where the bus hangs and aborts where no descriptor is left. */
static void
hang_up (AglBusDoor *self)
{
  GIOStream *stream = g_dbus_connection_get_stream (self->connection);

  self->name = 0;
  g_socket_shutdown (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), TRUE, TRUE, NULL);
}

void
agl_bus_door_free (AglBusDoor *self)
{
  self->is_settled = TRUE;
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->retry, g_source_remove);
  g_clear_handle_id (&self->patience, g_source_remove);
  if (self->connection != NULL)
    hang_up (self);
  disconnect (self);
  g_object_unref (self->cancellable);
  g_free (self->address);
  g_free (self->id);
  g_free (self);
}
