/* SPDX-License-Identifier: MIT */

/* death-reference ADDRESS: reads pids from standard input, a line each; polls the pidfd of each, and sends
 * one D-Bus signal when it dies. What a death costs without a service around it. */
#include <gio/gio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  g_autoptr (GDBusConnection) connection = NULL;
  char line[32];

  if (argc != 2)
    return 64;
  connection = g_dbus_connection_new_for_address_sync (
      argv[1], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, NULL);
  if (connection == NULL)
    return 1;
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      int fd = (int)syscall (SYS_pidfd_open, atoi (line), 0);
      struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

      puts ("watching");
      fflush (stdout);
      if (fd < 0 || poll (&poll_fd, 1, -1) != 1)
        return 1;
      if (!g_dbus_connection_emit_signal (connection, NULL, "/org/agentctl/Bench", "org.agentctl.Bench",
                                          "Died", g_variant_new ("(u)", (guint32)atoi (line)), NULL))
        return 1;
      close (fd);
    }
  return 0;
}
