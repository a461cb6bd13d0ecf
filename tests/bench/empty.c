/* SPDX-License-Identifier: MIT */

/* A service that owns org.agentctl.Empty and exports one object without methods, for its size alone. */
#include <gio/gio.h>

#include "service/agl-generated.h"

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  g_autoptr (AglDBusLocks) locks = NULL;

  if (bus == NULL)
    g_error ("%s", error->message);
  locks = agl_dbus_locks_skeleton_new ();
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (locks), bus, "/org/agentctl/Locks",
                                         &error))
    g_error ("%s", error->message);
  g_bus_own_name_on_connection (bus, "org.agentctl.Empty", 0, NULL, NULL, NULL, NULL);
  g_main_loop_run (loop);
  return 0;
}
