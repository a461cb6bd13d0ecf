/* SPDX-License-Identifier: MIT */

/* noop bus|empty SOCKET: a service of the same kind as ours, with the same interface from the same file,
 * whose methods do nothing: what a call costs before anybody does anything. It owns org.agentctl.Bench on the
 * bus and listens on SOCKET. With "empty" it exports one object without methods, for its size alone. List
 * with the filter "directory" gives the reply that stands, serialized, in that file. */
#include <gio/gio.h>
#include <string.h>

#include "service/agl-generated.h"

static GVariant *prepared;

static gboolean
on_acquire (AglDBusLocks *object, GDBusMethodInvocation *invocation, const char *directory, GVariant *options)
{
  agl_dbus_locks_complete_acquire (object, invocation, 1);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_release (AglDBusLocks *object, GDBusMethodInvocation *invocation, const char *directory, GVariant *options)
{
  agl_dbus_locks_complete_release (object, invocation, 1);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_list (AglDBusLocks *object, GDBusMethodInvocation *invocation, GVariant *filter)
{
  g_autofree char *path = NULL;
  char *data;
  gsize length;

  if (g_variant_lookup (filter, "directory", "s", &path) && g_file_get_contents (path, &data, &length, NULL))
    {
      g_clear_pointer (&prepared, g_variant_unref);
      prepared = g_variant_ref_sink (
          g_variant_new_from_data (G_VARIANT_TYPE ("(aa{sv})"), data, length, TRUE, g_free, data));
    }
  g_dbus_method_invocation_return_value (invocation, prepared);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_connection (GDBusServer *server, GDBusConnection *connection, GDBusInterfaceSkeleton *object)
{
  g_dbus_interface_skeleton_export (object, g_object_ref (connection), "/org/agentctl/Locks", NULL);
  return TRUE;
}

static gboolean
authorize (void)
{
  return TRUE;
}

static GDBusServer *
listen_on (const char *socket, GDBusInterfaceSkeleton *object)
{
  g_autofree char *address = g_strconcat ("unix:path=", socket, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GDBusAuthObserver) observer = g_dbus_auth_observer_new ();
  g_autoptr (GError) error = NULL;
  GDBusServer *server;

  g_signal_connect (observer, "authorize-authenticated-peer", G_CALLBACK (authorize), NULL);
  server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, observer, NULL, &error);
  if (server == NULL)
    g_error ("%s", error->message);
  g_signal_connect (server, "new-connection", G_CALLBACK (on_connection), object);
  g_dbus_server_start (server);
  return server;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GDBusServer) server = NULL;
  g_autoptr (GError) error = NULL;
  GDBusInterfaceSkeleton *object;
  AglDBusLocks *locks;

  if (argc != 3)
    return 64;
  bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  if (bus == NULL)
    g_error ("%s", error->message);
  locks = agl_dbus_locks_skeleton_new ();
  object = G_DBUS_INTERFACE_SKELETON (locks);
  if (strcmp (argv[1], "empty") != 0)
    {
      g_signal_connect (object, "handle-acquire", G_CALLBACK (on_acquire), NULL);
      g_signal_connect (object, "handle-release", G_CALLBACK (on_release), NULL);
      g_signal_connect (object, "handle-list", G_CALLBACK (on_list), NULL);
      server = listen_on (argv[2], object);
    }
  g_dbus_interface_skeleton_export (object, bus, "/org/agentctl/Locks", NULL);
  g_bus_own_name_on_connection (bus,
                                strcmp (argv[1], "empty") == 0 ? "org.agentctl.Empty" : "org.agentctl.Bench",
                                0, NULL, NULL, NULL, NULL);
  g_main_loop_run (loop);
  return 0;
}
