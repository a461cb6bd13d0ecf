/* SPDX-License-Identifier: MIT */
#include "service/invitation.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/names.h"
#include "service/instance.h"

#define PREFIX "invitation."

/* A bus gives up on what it has started after 25 s (dbus-daemon: service_start_timeout). */
#define TIMEOUT_MSEC 10000

typedef struct
{
  GMainLoop *loop;
  gboolean is_there;
  guint watch;
  GError *error;
} Guest;

static void
on_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  Guest *guest = user_data;

  guest->is_there = TRUE;
  g_main_loop_quit (guest->loop);
}

static gboolean
on_timeout (gpointer user_data)
{
  Guest *guest = user_data;

  g_main_loop_quit (guest->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Guest *guest = user_data;
  g_autoptr (GDBusConnection) bus = g_dbus_connection_new_for_address_finish (result, &guest->error);

  if (bus == NULL)
    {
      g_main_loop_quit (guest->loop);
      return;
    }
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  guest->watch = g_bus_watch_name_on_connection (bus, AGL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, NULL, guest, NULL);
}

/* Until it is there. A process that stops waiting ends, so that nothing calls back later. */
static gboolean
await (Guest *guest, const char *address, GError **error)
{
  guint timeout = g_timeout_add (TIMEOUT_MSEC, on_timeout, guest);

  g_dbus_connection_new_for_address (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, on_connected, guest);
  g_main_loop_run (guest->loop);
  g_source_remove (timeout);
  g_clear_handle_id (&guest->watch, g_bus_unwatch_name);
  if (guest->is_there)
    return TRUE;
  if (guest->error != NULL)
    g_propagate_error (error, g_steal_pointer (&guest->error));
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "It does not come to the bus at %s", address);
  return FALSE;
}

gboolean
agl_invitation_send (const char *runtime_dir, const char *address, GError **error)
{
  g_autofree char *name = g_strdup_printf (PREFIX "%d", (int)getpid ());
  g_autofree char *file = g_build_filename (runtime_dir, name, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Guest guest = { .loop = loop };
  gboolean has_come;

  if (!g_file_set_contents_full (file, address, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error))
    return FALSE;
  has_come = agl_instance_signal (runtime_dir, SIGHUP, error) && await (&guest, address, error);
  g_unlink (file);
  return has_come;
}

/* And not what g_file_set_contents_full() has not finished. */
static gboolean
is_invitation (const char *name)
{
  const char *number = name + strlen (PREFIX);

  return g_str_has_prefix (name, PREFIX) && *number != '\0' && number[strspn (number, "0123456789")] == '\0';
}

char **
agl_invitation_take (const char *runtime_dir)
{
  g_autoptr (GStrvBuilder) addresses = g_strv_builder_new ();
  g_autoptr (GDir) folder = g_dir_open (runtime_dir, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *file = g_build_filename (runtime_dir, name, NULL);
      g_autofree char *address = NULL;

      if (!is_invitation (name) || !g_file_get_contents (file, &address, NULL, NULL))
        continue;
      g_unlink (file);
      if (g_dbus_is_supported_address (address, NULL))
        g_strv_builder_add (addresses, address);
    }
  return g_strv_builder_end (addresses);
}
