/* SPDX-License-Identifier: MIT */
#include "service/shutdown.h"

#include "service/broadcast.h"
#include "service/locks-object.h"
#include "service/socket-door.h"

/* Writing to somebody who reads takes well under a millisecond; systemd kills after 90 s. */
#define PATIENCE_MSEC 500

/* Whatever a call waits for is told that it will not come, and the call ends. */
static void
end_calls (AglService *service)
{
  service->is_stopping = TRUE;
  agl_callers_stop (service->callers);
  agl_authority_stop (service->authority);
  if (service->turns != NULL)
    agl_turns_flush (service->turns);
  agl_keeper_stop (service->keeper);
  agl_worker_stop (service->worker);
  agl_worker_stop (service->census);
  if (service->n_calls > 0)
    g_critical ("%u calls end without an answer", service->n_calls);
}

typedef struct
{
  gatomicrefcount ref_count; /* each flush has one; one that hangs keeps it */
  guint n_left;
  gboolean is_over;
} Sending;

static void
sending_unref (Sending *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

static void
on_flushed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Sending *self = user_data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  self->n_left--;
  sending_unref (self);
}

static gboolean
on_over (gpointer user_data)
{
  Sending *self = user_data;

  self->is_over = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
is_bus (GDBusConnection *connection)
{
  return agl_socket_door_get_peer (connection) == NULL;
}

/* GDBus writes in a thread of its own, and a connection that is closed before drops what waits there. What
 * was cancelled above ends in the main context, and what had arrived by now is answered there. FALSE:
 * somebody does not read. */
static gboolean
send_all (AglService *service, gboolean buses_only)
{
  GDBusInterfaceSkeleton *object = G_DBUS_INTERFACE_SKELETON (service->object);
  GList *connections = g_dbus_interface_skeleton_get_connections (object);
  Sending *self = g_new0 (Sending, 1);
  guint timeout = g_timeout_add (PATIENCE_MSEC, on_over, self);
  gboolean is_sent;

  g_atomic_ref_count_init (&self->ref_count);
  for (GList *each = connections; each != NULL; each = each->next)
    {
      if (buses_only && !is_bus (each->data))
        continue;
      g_atomic_ref_count_inc (&self->ref_count);
      self->n_left++;
      g_dbus_connection_flush (each->data, NULL, on_flushed, self);
    }
  g_list_free_full (connections, g_object_unref);
  while (!self->is_over && (self->n_left > 0 || g_main_context_pending (NULL)))
    g_main_context_iteration (NULL, TRUE);
  if (!self->is_over)
    g_source_remove (timeout);
  is_sent = self->n_left == 0;
  sending_unref (self);
  return is_sent;
}

void
agl_shutdown (AglService *service)
{
  g_autoptr (GArray) told = NULL;

  end_calls (service);
  send_all (service, FALSE);
  told = agl_locks_object_tell_rest (service);
  if (send_all (service, TRUE))
    agl_locks_object_forget (service, told);
  agl_broadcast_drop_held (service);
}
