/* SPDX-License-Identifier: MIT */
#include "service/notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>

void
agl_notify (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) error = NULL;

  if (path == NULL || (*path != '/' && *path != '@'))
    return;
  if (*path == '@')
    address = g_unix_socket_address_new_with_type (path + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
  else
    address = g_unix_socket_address_new (path);
  socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  if (socket != NULL)
    {
      g_socket_set_blocking (socket, FALSE);
      g_socket_send_to (socket, address, state, strlen (state), NULL, &error);
    }
  if (error != NULL)
    g_debug ("Cannot notify %s: %s", path, error->message);
}
