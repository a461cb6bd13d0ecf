/* SPDX-License-Identifier: MIT */
#include "service/daemon.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/names.h"
#include "config.h"
#include "service/bare-call.h"
#include "service/broadcast.h"
#include "service/bus-door.h"
#include "service/instance.h"
#include "service/invitation.h"
#include "service/locks-object.h"
#include "service/message-news.h"
#include "service/mini-bus.h"
#include "service/notify.h"
#include "service/shutdown.h"
#include "service/socket-door.h"

/* Of one user on the direct socket: each agent, applet and shell prompt has one for a moment, each waiter one
 * for long. */
#define SPARE_CONNECTIONS_PER_USER 512

/* Calls under way on one connection, besides its waits. */
#define SPARE_PENDING_CALLS 128

/* Towards a reader of signals that does not read: a burst of a few thousand locks fits, an absent reader does
 * not. */
#define MAX_QUEUED_MESSAGES 10000

struct _AglDaemon
{
  AglService service;
  GMainLoop *loop;
  char *runtime_dir, *state_dir, *config;
  int instance; /* that there is one of us; -1: not yet */
  int claims;   /* that nobody else keeps the same claims; -1: not yet, or not to be known */
  gboolean no_bus;
  gboolean started_by_bus;
  guint idle_exit_sec;
  guint idle_timer;
  gint64 idle_since_usec;
  guint64 last_activity;      /* when the idle timer looked */
  guint64 activity_when_away; /* when the bus was missed last */
  guint n_connections;        /* on direct sockets */
  GPtrArray *sockets;         /* AglSocketDoor */
  GPtrArray *buses; /* AglBusDoor: the one that was there at the start, and those invited to since */
};

static gboolean
is_idle (const AglDaemon *self)
{
  AglLockTable *table = agl_keeper_get_table (self->service.keeper);

  return self->service.n_calls == 0 && self->n_connections == 0 && agl_lock_table_count (table) == 0
         && agl_lock_table_count_waiters (table) == 0;
}

/* Looked at once a second, and only where an end was asked for: nothing on the way of a call has to think of
 * it. */
static gboolean
on_idle_timer (gpointer user_data)
{
  AglDaemon *self = user_data;
  gint64 now = g_get_monotonic_time ();
  guint64 activity = self->service.activity;

  if (!is_idle (self) || activity != self->last_activity)
    {
      self->last_activity = activity;
      self->idle_since_usec = now;
      return G_SOURCE_CONTINUE;
    }
  if (now - self->idle_since_usec < (gint64)self->idle_exit_sec * G_USEC_PER_SEC)
    return G_SOURCE_CONTINUE;
  g_message ("Nothing to do for %u s, so the service stops", self->idle_exit_sec);
  g_main_loop_quit (self->loop);
  self->idle_timer = 0;
  return G_SOURCE_REMOVE;
}

static void
on_caller_gone (AglCaller *caller, gpointer user_data)
{
  AglService *service = user_data;

  agl_keeper_cancel (service->keeper, caller, NULL);
}

static void
on_opened (GDBusConnection *connection, gpointer user_data)
{
  AglDaemon *self = user_data;
  g_autoptr (GError) error = NULL;

  self->n_connections++;
  self->service.activity++;
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->service.object), connection,
                                         AGL_OBJECT_PATH, &error))
    {
      g_warning ("Cannot serve a connection: %s", error->message);
      g_dbus_connection_close (connection, NULL, NULL, NULL);
      return;
    }
  agl_mini_bus_attach (connection);
  agl_bare_call_attach (connection);
  agl_message_news_attach (connection);
  g_dbus_connection_start_message_processing (connection);
}

static void
on_closed (GDBusConnection *connection, gpointer user_data)
{
  AglDaemon *self = user_data;
  GDBusInterfaceSkeleton *object = G_DBUS_INTERFACE_SKELETON (self->service.object);

  self->n_connections--;
  if (g_dbus_interface_skeleton_has_connection (object, connection))
    g_dbus_interface_skeleton_unexport_from_connection (object, connection);
  agl_callers_drop_connection (self->service.callers, connection);
}

