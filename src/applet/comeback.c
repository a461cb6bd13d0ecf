/* SPDX-License-Identifier: MIT */
#include "applet/comeback.h"

#include <gio/gio.h>
#include <string.h>

#include "client/service.h"
#include "common/names.h"
#include "common/paths.h"

#define FIRST_PAUSE_MSEC 1000
#define MAX_PAUSE_MSEC   (30 * 1000)

/* A socket is bound first and listened at next: looking this much later finds both done. */
#define SETTLE_MSEC 100

#define UNIX_PREFIX "unix:path="

struct _AglComeback
{
  void (*look) (gpointer user_data);
  gpointer user_data;
  GPtrArray *monitors; /* GFileMonitor */
  guint names[2];
  guint timer;
  guint pause_msec;
};

static gboolean on_timer (gpointer user_data);

static void
wait_for (AglComeback *self, guint msec)
{
  g_clear_handle_id (&self->timer, g_source_remove);
  self->timer = g_timeout_add (msec, on_timer, self);
}

static gboolean
on_timer (gpointer user_data)
{
  AglComeback *self = user_data;

  self->timer = 0;
  self->pause_msec = MIN (self->pause_msec * 2, MAX_PAUSE_MSEC);
  wait_for (self, self->pause_msec);
  self->look (self->user_data);
  return G_SOURCE_REMOVE;
}

static void
on_sign (AglComeback *self)
{
  self->pause_msec = FIRST_PAUSE_MSEC;
  wait_for (self, SETTLE_MSEC);
}

static void
on_file (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user_data)
{
  if (event == G_FILE_MONITOR_EVENT_CREATED || event == G_FILE_MONITOR_EVENT_RENAMED
      || event == G_FILE_MONITOR_EVENT_MOVED_IN)
    on_sign (user_data);
}

static void
on_name (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  on_sign (user_data);
}

/* A folder that is not there yet is looked for by GIO itself. */
static void
watch_socket (AglComeback *self, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  GFileMonitor *monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);

  if (monitor == NULL)
    {
      g_debug ("%s cannot be watched: %s", path, error->message);
      return;
    }
  g_signal_connect (monitor, "changed", G_CALLBACK (on_file), self);
  g_ptr_array_add (self->monitors, monitor);
}

static void
watch_scope (AglComeback *self, AglScope scope)
{
  g_autofree char *runtime_dir = agl_paths_runtime_dir (scope);
  g_autofree char *path = agl_paths_socket (runtime_dir);
  g_autofree char *session = NULL;
  GBusType bus = G_BUS_TYPE_SYSTEM;

  watch_socket (self, path);
  if (scope == AGL_SCOPE_USER)
    {
      session = agl_service_session_bus_address ();
      bus = G_BUS_TYPE_SESSION;
      if (session == NULL)
        return;
    }
  self->names[scope] =
      g_bus_watch_name (bus, AGL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_name, NULL, self, NULL);
}

static void
watch_address (AglComeback *self, const char *address)
{
  g_autofree char *value = NULL;
  g_autofree char *path = NULL;

  if (!g_str_has_prefix (address, UNIX_PREFIX))
    return;
  value = g_strndup (address + strlen (UNIX_PREFIX), strcspn (address + strlen (UNIX_PREFIX), ",;"));
  path = g_uri_unescape_string (value, NULL);
  if (path != NULL)
    watch_socket (self, path);
}

AglComeback *
agl_comeback_new (const AglWhere *where, void (*look) (gpointer user_data), gpointer user_data)
{
  AglComeback *self = g_new0 (AglComeback, 1);
  const char *address = where->address;

  self->look = look;
  self->user_data = user_data;
  self->monitors = g_ptr_array_new_with_free_func (g_object_unref);
  self->pause_msec = FIRST_PAUSE_MSEC;
  if (address == NULL && !where->system && !where->user)
    address = g_getenv (AGL_ADDRESS_ENV);
  if (address != NULL && *address != '\0')
    watch_address (self, address);
  else
    {
      if (!where->user)
        watch_scope (self, AGL_SCOPE_SYSTEM);
      if (!where->system)
        watch_scope (self, AGL_SCOPE_USER);
    }
  wait_for (self, self->pause_msec);
  return self;
}

void
agl_comeback_free (AglComeback *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->names); i++)
    g_clear_handle_id (&self->names[i], g_bus_unwatch_name);
  for (guint i = 0; i < self->monitors->len; i++)
    {
      g_signal_handlers_disconnect_by_data (self->monitors->pdata[i], self);
      g_file_monitor_cancel (self->monitors->pdata[i]);
    }
  g_ptr_array_unref (self->monitors);
  g_clear_handle_id (&self->timer, g_source_remove);
  g_free (self);
}
