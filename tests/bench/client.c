/* SPDX-License-Identifier: MIT */

/* What the benchmark is to the service: a connection, and a call on it. */
#include "bench.h"

#define PATIENCE_MSEC 60000

static GDBusConnection *
try_to_connect (const char *address, gboolean is_bus, GError **error)
{
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                               | (is_bus ? G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION : 0);

  return g_dbus_connection_new_for_address_sync (address, flags, NULL, NULL, error);
}

GDBusConnection *
agl_bench_connect (const char *address, gboolean is_bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = try_to_connect (address, is_bus, &error);

  if (connection == NULL)
    agl_bench_fail ("%s: %s", address, error->message);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

GVariant *
agl_bench_call (
    GDBusConnection *connection, const char *name, const char *path, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply =
      g_dbus_connection_call_sync (connection, name, path, AGL_LOCKS_NAME, method, parameters, NULL,
                                   G_DBUS_CALL_FLAGS_NO_AUTO_START, PATIENCE_MSEC, NULL, &error);

  if (reply == NULL)
    agl_bench_fail ("%s: %s", method, error->message);
  return reply;
}

GVariant *
agl_bench_acquire_arguments (const char *directory, pid_t pid)
{
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (pid > 0)
    g_variant_builder_add (&options, "{sv}", "pid", g_variant_new_uint32 (pid));
  return g_variant_new ("(sa{sv})", directory, &options);
}

GDBusConnection *
agl_bench_connect_patiently (const char *address, gboolean is_bus)
{
  GDBusConnection *connection = NULL;

  for (guint i = 0; connection == NULL; i++)
    {
      if (i > PATIENCE_MSEC)
        agl_bench_fail ("nobody listens on %s", address);
      g_usleep (1000);
      connection = try_to_connect (address, is_bus, NULL);
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}