static gboolean
open_socket (AglDaemon *self, const char *address, GError **error)
{
  const AglDoorPolicy policy = {
    .everybody = self->service.scope == AGL_SCOPE_SYSTEM,
    .max_connections_per_user =
        self->service.settings.keeper.max_waiters_per_user + SPARE_CONNECTIONS_PER_USER,
    .max_queued_messages = MAX_QUEUED_MESSAGES,
    .max_pending_calls = 2 * self->service.settings.keeper.max_waiters_per_user + SPARE_PENDING_CALLS,
  };
  AglSocketDoor *door = agl_socket_door_new (address, policy.everybody ? 0666 : 0600, &policy, on_opened,
                                             on_closed, self, error);

  if (door == NULL)
    return FALSE;
  g_ptr_array_add (self->sockets, door);
  return TRUE;
}

static gboolean
open_sockets (AglDaemon *self, char **listen, GError **error)
{
  g_autofree char *usual = agl_paths_socket_address (self->runtime_dir);

  if (!open_socket (self, usual, error))
    return FALSE;
  for (; listen != NULL && *listen != NULL; listen++)
    if (!open_socket (self, *listen, error))
      return FALSE;
  return TRUE;
}

static void
load_catalog (AglDaemon *self)
{
  g_auto (GStrv) folders = agl_paths_agents_dirs (self->service.scope);
  g_autoptr (AglAgentCatalog) catalog = agl_agent_catalog_load ((const char *const *)folders);

  agl_keeper_set_catalog (self->service.keeper, catalog);
}

static gboolean
is_on_a_bus (const AglDaemon *self)
{
  for (guint i = 0; i < self->buses->len; i++)
    if (agl_bus_door_is_connected (self->buses->pdata[i]))
      return TRUE;
  return FALSE;
}

/* What was held back is told on all of them at once. */
static void
let_go_when_settled (AglDaemon *self)
{
  for (guint i = 0; i < self->buses->len; i++)
    if (!agl_bus_door_is_settled (self->buses->pdata[i]))
      return;
  agl_broadcast_let_go (&self->service);
}

static void
on_bus_settled (AglBusDoor *bus, gpointer user_data)
{
  let_go_when_settled (user_data);
}

static void
give_up (AglDaemon *self, AglBusDoor *bus)
{
  g_ptr_array_remove (self->buses, bus);
  let_go_when_settled (self);
}

/* Which bus, not which spelling of its address: one may have several, and be the one that we lost. What is
 * told would be told twice on a bus that two doors lead to. */
static gboolean
on_bus_reached (AglBusDoor *bus, gpointer user_data)
{
  AglDaemon *self = user_data;
  const char *id = agl_bus_door_get_id (bus);

  for (guint i = 0; id != NULL && i < self->buses->len; i++)
    {
      AglBusDoor *other = self->buses->pdata[i];

      if (other == bus || !agl_bus_door_is_connected (other)
          || g_strcmp0 (agl_bus_door_get_id (other), id) != 0)
        continue;
      g_debug ("The message bus at %s is the one at %s", agl_bus_door_get_address (bus),
               agl_bus_door_get_address (other));
      give_up (self, bus);
      return FALSE;
    }
  return TRUE;
}

/* A session's bus ends with the session and does not come back, while the service goes on for as long as it
 * is of use to anybody: on the bus of another session, or for what it holds. Who comes back invites it again;
 * where all are away, the first is waited for. */
static void
on_bus_away (AglBusDoor *bus, gpointer user_data)
{
  AglDaemon *self = user_data;
  guint64 activity = self->service.activity;

  if (is_on_a_bus (self) || bus != self->buses->pdata[0])
    {
      g_message ("The message bus at %s is given up", agl_bus_door_get_address (bus));
      give_up (self, bus);
      return;
    }
  if (self->started_by_bus && is_idle (self) && activity == self->activity_when_away)
    {
      g_message ("The message bus that the service was started by is gone, and nothing is held: it stops");
      g_main_loop_quit (self->loop);
    }
  self->activity_when_away = activity;
}

