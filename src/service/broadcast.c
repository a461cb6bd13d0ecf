/* SPDX-License-Identifier: MIT */
#include "service/broadcast.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/names.h"
#include "service/lock-facts.h"
#include "service/locks-object.h"
#include "service/socket-door.h"

/* Kept for a bus that has not answered yet: at about a kilobyte each no more than a burst is worth. */
#define MAX_UNHEARD 10000

/* How long those who lost their direct connection have to come back. */
#define COMEBACK_MSEC 3000

typedef struct
{
  AglLock *lock;
  AglReleaseReason reason;
} Missed;

typedef struct
{
  const char *signal; /* static */
  GVariant *parameters;
} Unheard;

static void
unheard_free (gpointer data)
{
  Unheard *unheard = data;

  g_variant_unref (unheard->parameters);
  g_free (unheard);
}

static gboolean
is_bus (GDBusConnection *connection)
{
  return agl_socket_door_get_peer (connection) == NULL;
}

/* An end that was told is forgotten on disk, and a service that is killed in between is followed by one that
 * tells it again. So the file goes the moment that the signal is written, in GDBus's own thread: behind each
 * such signal goes a mark in the same queue, whose turn means that the signal is with the bus. The mark is a
 * call that costs the bus nothing and wants no reply; a filter that dropped it would make GDBus's flush wait
 * for ever, which counts what is queued against what is written. All else about an end is done in the main
 * loop, in its time. */
#define MARK "agl-written"

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer unused)
{
  const char *path = incoming ? NULL : g_object_get_data (G_OBJECT (message), MARK);

  /* Should it fail, the main loop finds it there and says so. */
  if (path != NULL && unlinkat (AT_FDCWD, path, 0) != 0)
    g_debug ("%s stays for the moment: %s", path, g_strerror (errno));
  return message;
}

void
agl_broadcast_attach (GDBusConnection *connection)
{
  g_dbus_connection_add_filter (connection, on_message, NULL, NULL);
}

