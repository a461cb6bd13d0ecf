/* SPDX-License-Identifier: MIT */
#include "service/mini-bus.h"

#include <string.h>
#include <unistd.h>

#include "common/names.h"
#include "common/text.h"
#include "service/mini-bus-private.h"
#include "service/socket-door.h"

/* DBUS_START_REPLY_ALREADY_RUNNING, in the specification's StartServiceByName. */
#define ALREADY_RUNNING 2

typedef enum
{
  NOBODY,
  SERVICE,
  PEER
} Owner;

/* Names */

static Owner
owner_of (const AglMiniBus *self, const char *name)
{
  if (strcmp (name, BUS_NAME) == 0 || strcmp (name, AGL_BUS_NAME) == 0
      || strcmp (name, AGL_MINI_BUS_OWN_NAME) == 0)
    return SERVICE;
  return g_strcmp0 (name, self->unique_name) == 0 ? PEER : NOBODY;
}

static void
refuse_no_owner (AglMiniBus *self, GDBusMessage *call, const char *name)
{
  g_autofree char *shown = agl_text_escape (name, -1);

  agl_mini_bus_refuse (self, call, BUS_ERROR "NameHasNoOwner",
                       "The name “%s” has no owner: on a direct socket there is only %s", shown,
                       AGL_BUS_NAME);
}

void
agl_mini_bus_hello (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  static gint n_names = 0; /* atomic */

  if (self->unique_name != NULL)
    {
      agl_mini_bus_refuse (self, call, BUS_ERROR "Failed", "Hello has been said already");
      return;
    }
  self->unique_name = g_strdup_printf (":1.%u", (guint)g_atomic_int_add (&n_names, 1) + 1);
  agl_mini_bus_reply (self, call, g_variant_new ("(s)", self->unique_name));
  agl_mini_bus_emit (self, "NameAcquired", g_variant_new ("(s)", self->unique_name));
}

void
agl_mini_bus_get_name_owner (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  switch (owner_of (self, name))
    {
    case SERVICE:
      agl_mini_bus_reply (self, call,
                          g_variant_new ("(s)", strcmp (name, BUS_NAME) == 0 ? name : AGL_MINI_BUS_OWN_NAME));
      return;
    case PEER:
      agl_mini_bus_reply (self, call, g_variant_new ("(s)", name));
      return;
    case NOBODY:
      refuse_no_owner (self, call, name);
      return;
    }
}

void
agl_mini_bus_name_has_owner (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  agl_mini_bus_reply (self, call, g_variant_new ("(b)", owner_of (self, name) != NOBODY));
}

void
agl_mini_bus_list_names (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *names[] = { BUS_NAME, AGL_BUS_NAME, AGL_MINI_BUS_OWN_NAME, self->unique_name, NULL };

  agl_mini_bus_reply (self, call, g_variant_new ("(^as)", names));
}

void
agl_mini_bus_list_activatable_names (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *names[] = { BUS_NAME, AGL_BUS_NAME, NULL };

  agl_mini_bus_reply (self, call, g_variant_new ("(^as)", names));
}

void
agl_mini_bus_start_service_by_name (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  const char *name;
  g_autofree char *shown = NULL;

  g_variant_get (arguments, "(&su)", &name, NULL);
  shown = agl_text_escape (name, -1);
  if (owner_of (self, name) == SERVICE)
    agl_mini_bus_reply (self, call, g_variant_new ("(u)", ALREADY_RUNNING));
  else
    agl_mini_bus_refuse (self, call, BUS_ERROR "ServiceUnknown", "There is no “%s” on a direct socket",
                         shown);
}

void
agl_mini_bus_request_name (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  agl_mini_bus_refuse (self, call, BUS_ERROR "AccessDenied", "Names cannot be owned on a direct socket");
}

void
agl_mini_bus_get_id (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  static char *id = NULL;

  if (g_once_init_enter (&id))
    g_once_init_leave (&id, g_dbus_generate_guid ());
  agl_mini_bus_reply (self, call, g_variant_new ("(s)", id));
}

/* Who is who */

/* FALSE: refused. @pid: 0 when it cannot be told. */
static gboolean
look_up (AglMiniBus *self, GDBusMessage *call, GVariant *arguments, guint32 *uid, guint32 *pid)
{
  const AglPeer *peer = agl_socket_door_get_peer (self->connection);
  const char *name;

  g_variant_get (arguments, "(&s)", &name);
  *uid = geteuid ();
  *pid = (guint32)getpid ();
  switch (owner_of (self, name))
    {
    case SERVICE:
      return TRUE;
    case PEER:
      if (peer != NULL)
        {
          *uid = peer->uid;
          *pid = (guint32)peer->pid;
          return TRUE;
        }
      break;
    case NOBODY:
      break;
    }
  refuse_no_owner (self, call, name);
  return FALSE;
}

void
agl_mini_bus_get_connection_unix_user (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  guint32 uid, pid;

  if (look_up (self, call, arguments, &uid, &pid))
    agl_mini_bus_reply (self, call, g_variant_new ("(u)", uid));
}

void
agl_mini_bus_get_connection_unix_process_id (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  guint32 uid, pid;

  if (!look_up (self, call, arguments, &uid, &pid))
    return;
  if (pid != 0)
    agl_mini_bus_reply (self, call, g_variant_new ("(u)", pid));
  else
    agl_mini_bus_refuse (self, call, BUS_ERROR "UnixProcessIdUnknown",
                         "It is in a PID namespace that cannot be seen here");
}

void
agl_mini_bus_get_connection_credentials (AglMiniBus *self, GDBusMessage *call, GVariant *arguments)
{
  g_autoptr (GVariantDict) credentials = g_variant_dict_new (NULL);
  guint32 uid, pid;

  if (!look_up (self, call, arguments, &uid, &pid))
    return;
  g_variant_dict_insert (credentials, "UnixUserID", "u", uid);
  if (pid != 0)
    g_variant_dict_insert (credentials, "ProcessID", "u", pid);
  agl_mini_bus_reply (self, call, g_variant_new ("(@a{sv})", g_variant_dict_end (credentials)));
}
