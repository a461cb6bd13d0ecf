/* SPDX-License-Identifier: MIT */
#include "client/service.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "client/exit-status.h"
#include "client/signals.h"
#include "common/names.h"
#include "common/paths.h"

/* A peer that accepts a connection and does not get through the handshake in this time is stuck. */
#define CONNECT_TIMEOUT_MSEC 10000

/* How often and how long it is tried whether a service that went away is back; a restart takes less. */
#define AGAIN_INTERVAL_MSEC 250
#define AGAIN_PATIENCE_MSEC 5000

/* When our own start of the service found another one already starting, its socket is there soon. */
#define SETTLE_INTERVAL_USEC (20 * 1000)
#define SETTLE_TRIES         25

/* When it found the last one just stopping, nobody's is: then it starts once more. */
#define START_TRIES 4

/* What may be done where no service runs. */
typedef enum
{
  START_NOTHING,
  START_BY_BUS,   /* ask a bus that knows how */
  START_OURSELVES /* as a last resort */
} StartPolicy;

typedef struct
{
  GDBusConnection *connection;
  GError *error;
  gboolean done;
  gboolean timed_out;
  GCancellable *cancellable;
} Attempt;

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Attempt *attempt = user_data;

  attempt->connection = g_dbus_connection_new_for_address_finish (result, &attempt->error);
  attempt->done = TRUE;
}

static gboolean
on_connect_timeout (gpointer user_data)
{
  Attempt *attempt = user_data;

  attempt->timed_out = TRUE;
  g_cancellable_cancel (attempt->cancellable);
  return G_SOURCE_REMOVE;
}

AglService *
agl_service_connect (const char *address, const char *bus_name, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  g_autoptr (GSource) timeout = g_timeout_source_new (CONNECT_TIMEOUT_MSEC);
  GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;
  Attempt attempt = { .cancellable = cancellable };
  AglService *self;

  if (bus_name != NULL)
    flags |= G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  /* Asynchronously only for the sake of the time limit, which the synchronous form has not. */
  g_source_set_callback (timeout, on_connect_timeout, &attempt, NULL);
  g_source_attach (timeout, context);
  g_dbus_connection_new_for_address (address, flags, NULL, cancellable, on_connected, &attempt);
  while (!attempt.done)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (timeout);
  agl_signals_restore_pipe ();

  if (attempt.connection == NULL && attempt.timed_out)
    {
      g_error_free (attempt.error);
      agl_service_set_stuck_error (error, address);
      return NULL;
    }
  if (attempt.connection == NULL)
    {
      g_propagate_error (error, attempt.error);
      return NULL;
    }
  self = g_new0 (AglService, 1);
  self->connection = attempt.connection;
  self->bus_name = g_strdup (bus_name);
  self->door = g_strdup (address);
  return self;
}

/* NULL without @error: nobody is there. */
static AglService *
try_direct (AglScope scope, GError **error)
{
  g_autofree char *runtime_dir = agl_paths_runtime_dir (scope);
  g_autofree char *path = agl_paths_socket (runtime_dir);
  g_autofree char *address = agl_paths_socket_address (runtime_dir);
  g_autoptr (GError) local = NULL;
  AglService *self;

  if (access (path, F_OK) < 0)
    return NULL;
  self = agl_service_connect (address, NULL, &local);
  if (self != NULL)
    {
      self->may_appeal = scope == AGL_SCOPE_SYSTEM;
      return self;
    }
  /* A socket file without a listener is what a killed service leaves. */
  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED)
      || g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return NULL;
  if (local->domain == AGL_EXIT_ERROR)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    {
      g_autofree char *message =
          /* Translators: an address, what went wrong */
          g_strdup_printf (_ ("cannot talk to the service at %s: %s"), address, local->message);

      g_set_error_literal (error, local->domain, local->code, message);
    }
  return NULL;
}

static void
set_nobody_error (GError **error, const char *address, const GError *reason)
{
  /* Translators: an address, what went wrong */
  g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE, _ ("nobody answers at %s: %s"), address,
               reason->message);
}

static GVariant *
ask_bus (
    GDBusConnection *bus, const char *method, GVariant *parameters, const char *reply_type, GError **error)
{
  return g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", method, parameters, G_VARIANT_TYPE (reply_type),
                                      G_DBUS_CALL_FLAGS_NONE, AGL_CALL_TIMEOUT_MSEC, NULL, error);
}