static void
join_bus (AglDaemon *self, const char *address, gboolean replace)
{
  static const AglBusDoorHooks hooks = { on_bus_reached, on_bus_settled, on_bus_away };

  for (guint i = 0; i < self->buses->len; i++)
    if (g_str_equal (agl_bus_door_get_address (self->buses->pdata[i]), address))
      {
        agl_bus_door_hurry (self->buses->pdata[i]);
        return;
      }
  g_ptr_array_add (self->buses, agl_bus_door_new (&self->service, address, replace, &hooks, self));
}

void
agl_daemon_accept_invitations (AglDaemon *self)
{
  g_auto (GStrv) addresses = NULL;

  /* Who invites one that stops serves in its stead. */
  if (self->no_bus || self->service.scope == AGL_SCOPE_SYSTEM || self->service.is_stopping)
    return;
  addresses = agl_invitation_take (self->runtime_dir);
  for (char **address = addresses; *address != NULL; address++)
    {
      g_message ("Serving the message bus at %s too", *address);
      join_bus (self, *address, FALSE);
    }
}

void
agl_daemon_reload (AglDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (self->service.is_stopping)
    return; /* and is not READY again */
  agl_notify ("RELOADING=1");
  if (agl_settings_load (&self->service.settings, self->config, self->service.scope, &error))
    agl_keeper_configure (self->service.keeper, &self->service.settings.keeper);
  else
    g_warning ("The configuration stays as it was: %s", error->message);
  load_catalog (self);
  g_message ("Reloaded");
  agl_notify ("READY=1");
}

/* Every holder takes a descriptor, and the soft limit is meant for programs that use select(2). */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit (RLIMIT_NOFILE, &limit) < 0)
    g_message ("Cannot raise the limit of descriptors: %s", g_strerror (errno));
}

static gboolean
start_service (AglDaemon *self, GError **error)
{
  AglService *service = &self->service;

  service->store = agl_lock_store_new (self->runtime_dir, self->state_dir, error);
  if (service->store == NULL)
    return FALSE;
  service->worker = agl_worker_new (NULL);
  service->census = agl_worker_new (NULL);
  service->callers = agl_callers_new (service->impersonate, on_caller_gone, service);
  if (service->scope == AGL_SCOPE_SYSTEM)
    service->turns = agl_turns_new ();
  service->authority = agl_authority_new (service->scope);
  agl_locks_object_new (service);
  service->keeper = agl_keeper_new (service->store, service->worker, &agl_locks_object_hooks, service, error);
  if (service->keeper == NULL)
    return FALSE;
  agl_keeper_configure (service->keeper, &service->settings.keeper);
  load_catalog (self);
  return agl_keeper_restore (service->keeper, error);
}

/* Of two that keep the same claims, each would give away what the other holds: so also where the runtime
 * folders differ, as in a container that shares the home. But a full disk, or a home that
 * knows no locks, proves nobody there. */
static gboolean
claim_folders (AglDaemon *self, const AglDaemonOptions *options, GError **error)
{
  mode_t mode = options->scope == AGL_SCOPE_SYSTEM ? 0755 : 0700;
  g_autoptr (GError) local = NULL;

  self->instance = agl_instance_claim (self->runtime_dir, mode, "--runtime-dir", options->replace, error);
  if (self->instance < 0)
    return FALSE;
  self->claims = agl_instance_claim (self->state_dir, 0700, "--state-dir", options->replace, &local);
  if (self->claims >= 0)
    return TRUE;
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_BUSY)
      || g_error_matches (local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  g_warning ("%s; another instance that keeps the same claims would not be noticed", local->message);
  return TRUE;
}

