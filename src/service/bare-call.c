/* SPDX-License-Identifier: MIT */
#include "service/bare-call.h"

#include <string.h>

#include "common/names.h"

/* Of the interfaces that every object has. */
static const struct
{
  const char *member, *interface;
} common[] = {
  { "Get", "org.freedesktop.DBus.Properties" }, { "GetAll", "org.freedesktop.DBus.Properties" },
  { "Set", "org.freedesktop.DBus.Properties" }, { "Introspect", "org.freedesktop.DBus.Introspectable" },
  { "Ping", "org.freedesktop.DBus.Peer" },      { "GetMachineId", "org.freedesktop.DBus.Peer" },
};

static const char *
find_interface (const char *member)
{
  for (gsize i = 0; i < G_N_ELEMENTS (common); i++)
    if (strcmp (member, common[i].member) == 0)
      return common[i].interface;
  return AGL_INTERFACE;
}

/* GDBus has locked the message. Not g_dbus_message_copy(), which duplicates descriptors and fails where there
 * are no more: they are shared. */
static GDBusMessage *
copy_with_interface (GDBusMessage *call, const char *interface)
{
  GUnixFDList *descriptors = g_dbus_message_get_unix_fd_list (call);
  GVariant *body = g_dbus_message_get_body (call);
  GDBusMessage *copy = g_dbus_message_new ();

  g_dbus_message_set_message_type (copy, g_dbus_message_get_message_type (call));
  g_dbus_message_set_flags (copy, g_dbus_message_get_flags (call));
  g_dbus_message_set_byte_order (copy, g_dbus_message_get_byte_order (call));
  g_dbus_message_set_serial (copy, g_dbus_message_get_serial (call));
  for (guint i = G_DBUS_MESSAGE_HEADER_FIELD_PATH; i <= G_DBUS_MESSAGE_HEADER_FIELD_NUM_UNIX_FDS; i++)
    {
      GVariant *value = g_dbus_message_get_header (call, i);

      if (value != NULL)
        g_dbus_message_set_header (copy, i, value);
    }
  g_dbus_message_set_interface (copy, interface);
  if (descriptors != NULL)
    g_dbus_message_set_unix_fd_list (copy, descriptors);
  if (body != NULL)
    g_dbus_message_set_body (copy, body);
  return copy;
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer unused)
{
  GDBusMessage *call;

  if (!is_incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL
      || g_dbus_message_get_interface (message) != NULL)
    return message;
  call = copy_with_interface (message, find_interface (g_dbus_message_get_member (message)));
  g_object_unref (message);
  return call;
}

void
agl_bare_call_attach (GDBusConnection *connection)
{
  g_dbus_connection_add_filter (connection, on_message, NULL, NULL);
}