/* Whether the service is on the bus, started where the bus knows how and @policy lets it. Errors:
 * AGL_EXIT_NO_SERVICE; none where it was merely not to be started. */
static gboolean
is_there (AglService *self, StartPolicy policy, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GVariant) owned =
      ask_bus (self->connection, "NameHasOwner", g_variant_new ("(s)", AGL_BUS_NAME), "(b)", &local);
  g_autoptr (GVariant) started = NULL;
  gboolean has_owner = FALSE;

  if (owned != NULL)
    g_variant_get (owned, "(b)", &has_owner);
  /* Only now: of a name that runs without an activation file, dbus-daemon 1.14 says here that it is
   * unknown. */
  if (owned != NULL && !has_owner && policy != START_NOTHING)
    started = ask_bus (self->connection, "StartServiceByName", g_variant_new ("(su)", AGL_BUS_NAME, 0), "(u)",
                       &local);
  if (has_owner || started != NULL)
    return TRUE;
  if (local == NULL) /* it was not to be started */
    return FALSE;
  g_dbus_error_strip_remote_error (local);
  set_nobody_error (error, self->door, local);
  return FALSE;
}

/* Asks a bus for the service. NULL: not to be had there. */
static AglService *
try_bus (const char *address, StartPolicy policy)
{
  g_autoptr (AglService) self = agl_service_connect (address, AGL_BUS_NAME, NULL);

  return self != NULL && is_there (self, policy, NULL) ? g_steal_pointer (&self) : NULL;
}

/* Whether asking the system bus is worth its round trips: most machines have no system instance, and one that
 * runs has its direct socket. */
static gboolean
system_bus_may_know (void)
{
  static const char *const folders[] = { "/usr/share", "/usr/local/share", "/etc", "/run", "/lib" };

  if (g_getenv ("DBUS_SYSTEM_BUS_ADDRESS") != NULL)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *file =
          g_build_filename (folders[i], "dbus-1", "system-services", AGL_BUS_NAME ".service", NULL);

      if (access (file, F_OK) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Whether the search ends here: @self is found, or @local is an error that finding another one would hide. */
static gboolean
is_over (const AglService *self, GError **local, GError **error)
{
  if (*local == NULL)
    return self != NULL;
  g_propagate_error (error, g_steal_pointer (local));
  return TRUE;
}

/* NULL without @error: this machine has none. */
static AglService *
try_system (gboolean with_bus, StartPolicy policy, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *address = NULL;
  AglService *self = try_direct (AGL_SCOPE_SYSTEM, &local);

  if (is_over (self, &local, error))
    return self;
  if (!with_bus)
    return NULL;
  address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);
  return address == NULL ? NULL : try_bus (address, policy);
}

/* The session bus that is there; GDBus would start one by itself ("autolaunch:"), which nobody asked for. */
char *
agl_service_session_bus_address (void)
{
  const char *given = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  g_autofree char *runtime_dir = agl_paths_runtime_dir (AGL_SCOPE_USER);
  g_autofree char *parent = g_path_get_dirname (runtime_dir);
  g_autofree char *path = NULL;
  g_autofree char *escaped = NULL;

  if (given != NULL)
    return *given == '\0' || g_str_has_prefix (given, "autolaunch:") ? NULL : g_strdup (given);
  /* Beside our own folder, wherever that is when $XDG_RUNTIME_DIR is not set. */
  path = g_build_filename (parent, "bus", NULL);
  if (access (path, F_OK) < 0)
    return NULL;
  escaped = g_dbus_address_escape_value (path);
  return g_strconcat ("unix:path=", escaped, NULL);
}

/* NULL without @error: nobody is there yet. */
static AglService *
settle (GError **error)
{
  for (guint i = 0; i < SETTLE_TRIES; i++)
    {
      g_autoptr (GError) local = NULL;
      AglService *self = try_direct (AGL_SCOPE_USER, &local);

      if (self != NULL)
        return self;
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
      g_usleep (SETTLE_INTERVAL_USEC);
    }
  return NULL;
}

/* Not started may mean that someone else's start was quicker (two commands at once both want the service, and
 * one gets to run it), or that the last one has closed its socket and not yet ended. */
static AglService *
start_and_connect (GError **error)
{
  g_autofree char *runtime_dir = agl_paths_runtime_dir (AGL_SCOPE_USER);
  g_autoptr (GError) start_error = NULL;

  for (guint i = 0; i < START_TRIES; i++)
    {
      g_autoptr (GError) local = NULL;
      AglService *self;

      g_clear_error (&start_error);
      (void)agl_service_start (runtime_dir, &start_error);
      self = settle (&local);
      if (self != NULL)
        return self;
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
      if (start_error == NULL)
        break;
    }
  if (start_error != NULL)
    g_propagate_error (error, g_steal_pointer (&start_error));
  else
    g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                 _ ("the service was started and says that it is ready, but there is nobody at %s/bus"),
                 runtime_dir);
  return NULL;
}