gboolean
agl_daemon_invite_other (const AglDaemonOptions *options, GError **error)
{
  g_autofree char *bus = agl_bus_door_find_address (options->scope);
  g_autofree char *runtime_dir =
      options->runtime_dir != NULL ? g_strdup (options->runtime_dir) : agl_paths_runtime_dir (options->scope);

  if (bus == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "There is no message bus");
      return FALSE;
    }
  return agl_invitation_send (runtime_dir, bus, error);
}

AglDaemon *
agl_daemon_new (const AglDaemonOptions *options, GMainLoop *loop, GError **error)
{
  g_autoptr (AglDaemon) self = g_new0 (AglDaemon, 1);
  g_autofree char *bus = NULL;
  gboolean is_system = options->scope == AGL_SCOPE_SYSTEM;

  self->instance = self->claims = -1;
  self->loop = g_main_loop_ref (loop);
  self->sockets = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_socket_door_free);
  self->buses = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_bus_door_free);
  self->config = g_strdup (options->config);
  self->runtime_dir =
      options->runtime_dir != NULL ? g_strdup (options->runtime_dir) : agl_paths_runtime_dir (options->scope);
  self->state_dir =
      options->state_dir != NULL ? g_strdup (options->state_dir) : agl_paths_state_dir (options->scope);
  self->service.scope = options->scope;
  self->service.impersonate = is_system;
  self->no_bus = options->no_bus;
  self->started_by_bus = options->started_by_bus;
  self->idle_exit_sec = options->idle_exit_sec;

  raise_descriptor_limit ();
  if (is_system && !agl_subject_rest (error))
    return NULL;
  if (!agl_settings_load (&self->service.settings, options->config, options->scope, error))
    return NULL;
  if (!claim_folders (self, options, error) || !start_service (self, error)
      || !open_sockets (self, options->listen, error))
    return NULL;
  bus = options->no_bus ? NULL : agl_bus_door_find_address (options->scope);
  if (bus != NULL)
    {
      join_bus (self, bus, options->replace);
      agl_broadcast_hold (&self->service);
    }
  /* Before anything new, which comes in the main loop. */
  agl_broadcast_remember (&self->service);
  agl_keeper_announce_restored (self->service.keeper);
  agl_broadcast_remind (&self->service);
  if (self->idle_exit_sec > 0)
    {
      self->idle_since_usec = g_get_monotonic_time ();
      self->idle_timer = g_timeout_add_seconds (1, on_idle_timer, self);
    }
  agl_notify ("READY=1");
  return g_steal_pointer (&self);
}

void
agl_daemon_free (AglDaemon *self)
{
  AglService *service = &self->service;

  agl_notify ("STOPPING=1");
  if (service->store != NULL)
    agl_told_stop (agl_lock_store_get_told (service->store));
  g_clear_handle_id (&self->idle_timer, g_source_remove);
  agl_broadcast_drop_missed (service);
  if (service->keeper != NULL)
    agl_shutdown (service);
  g_ptr_array_unref (self->buses);
  g_ptr_array_unref (self->sockets);
  if (service->object != NULL)
    agl_locks_object_free (service);
  g_clear_pointer (&service->turns, agl_turns_free);
  g_clear_pointer (&service->callers, agl_callers_free);
  g_clear_pointer (&service->keeper, agl_keeper_free);
  g_clear_pointer (&service->authority, agl_authority_free);
  g_clear_pointer (&service->worker, agl_worker_free);
  g_clear_pointer (&service->census, agl_worker_free);
  g_clear_pointer (&service->store, agl_lock_store_free);
  /* Now, and not with the end of the process: a thread that hangs in a filesystem puts that off. */
  if (self->claims >= 0)
    close (self->claims);
  if (self->instance >= 0)
    close (self->instance);
  g_main_loop_unref (self->loop);
  g_free (self->runtime_dir);
  g_free (self->state_dir);
  g_free (self->config);
  g_free (self);
}
