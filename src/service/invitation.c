/* SPDX-License-Identifier: MIT */
#include "service/invitation.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/names.h"
#include "service/instance.h"

#define PREFIX "invitation."

/* A bus gives up on what it has started after 25 s (dbus-daemon: service_start_timeout). */
#define TIMEOUT_MSEC 10000

/* A list of addresses, each with the path of a socket at most. */
#define MAX_ADDRESS 4095

typedef struct
{
  GMainLoop *loop;
  gboolean is_connecting;
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

/* It stopped as it was invited. */
static gboolean
on_host_dead (int pidfd, GIOCondition condition, gpointer user_data)
{
  Guest *guest = user_data;

  if (guest->error == NULL)
    g_set_error_literal (&guest->error, G_IO_ERROR, G_IO_ERROR_CLOSED, "It has ended");
  g_main_loop_quit (guest->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Guest *guest = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_dbus_connection_new_for_address_finish (result, &error);

  guest->is_connecting = FALSE;
  if (bus == NULL && guest->error == NULL)
    guest->error = g_steal_pointer (&error);
  if (bus == NULL || guest->error != NULL)
    {
      g_main_loop_quit (guest->loop);
      return;
    }
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  guest->watch = g_bus_watch_name_on_connection (bus, AGL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, NULL, guest, NULL);
}

/* Until it is there. */
static gboolean
await (Guest *guest, int pidfd, const char *address, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint timeout = g_timeout_add (TIMEOUT_MSEC, on_timeout, guest);
  guint death = g_unix_fd_add (pidfd, G_IO_IN, on_host_dead, guest);

  guest->is_connecting = TRUE;
  g_dbus_connection_new_for_address (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, cancellable, on_connected, guest);
  g_main_loop_run (guest->loop);
  g_source_remove (timeout);
  g_source_remove (death);
  if (!guest->is_there && guest->error == NULL)
    g_set_error (&guest->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "It does not come to the bus at %s",
                 address);
  /* This process may go on: nothing calls back later. */
  g_cancellable_cancel (cancellable);
  while (guest->is_connecting)
    g_main_context_iteration (NULL, TRUE);
  g_clear_handle_id (&guest->watch, g_bus_unwatch_name);
  if (!guest->is_there)
    g_propagate_error (error, g_steal_pointer (&guest->error));
  g_clear_error (&guest->error);
  return guest->is_there;
}

gboolean
agl_invitation_send (const char *runtime_dir, const char *address, GError **error)
{
  g_autofree char *name = g_strdup_printf (PREFIX "%d", (int)getpid ());
  g_autofree char *file = g_build_filename (runtime_dir, name, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Guest guest = { .loop = loop };
  gboolean has_come = FALSE;
  int pidfd;

  if (!g_file_set_contents_full (file, address, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error))
    return FALSE;
  pidfd = agl_instance_signal (runtime_dir, SIGHUP, error);
  if (pidfd >= 0)
    {
      has_come = await (&guest, pidfd, address, error);
      close (pidfd);
    }
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

/* Whatever else may stand there under such a name keeps nobody: a FIFO, a link, what has no end. */
static char *
read_address (const char *file)
{
  char address[MAX_ADDRESS + 1];
  struct stat st;
  gssize n = -1;
  int fd = open (file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0)
    return NULL;
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_uid == geteuid () && st.st_size <= MAX_ADDRESS)
    n = read (fd, address, MAX_ADDRESS);
  close (fd);
  return n > 0 ? g_strndup (address, (gsize)n) : NULL;
}

/* It is going to be logged; the specification has everything else escaped. */
static gboolean
is_printable (const char *address)
{
  while (g_ascii_isgraph (*address))
    address++;
  return *address == '\0';
}

/* A socket of this machine, as the buses of sessions have: no other machine ("tcp:"), and no program to run
 * ("autolaunch:"). */
static gboolean
is_local_socket (const char *address)
{
  g_auto (GStrv) each = g_strsplit (address, ";", -1);

  for (char **at = each; *at != NULL; at++)
    if (!g_str_has_prefix (*at, "unix:"))
      return FALSE;
  return TRUE;
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

      if (!is_invitation (name))
        continue;
      address = read_address (file);
      g_unlink (file);
      if (address != NULL && *address != '\0' && is_printable (address) && is_local_socket (address)
          && g_dbus_is_supported_address (address, NULL))
        g_strv_builder_add (addresses, address);
    }
  return g_strv_builder_end (addresses);
}