static AglService *
find_user (StartPolicy policy, GError **error)
{
  g_autofree char *bus = NULL;
  g_autoptr (GError) local = NULL;
  AglService *self = try_direct (AGL_SCOPE_USER, &local);

  if (is_over (self, &local, error))
    return self;
  bus = agl_service_session_bus_address ();
  self = bus == NULL ? NULL : try_bus (bus, policy);
  if (self != NULL)
    return self;
  if (policy == START_OURSELVES)
    return start_and_connect (error);
  g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                       _ ("the service of this user does not run"));
  return NULL;
}

static AglService *
find_address (const char *address, GError **error)
{
  g_autoptr (GError) local = NULL;
  AglService *self;

  if (!g_dbus_is_address (address))
    {
      g_set_error (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE,
                   _ ("“%s” is no D-Bus address; one looks like unix:path=/run/user/1000/agentctl-locks/bus"),
                   address);
      return NULL;
    }
  /* A direct socket answers as a bus does, so one way fits both. */
  self = agl_service_connect (address, AGL_BUS_NAME, &local);
  if (self == NULL && local->domain == AGL_EXIT_ERROR)
    g_propagate_error (error, g_steal_pointer (&local));
  else if (self == NULL)
    set_nobody_error (error, address, local);
  return self;
}

static AglService *
find (const AglWhere *where, StartPolicy policy, GError **error)
{
  const char *address = where->address;
  g_autoptr (GError) local = NULL;
  AglService *self;

  if (address == NULL && !where->system && !where->user)
    address = g_getenv (AGL_ADDRESS_ENV);
  if (address != NULL && *address != '\0')
    return find_address (address, error);
  if (where->user)
    return find_user (policy, error);
  self = try_system (where->system || system_bus_may_know (), policy, &local);
  if (is_over (self, &local, error))
    return self;
  if (!where->system)
    return find_user (policy, error);
  g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE,
                       _ ("this machine has no system-wide agentctl-locks service, or it does not run: "
                          "systemctl start agentctl-locks"));
  return NULL;
}

AglService *
agl_service_find (const AglWhere *where, gboolean may_start, GError **error)
{
  return find (where, may_start ? START_OURSELVES : START_BY_BUS, error);
}

AglService *
agl_service_find_running (const AglWhere *where, GError **error)
{
  return find (where, START_NOTHING, error);
}

static gboolean
on_again (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
pause_in_main_context (guint msec)
{
  gboolean over = FALSE;

  g_timeout_add (msec, on_again, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

AglService *
agl_service_find_again (const AglWhere *where, gint limit_msec, GError **error)
{
  gint64 start = g_get_monotonic_time ();

  while (TRUE)
    {
      g_autoptr (GError) local = NULL;
      gint64 passed_msec;
      gboolean may_start;
      AglService *self;

      /* First of all: what has just gone may still be on its way out. */
      pause_in_main_context (AGAIN_INTERVAL_MSEC);
      passed_msec = (g_get_monotonic_time () - start) / G_TIME_SPAN_MILLISECOND;
      may_start = limit_msec >= 0 && passed_msec >= AGAIN_PATIENCE_MSEC;
      self = agl_service_find (where, may_start, &local);
      /* A bus that is there says nothing of the service. */
      if (self != NULL && (self->bus_name == NULL || is_there (self, START_BY_BUS, &local)))
        return self;
      g_clear_pointer (&self, agl_service_free);
      if (may_start || (limit_msec >= 0 && passed_msec >= limit_msec) || !agl_exit_is_service_gone (local))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
    }
}
