/* SPDX-License-Identifier: MIT */
#include "service/broadcast.h"

#include "common/names.h"
#include "service/lock-facts.h"
#include "service/locks-object.h"
#include "service/message-news.h"
#include "service/socket-door.h"

/* Kept for a bus that has not answered yet: at about a kilobyte each no more than a burst is worth. */
#define MAX_UNHEARD 10000

/* How long those who lost their direct connection have to come back. */
#define COMEBACK_MSEC 3000

/* What was told when nobody could be connected to a direct socket yet. */
typedef struct
{
  AglLock *lock;
  gboolean is_end; /* else: that it was granted */
  AglReleaseReason reason;
} Missed;

typedef struct
{
  const char *signal; /* static */
  GVariant *parameters;
} Unheard;

static void
missed_free (gpointer data)
{
  Missed *missed = data;

  agl_lock_unref (missed->lock);
  g_free (missed);
}

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

static GList *
dup_connections (const AglService *service)
{
  return g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (service->object));
}

/* Whose hearing it counts: the bus, whose listeners outlive this service; where there is none, everybody on a
 * direct socket. */
static guint
count_listeners (GList *connections, gboolean *has_bus)
{
  guint n_buses = 0, n_direct = 0;

  for (GList *each = connections; each != NULL; each = each->next)
    if (is_bus (each->data))
      n_buses++;
    else
      n_direct++;
  *has_bus = n_buses > 0;
  return *has_bus ? n_buses : n_direct;
}

gboolean
agl_broadcast_has_bus (const AglService *service)
{
  GList *connections = dup_connections (service);
  gboolean has_bus;

  count_listeners (connections, &has_bus);
  g_list_free_full (connections, g_object_unref);
  return has_bus;
}

/* That a lock was granted or ended is noted as it is written to the last of @n_listeners (told.h), in GDBus's
 * own thread, so that the next service neither says it again nor forgets it should this one be killed. All
 * else about an end is done in the main loop, in its time. NULL: nothing has to be noted. */
static AglNews *
make_news (AglService *service, const char *signal, guint64 id, guint n_listeners)
{
  AglTold *told = agl_lock_store_get_told (service->store);

  if (g_str_equal (signal, "LockAcquired"))
    return agl_news_new_acquired (told, id, n_listeners);
  if (g_str_equal (signal, "LockReleased"))
    return agl_news_new_released (told, id, agl_lock_store_dup_end_path (service->store, id), n_listeners);
  return NULL;
}

/* Nobody is there whom it could be told. */
static void
note_told (AglService *service, const char *signal, guint64 id)
{
  AglNews *news = make_news (service, signal, id, 1);

  g_clear_pointer (&news, agl_news_unref);
}

/* @news: one reference is taken over, or NULL. */
static void
emit (GDBusConnection *connection, const char *signal, GVariant *parameters, AglNews *news)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_signal (AGL_OBJECT_PATH, AGL_INTERFACE, signal);
  g_autoptr (GError) error = NULL;

  g_dbus_message_set_body (message, parameters);
  if (news != NULL)
    agl_message_set_news (message, news);
  if (!g_dbus_connection_send_message (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error))
    g_debug ("%s is not told on a connection that closed: %s", signal, error->message);
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

/* It is going to be told on the direct sockets, in a moment. */
static gboolean
is_missed (const AglService *service, guint64 id)
{
  for (GList *l = service->missed != NULL ? service->missed->head : NULL; l != NULL; l = l->next)
    if (((const Missed *)l->data)->lock->id == id)
      return TRUE;
  return FALSE;
}

static void
let_go_one (AglService *service, GList *connections, const Unheard *unheard)
{
  gboolean has_bus;
  guint n_listeners = count_listeners (connections, &has_bus);
  AglNews *news;
  guint64 id;

  g_variant_get_child (unheard->parameters, 0, "t", &id);
  if (!has_bus)
    {
      if (!is_missed (service, id))
        note_told (service, unheard->signal, id);
      return;
    }
  news = make_news (service, unheard->signal, id, n_listeners);
  for (GList *each = connections; each != NULL; each = each->next)
    if (is_bus (each->data))
      emit (each->data, unheard->signal, unheard->parameters, news);
}

