/* SPDX-License-Identifier: MIT */

/* Linked with the service's own main() this makes bench-daemon: the product, and beside its object another
 * one at AGL_NOOP_PATH, on the same connections and in the same main loop, with the same interface from the
 * same file, whose methods do nothing. So a call to each differs in what the service does and in nothing
 * else. List with the filter "directory" gives the reply that stands, serialized, in that file.
 *
 * The service knows nothing of it: the linker (--wrap) leads its two calls that put an object on a connection
 * and take it off through here. */
#include "bench.h"

#include "service/agl-generated.h"

gboolean __real_g_dbus_interface_skeleton_export (GDBusInterfaceSkeleton *object,
                                                  GDBusConnection *connection,
                                                  const char *path,
                                                  GError **error);
gboolean __wrap_g_dbus_interface_skeleton_export (GDBusInterfaceSkeleton *object,
                                                  GDBusConnection *connection,
                                                  const char *path,
                                                  GError **error);
void __real_g_dbus_interface_skeleton_unexport_from_connection (GDBusInterfaceSkeleton *object,
                                                                GDBusConnection *connection);
void __wrap_g_dbus_interface_skeleton_unexport_from_connection (GDBusInterfaceSkeleton *object,
                                                                GDBusConnection *connection);

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

static GDBusInterfaceSkeleton *
get_noop (void)
{
  static AglDBusLocks *noop;

  if (noop == NULL)
    {
      noop = agl_dbus_locks_skeleton_new ();
      g_signal_connect (noop, "handle-acquire", G_CALLBACK (on_acquire), NULL);
      g_signal_connect (noop, "handle-release", G_CALLBACK (on_release), NULL);
      g_signal_connect (noop, "handle-list", G_CALLBACK (on_list), NULL);
    }
  return G_DBUS_INTERFACE_SKELETON (noop);
}

gboolean
__wrap_g_dbus_interface_skeleton_export (GDBusInterfaceSkeleton *object,
                                         GDBusConnection *connection,
                                         const char *path,
                                         GError **error)
{
  return __real_g_dbus_interface_skeleton_export (object, connection, path, error)
         && __real_g_dbus_interface_skeleton_export (get_noop (), connection, AGL_NOOP_PATH, error);
}

void
__wrap_g_dbus_interface_skeleton_unexport_from_connection (GDBusInterfaceSkeleton *object,
                                                           GDBusConnection *connection)
{
  __real_g_dbus_interface_skeleton_unexport_from_connection (get_noop (), connection);
  __real_g_dbus_interface_skeleton_unexport_from_connection (object, connection);
}