static void
mark_written (AglService *service, GDBusConnection *connection, guint64 id)
{
  g_autoptr (GDBusMessage) mark = NULL;
  char *path = agl_lock_store_dup_end_path (service->store, id);

  if (path == NULL)
    return;
  mark = g_dbus_message_new_method_call ("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetId");
  g_dbus_message_set_flags (mark, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_object_set_data_full (G_OBJECT (mark), MARK, path, g_free);
  g_dbus_connection_send_message (connection, mark, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static void
emit (AglService *service, GDBusConnection *connection, const char *signal, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  guint64 id;

  if (!g_dbus_connection_emit_signal (connection, NULL, AGL_OBJECT_PATH, AGL_INTERFACE, signal, parameters,
                                      &error))
    g_debug ("%s is not told on a connection that closed: %s", signal, error->message);
  else if (is_bus (connection) && g_str_equal (signal, "LockReleased"))
    {
      g_variant_get_child (parameters, 0, "t", &id);
      mark_written (service, connection, id);
    }
}

void
agl_broadcast_hold (AglService *service)
{
  if (service->unheard == NULL)
    service->unheard = g_queue_new ();
}

void
agl_broadcast_drop_held (AglService *service)
{
  if (service->unheard != NULL)
    g_queue_free_full (g_steal_pointer (&service->unheard), unheard_free);
}

void
agl_broadcast_let_go (AglService *service)
{
  GList *connections;

  if (service->unheard == NULL)
    return;
  connections = g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (service->object));
  for (GList *each = connections; each != NULL; each = each->next)
    for (GList *l = service->unheard->head; is_bus (each->data) && l != NULL; l = l->next)
      emit (service, each->data, ((Unheard *)l->data)->signal, ((Unheard *)l->data)->parameters);
  g_list_free_full (connections, g_object_unref);
  agl_broadcast_drop_held (service);
  agl_locks_object_announced (service);
}

static void
keep (AglService *service, const char *signal, GVariant *parameters)
{
  Unheard *unheard = g_new0 (Unheard, 1);

  unheard->signal = signal;
  unheard->parameters = g_variant_ref (parameters);
  g_queue_push_tail (service->unheard, unheard);
  if (service->unheard->length >= MAX_UNHEARD)
    agl_broadcast_let_go (service);
}

/* On the bus of the whole machine anybody listens; on a direct socket it is known who does; on a user's own
 * service everybody is that user, or root. */
static gboolean
may_hear_texts (const AglService *service, GDBusConnection *connection, const AglLock *lock)
{
  const AglPeer *peer = agl_socket_door_get_peer (connection);

  if (service->scope == AGL_SCOPE_USER)
    return TRUE;
  return peer != NULL && (peer->uid == 0 || peer->uid == lock->uid);
}

/* NULL: nothing that they may hear. */
typedef GVariant *(*MakeParameters) (const AglLock *lock, guint detail, gboolean with_texts);

static gboolean
ensure_made (
    GVariant **parameters, MakeParameters make, const AglLock *lock, guint detail, gboolean with_texts)
{
  if (*parameters != NULL)
    return TRUE;
  *parameters = make (lock, detail, with_texts);
  if (*parameters != NULL)
    g_variant_ref_sink (*parameters);
  return *parameters != NULL;
}

/* One value for those who may hear all and one for the others, each made when first needed. */
static void
broadcast (AglService *service, const AglLock *lock, const char *signal, MakeParameters make, guint detail)
{
  GList *connections =
      g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (service->object));
  GVariant *parameters[2] = { NULL, NULL };

  for (GList *each = connections; each != NULL; each = each->next)
    {
      gboolean with_texts = may_hear_texts (service, each->data, lock);

      if ((is_bus (each->data) && service->unheard != NULL)
          || !ensure_made (&parameters[with_texts], make, lock, detail, with_texts))
        continue;
      emit (service, each->data, signal, parameters[with_texts]);
      if (!is_bus (each->data))
        agl_socket_door_check_backlog (each->data);
    }
  if (service->unheard != NULL)
    {
      gboolean with_texts = service->scope == AGL_SCOPE_USER;

      if (ensure_made (&parameters[with_texts], make, lock, detail, with_texts))
        keep (service, signal, parameters[with_texts]);
    }
  g_clear_pointer (&parameters[FALSE], g_variant_unref);
  g_clear_pointer (&parameters[TRUE], g_variant_unref);
  g_list_free_full (connections, g_object_unref);
}

static GVariant *
make_acquired (const AglLock *lock, guint detail, gboolean with_texts)
{
  g_autofree char *path = agl_path_to_display (agl_directory_get_path (lock->directory));

  return g_variant_new ("(tsu@a{sv})", lock->id, path, (guint32)lock->token.pid,
                        agl_lock_facts (lock, with_texts));
}

static GVariant *
make_released (const AglLock *lock, guint reason, gboolean with_texts)
{
  g_autofree char *path = agl_path_to_display (agl_directory_get_path (lock->directory));

  return g_variant_new ("(tsus@a{sv})", lock->id, path, (guint32)lock->token.pid,
                        agl_release_reason_to_string ((AglReleaseReason)reason),
                        agl_lock_facts (lock, with_texts));
}

static GVariant *
make_changed (const AglLock *lock, guint what, gboolean with_texts)
{
  GVariant *facts = agl_lock_changed_facts (lock, (AglChange)what, with_texts);

  return facts == NULL ? NULL : g_variant_new ("(t@a{sv})", lock->id, facts);
}

void
agl_broadcast_acquired (AglService *service, AglLock *lock)
{
  broadcast (service, lock, "LockAcquired", make_acquired, 0);
}

void
agl_broadcast_released (AglService *service, AglLock *lock, AglReleaseReason reason)
{
  broadcast (service, lock, "LockReleased", make_released, reason);
  if (service->missed != NULL && service->missed_timer == 0)
    {
      Missed *missed = g_new0 (Missed, 1);

      missed->lock = agl_lock_ref (lock);
      missed->reason = reason;
      g_queue_push_tail (service->missed, missed);
    }
}

static void
missed_free (gpointer data)
{
  Missed *missed = data;

  agl_lock_unref (missed->lock);
  g_free (missed);
}

void
agl_broadcast_drop_missed (AglService *service)
{
  g_clear_handle_id (&service->missed_timer, g_source_remove);
  if (service->missed != NULL)
    g_queue_free_full (g_steal_pointer (&service->missed), missed_free);
}

static gboolean
on_comeback (gpointer user_data)
{
  AglService *service = user_data;
  GList *connections =
      g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (service->object));

  service->missed_timer = 0;
  for (GList *each = connections; each != NULL; each = each->next)
    for (GList *l = service->missed->head; !is_bus (each->data) && l != NULL; l = l->next)
      {
        const Missed *missed = l->data;

        emit (
            service, each->data, "LockReleased",
            make_released (missed->lock, missed->reason, may_hear_texts (service, each->data, missed->lock)));
      }
  g_list_free_full (connections, g_object_unref);
  agl_broadcast_drop_missed (service);
  return G_SOURCE_REMOVE;
}

void
agl_broadcast_remember (AglService *service)
{
  if (service->missed == NULL)
    service->missed = g_queue_new ();
}

void
agl_broadcast_remind (AglService *service)
{
  if (service->missed == NULL || g_queue_is_empty (service->missed))
    agl_broadcast_drop_missed (service);
  else
    service->missed_timer = g_timeout_add (COMEBACK_MSEC, on_comeback, service);
}

void
agl_broadcast_changed (AglService *service, AglLock *lock, AglChange what)
{
  broadcast (service, lock, "LockChanged", make_changed, what);
}
