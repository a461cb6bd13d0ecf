/* SPDX-License-Identifier: MIT */
#include "client/appeal.h"

#include "common/error.h"
#include "common/names.h"

/* Asked of a bus, which has nothing to wait for. */
#define BUS_TIMEOUT_MSEC 2000

static GVariant *
ask_bus (GDBusConnection *bus, const char *method, const char *argument, const char *reply_type)
{
  return g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", method, g_variant_new ("(s)", argument),
                                      G_VARIANT_TYPE (reply_type), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                      BUS_TIMEOUT_MSEC, NULL, NULL);
}

/* Who listens at the other end of a direct socket, as the kernel says. */
static gboolean
read_peer (GDBusConnection *connection, pid_t *pid, uid_t *uid)
{
  GIOStream *stream = g_dbus_connection_get_stream (connection);
  g_autoptr (GCredentials) peer = NULL;

  if (!G_IS_SOCKET_CONNECTION (stream))
    return FALSE;
  peer = g_socket_get_credentials (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), NULL);
  if (peer == NULL)
    return FALSE;
  *pid = g_credentials_get_unix_pid (peer, NULL);
  *uid = g_credentials_get_unix_user (peer, NULL);
  /* 0: it lives where this PID namespace cannot see it. */
  return *pid > 0;
}

/* Whether @owner, a unique name on @bus, is the process at the other end of @direct. Ids of locks mean
 * something to one service alone, so another one is never asked in its place. */
static gboolean
is_same_process (GDBusConnection *bus, const char *owner, GDBusConnection *direct)
{
  g_autoptr (GVariant) reply = ask_bus (bus, "GetConnectionCredentials", owner, "(a{sv})");
  g_autoptr (GVariant) credentials = NULL;
  guint32 owner_pid;
  guint32 owner_uid;
  pid_t pid;
  uid_t uid;

  if (reply == NULL || !read_peer (direct, &pid, &uid))
    return FALSE;
  credentials = g_variant_get_child_value (reply, 0);
  return g_variant_lookup (credentials, "ProcessID", "u", &owner_pid)
         && g_variant_lookup (credentials, "UnixUserID", "u", &owner_uid) && owner_pid == (guint32)pid
         && owner_uid == (guint32)uid;
}

AglService *
agl_appeal_find (const AglService *refusing, const GError *refusal)
{
  g_autofree char *address = NULL;
  g_autoptr (AglService) self = NULL;
  g_autoptr (GVariant) reply = NULL;
  const char *owner;

  if (!refusing->may_appeal || !g_error_matches (refusal, AGL_ERROR, AGL_ERROR_NOT_PERMITTED))
    return NULL;
  address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);
  self = address == NULL ? NULL : agl_service_connect (address, AGL_BUS_NAME, NULL);
  reply = self == NULL ? NULL : ask_bus (self->connection, "GetNameOwner", AGL_BUS_NAME, "(s)");
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(&s)", &owner);
  if (!is_same_process (self->connection, owner, refusing->connection))
    return NULL;
  /* By its unique name: whoever owns the well-known one by the time of the call need not be the same. */
  g_free (self->bus_name);
  self->bus_name = g_strdup (owner);
  self->interactive = refusing->interactive;
  return g_steal_pointer (&self);
}
