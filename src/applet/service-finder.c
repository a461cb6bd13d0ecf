/* SPDX-License-Identifier: MIT */
#include "applet/service-finder.h"

/* As for the commands: a handshake that takes longer does not end. */
#define CONNECT_TIMEOUT_SEC 10

typedef struct
{
  AglWhere where;
  gboolean start;
} Search;

typedef struct
{
  GTask *task;
  AglService *service; /* without a connection yet */
  GCancellable *cancellable;
  guint timeout;
  gulong chained;
} Connecting;

static void
search_free (gpointer data)
{
  Search *search = data;

  g_free (search->where.address);
  g_free (search);
}

/* In a thread of its own, with a main context of its own. */
static void
search_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AglService) found = NULL;
  const Search *search = task_data;
  GError *error = NULL;

  g_main_context_push_thread_default (context);
  found = search->start ? agl_service_find (&search->where, TRUE, &error)
                        : agl_service_find_running (&search->where, &error);
  /* A connection belongs to the context in which it was made: this one has served. */
  if (found != NULL)
    g_clear_object (&found->connection);
  g_main_context_pop_thread_default (context);
  if (found == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&found), (GDestroyNotify)agl_service_free);
}

static void
connecting_free (Connecting *self)
{
  g_clear_handle_id (&self->timeout, g_source_remove);
  g_cancellable_disconnect (g_task_get_cancellable (self->task), self->chained);
  g_object_unref (self->cancellable);
  g_object_unref (self->task);
  g_clear_pointer (&self->service, agl_service_free);
  g_free (self);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Connecting *self = user_data;
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (connection != NULL)
    {
      self->service->connection = connection;
      self->service->interactive = TRUE;
      g_task_return_pointer (self->task, g_steal_pointer (&self->service), (GDestroyNotify)agl_service_free);
    }
  else if (self->timeout == 0)
    {
      g_clear_error (&error);
      agl_service_set_stuck_error (&error, self->service->door);
      g_task_return_error (self->task, g_steal_pointer (&error));
    }
  else
    g_task_return_error (self->task, g_steal_pointer (&error));
  connecting_free (self);
}

static gboolean
on_timeout (gpointer user_data)
{
  Connecting *self = user_data;

  self->timeout = 0;
  g_cancellable_cancel (self->cancellable);
  return G_SOURCE_REMOVE;
}

static void
on_outer_cancelled (GCancellable *outer, gpointer inner)
{
  g_cancellable_cancel (inner);
}

static void
on_searched (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  g_autoptr (AglService) found = NULL;
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;
  GError *error = NULL;
  Connecting *self;

  found = g_task_propagate_pointer (G_TASK (result), &error);
  if (found == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  self = g_new0 (Connecting, 1);
  self->task = task;
  self->service = g_steal_pointer (&found);
  self->cancellable = g_cancellable_new ();
  self->timeout = g_timeout_add_seconds (CONNECT_TIMEOUT_SEC, on_timeout, self);
  if (g_task_get_cancellable (task) != NULL)
    self->chained = g_cancellable_connect (g_task_get_cancellable (task), G_CALLBACK (on_outer_cancelled),
                                           g_object_ref (self->cancellable), g_object_unref);
  if (self->service->bus_name != NULL)
    flags |= G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_dbus_connection_new_for_address (self->service->door, flags, NULL, self->cancellable, on_connected, self);
}

void
agl_service_finder_find (const AglWhere *where,
                         gboolean start,
                         GCancellable *cancellable,
                         GAsyncReadyCallback done,
                         gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, done, user_data);
  g_autoptr (GTask) search_task = g_task_new (NULL, cancellable, on_searched, task);
  Search *search = g_new0 (Search, 1);

  g_task_set_source_tag (task, agl_service_finder_find);
  search->where = (AglWhere){ where->system, where->user, g_strdup (where->address) };
  search->start = start;
  g_task_set_task_data (search_task, search, search_free);
  g_task_run_in_thread (search_task, search_in_thread);
}

AglService *
agl_service_finder_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