void
agl_broadcast_let_go (AglService *service)
{
  GList *connections;

  if (service->unheard == NULL)
    return;
  connections = dup_connections (service);
  for (GList *l = service->unheard->head; l != NULL; l = l->next)
    let_go_one (service, connections, l->data);
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

/* What both begin with. */
static guint
start_parameters (GVariant **parameters, const AglLock *lock)
{
  const char *path = agl_directory_get_path (lock->directory);

  parameters[0] = g_variant_new_uint64 (lock->id);
  parameters[1] = g_variant_new_take_string (agl_path_to_display (path));
  parameters[2] = g_variant_new_uint32 ((guint32)lock->token.pid);
  return 3;
}

static GVariant *
make_acquired (const AglLock *lock, guint detail, gboolean with_texts)
{
  GVariant *parameters[4];
  guint n = start_parameters (parameters, lock);

  parameters[n++] = agl_lock_facts (lock, with_texts);
  return g_variant_new_tuple (parameters, n);
}

static GVariant *
make_released (const AglLock *lock, guint reason, gboolean with_texts)
{
  GVariant *parameters[5];
  guint n = start_parameters (parameters, lock);

  parameters[n++] = g_variant_new_string (agl_release_reason_to_string ((AglReleaseReason)reason));
  parameters[n++] = agl_lock_facts (lock, with_texts);
  return g_variant_new_tuple (parameters, n);
}

static GVariant *
make_changed (const AglLock *lock, guint what, gboolean with_texts)
{
  GVariant *facts = agl_lock_changed_facts (lock, (AglChange)what, with_texts);

  return facts == NULL ? NULL : g_variant_new ("(t@a{sv})", lock->id, facts);
}

/* Told to those on direct sockets who are back. */
static void
tell_missed (AglService *service, GList *connections, const Missed *missed)
{
  const char *signal = missed->is_end ? "LockReleased" : "LockAcquired";
  MakeParameters make = missed->is_end ? make_released : make_acquired;
  gboolean has_bus;
  guint n_listeners = count_listeners (connections, &has_bus);
  /* With a bus it is noted as it is told there. */
  gboolean counts = !has_bus && service->unheard == NULL;
  AglNews *news = NULL;

  if (counts && n_listeners == 0)
    note_told (service, signal, missed->lock->id);
  else if (counts)
    news = make_news (service, signal, missed->lock->id, n_listeners);
  for (GList *each = connections; each != NULL; each = each->next)
    {
      if (is_bus (each->data))
        continue;
      emit (each->data, signal,
            make (missed->lock, missed->reason, may_hear_texts (service, each->data, missed->lock)), news);
      agl_socket_door_check_backlog (each->data);
    }
}

/* What is told now those will be told who come back to the direct sockets. */
static gboolean
is_remembering (const AglService *service)
{
  return service->missed != NULL && service->missed_timer == 0;
}

/* Nothing is told of a lock before its grant. TRUE when that was told now, with all there is to the lock. */
static gboolean
tell_missed_grant (AglService *service, GList *connections, const AglLock *lock)
{
  gboolean told = FALSE;
  GList *next;

  if (service->missed == NULL || is_remembering (service))
    return FALSE;
  for (GList *l = service->missed->head; l != NULL; l = next)
    {
      Missed *missed = l->data;

      next = l->next;
      if (missed->lock != lock)
        continue;
      tell_missed (service, connections, missed);
      g_queue_delete_link (service->missed, l);
      missed_free (missed);
      told = TRUE;
    }
  return told;
}

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
  GList *connections = dup_connections (service);
  GVariant *parameters[2] = { NULL, NULL };
  gboolean has_bus;
  guint n_listeners = count_listeners (connections, &has_bus);
  gboolean was_missed = tell_missed_grant (service, connections, lock);
  gboolean is_told_directly = was_missed && make == make_changed;
  AglNews *news = NULL;

  if (service->unheard == NULL && n_listeners > 0)
    news = make_news (service, signal, lock->id, n_listeners);
  else if (service->unheard == NULL && !is_remembering (service))
    note_told (service, signal, lock->id);
  for (GList *each = connections; each != NULL; each = each->next)
    {
      gboolean with_texts = may_hear_texts (service, each->data, lock);

      if ((is_bus (each->data) ? service->unheard != NULL : is_told_directly)
          || !ensure_made (&parameters[with_texts], make, lock, detail, with_texts))
        continue;
      emit (each->data, signal, parameters[with_texts], is_bus (each->data) == has_bus ? news : NULL);
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

static void
remember (AglService *service, AglLock *lock, gboolean is_end, AglReleaseReason reason)
{
  Missed *missed;

  if (!is_remembering (service))
    return;
  missed = g_new0 (Missed, 1);
  missed->lock = agl_lock_ref (lock);
  missed->is_end = is_end;
  missed->reason = reason;
  g_queue_push_tail (service->missed, missed);
}

void
agl_broadcast_acquired (AglService *service, AglLock *lock)
{
  broadcast (service, lock, "LockAcquired", make_acquired, 0);
  remember (service, lock, FALSE, 0);
}

void
agl_broadcast_released (AglService *service, AglLock *lock, AglReleaseReason reason)
{
  broadcast (service, lock, "LockReleased", make_released, reason);
  remember (service, lock, TRUE, reason);
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
  GList *connections = dup_connections (service);

  service->missed_timer = 0;
  for (GList *l = service->missed->head; l != NULL; l = l->next)
    tell_missed (service, connections, l->data);
  g_list_free_full (connections, g_object_unref);
  agl_broadcast_drop_missed (service);
  agl_locks_object_announced (service);
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
agl_broadcast_properties (AglService *service, GVariant *changed)
{
  GList *connections =
      g_dbus_interface_skeleton_get_connections (G_DBUS_INTERFACE_SKELETON (service->object));
  g_autoptr (GVariant) parameters =
      g_variant_ref_sink (g_variant_new ("(s@a{sv}as)", AGL_INTERFACE, changed, NULL));

  for (GList *each = connections; each != NULL; each = each->next)
    {
      g_dbus_connection_emit_signal (each->data, NULL, AGL_OBJECT_PATH, "org.freedesktop.DBus.Properties",
                                     "PropertiesChanged", parameters, NULL);
      if (!is_bus (each->data))
        agl_socket_door_check_backlog (each->data);
    }
  g_list_free_full (connections, g_object_unref);
}

void
agl_broadcast_changed (AglService *service, AglLock *lock, AglChange what)
{
  broadcast (service, lock, "LockChanged", make_changed, what);
}
