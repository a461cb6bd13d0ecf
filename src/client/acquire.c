/* SPDX-License-Identifier: MIT */
#include "client/acquire.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/appeal.h"
#include "client/blockers-filter.h"
#include "client/blockers-text.h"
#include "client/blockers-watch.h"
#include "client/exit-status.h"
#include "client/failure.h"
#include "client/place.h"
#include "client/signals.h"
#include "client/wait-display.h"
#include "common/error.h"
#include "common/names.h"

/* One wait per process, and tickets are per connection. */
#define TICKET "agentctl-locks"

/* A wait shorter than this is not worth a word. */
#define DISPLAY_DELAY_MSEC 200

/* How long a service that went away is waited for before the wait is given up. */
#define COMEBACK_MSEC 30000

/* A service that lives tells a waiter that his time ran out; one that does not say so in this time is stuck.
 */
#define ANSWER_GRACE_MSEC 5000

/* A service that stops answers its waiters with AGL_ERROR_UNAVAILABLE first. Until it is gone, asking again
 * may meet it once more. */
#define STOPPING_USEC (5 * G_USEC_PER_SEC)

/* How long the answer to a withdrawal is waited for; closing the connection withdraws as well. */
#define WITHDRAWAL_MSEC 2000

typedef struct
{
  const AglOptions *options;
  const char *path;
  AglProcess *holder; /* NULL: options->pid */
  gboolean manual;
  gint64 deadline_usec; /* monotonic; -1: none */

  AglService *service;
  AglBlockersWatch *watch;
  AglWaitDisplay *display;
  guint display_delay;
  gint64 stopped_usec; /* monotonic: when the service last said so; 0: never */

  gboolean asking;
  gboolean has_asked; /* at least once */
  GCancellable *giving_up;
  gboolean has_waited; /* the last question was not answered at once */
  guint64 id;
  GError *error;
  int caught; /* the signal that interrupted us; 0: none */
} Wait;

static gboolean
passes_descriptors (const AglService *service)
{
  return (g_dbus_connection_get_capabilities (service->connection) & G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING)
         != 0;
}

static gboolean
add_pidfd (int fd, GVariantBuilder *builder, GUnixFDList **fds, GError **error)
{
  int handle;

  if (*fds == NULL)
    *fds = g_unix_fd_list_new ();
  handle = g_unix_fd_list_append (*fds, fd, error);
  if (handle < 0)
    return FALSE;
  g_variant_builder_add (builder, "{sv}", "pidfd", g_variant_new_handle (handle));
  return TRUE;
}

gboolean
agl_acquire_add_process (
    AglService *service, pid_t pid, GVariantBuilder *builder, GUnixFDList **fds, GError **error)
{
  int fd = -1;
  gboolean added;

  errno = 0;
#ifdef SYS_pidfd_open
  if (passes_descriptors (service))
    fd = (int)syscall (SYS_pidfd_open, pid, 0); /* Linux 5.3; close-on-exec by itself */
#endif
  if (fd < 0 && errno == ESRCH)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, _ ("there is no process %d"), (int)pid);
      return FALSE;
    }
  if (fd < 0)
    {
      g_variant_builder_add (builder, "{sv}", "pid", g_variant_new_uint32 ((guint32)pid));
      return TRUE;
    }
  added = add_pidfd (fd, builder, fds, error);
  close (fd);
  return added;
}

/* The process that was found, not whoever has its number when it is asked for. */
static gboolean
add_holder (const Wait *self, GVariantBuilder *builder, GUnixFDList **fds, GError **error)
{
  if (self->holder != NULL && passes_descriptors (self->service))
    return add_pidfd (agl_process_get_pidfd (self->holder), builder, fds, error);
  if (self->holder != NULL)
    return agl_acquire_add_process (self->service, agl_process_get_pid (self->holder), builder, fds, error);
  return self->options->pid == 0
         || agl_acquire_add_process (self->service, self->options->pid, builder, fds, error);
}

static void
add_flag (GVariantBuilder *builder, const char *key, gboolean given)
{
  if (given)
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_boolean (TRUE));
}

static void
add_text (GVariantBuilder *builder, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text));
}

static gboolean
waits (const AglOptions *options)
{
  return options->wait && options->wait_msec != 0;
}

static gint64
left_msec (const Wait *self)
{
  gint64 left_usec = self->deadline_usec - g_get_monotonic_time ();

  return self->deadline_usec < 0 ? G_MAXINT64 : MAX (left_usec, 0) / G_TIME_SPAN_MILLISECOND;
}

static void
add_conflict (GVariantBuilder *builder, const Wait *self)
{
  /* As it was given, to begin with: it is told as long as that when it ran out. */
  gint64 left = self->has_asked ? left_msec (self) : self->options->wait_msec;

  if (self->options->join)
    add_text (builder, "conflict", "join");
  else if (self->options->steal)
    add_text (builder, "conflict", "steal");
  else if (waits (self->options))
    {
      add_text (builder, "conflict", "wait");
      add_text (builder, "ticket", TICKET);
      if (self->deadline_usec >= 0)
        g_variant_builder_add (builder, "{sv}", "timeout",
                               g_variant_new_uint32 ((guint32)CLAMP (left, 1, G_MAXUINT32)));
    }
}

/* NULL with @error. */
static GVariant *
make_parameters (const Wait *self, GUnixFDList **fds, GError **error)
{
  const AglOptions *options = self->options;
  GVariantBuilder builder;
  const char *directory;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  directory = agl_place_to_bus (self->path, &builder, fds, error);
  if (directory == NULL || !add_holder (self, &builder, fds, error))
    {
      g_variant_builder_clear (&builder);
      return NULL;
    }
  add_flag (&builder, "manual", self->manual);
  if (options->ttl_sec != 0)
    g_variant_builder_add (&builder, "{sv}", "ttl", g_variant_new_uint32 (options->ttl_sec));
  if (options->no_follow_cwd)
    g_variant_builder_add (&builder, "{sv}", "follow-cwd", g_variant_new_boolean (FALSE));
  add_flag (&builder, "shared", options->shared);
  add_flag (&builder, "subtree", options->subtree);
  add_text (&builder, "agent", options->agent);
  add_text (&builder, "session", options->session);
  add_text (&builder, "reason", options->reason);
  add_conflict (&builder, self);
  return g_variant_new ("(sa{sv})", directory, &builder);
}

/* --- without a wait --- */

static guint64
acquire_at_once (Wait *self, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariant *parameters = make_parameters (self, &fds, error);
  guint64 id;

  if (parameters == NULL)
    return 0;
  reply = agl_service_call (self->service, "Acquire", parameters, fds, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(t)", &id);
  return id;
}

/* --- with one --- */

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Wait *self = user_data;
  g_autoptr (GVariant) reply = NULL;

  reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result,
                                                           &self->error);
  if (reply != NULL)
    g_variant_get (reply, "(t)", &self->id);
  if (g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    self->error->code = G_IO_ERROR_TIMED_OUT;
  self->asking = FALSE;
}

static pid_t
holder_pid (const Wait *self)
{
  if (self->manual)
    return 0;
  if (self->holder != NULL)
    return agl_process_get_pid (self->holder);
  return self->options->pid != 0 ? self->options->pid : getpid ();
}

static void
tell_stuck (const Wait *self, const GError *error)
{
  g_autoptr (GError) explained = g_error_copy (error);

  agl_service_explain_error (self->service, explained);
  agl_failure_print (explained, NULL);
}

static void
on_blockers (gboolean is_free, GVariant *blockers, const GError *error, gpointer user_data)
{
  Wait *self = user_data;

  if (blockers != NULL)
    {
      gboolean others_first;
      g_autoptr (GVariant) ours =
          agl_blockers_filter (blockers, holder_pid (self), self->options->shared, &others_first);

      agl_wait_display_show (self->display, ours, others_first);
    }
  /* Who waits without a limit goes on waiting, but knows what for. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    tell_stuck (self, error);
  if (error != NULL || !agl_wait_display_is_live (self->display))
    g_clear_pointer (&self->watch, agl_blockers_watch_free);
}

static gboolean
on_no_answer (gpointer user_data)
{
  g_cancellable_cancel (((Wait *)user_data)->giving_up);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_display_delay (gpointer user_data)
{
  Wait *self = user_data;

  self->display_delay = 0;
  self->has_waited = TRUE;
  if (!agl_wait_display_is_live (self->display))
    return G_SOURCE_REMOVE;
  if (g_utf8_validate (self->path, -1, NULL))
    self->watch =
        agl_blockers_watch_new (self->service, self->path, self->options->subtree, on_blockers, self);
  else /* which no question names */
    agl_wait_display_show (self->display, g_variant_new_array (G_VARIANT_TYPE_VARDICT, NULL, 0), FALSE);
  return G_SOURCE_REMOVE;
}

static void
stop_display (Wait *self)
{
  g_clear_handle_id (&self->display_delay, g_source_remove);
  g_clear_pointer (&self->watch, agl_blockers_watch_free);
}

static void G_GNUC_NORETURN
die (Wait *self)
{
  stop_display (self);
  g_clear_pointer (&self->display, agl_wait_display_free);
  agl_signals_die (self->caught);
}

static gboolean
on_withdrawal_timeout (gpointer user_data)
{
  die (user_data);
}

/* Withdraws first and dies when that is answered: a lock granted in between would otherwise stay with a
 * holder that nobody launched. */
static void
on_caught (int signal_number, gpointer user_data)
{
  Wait *self = user_data;
  gboolean again = self->caught != 0;

  self->caught = signal_number;
  if (again || !self->asking)
    die (self);
  g_dbus_connection_call (self->service->connection, self->service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE,
                          "Cancel", g_variant_new ("(s)", TICKET), NULL, G_DBUS_CALL_FLAGS_NONE,
                          WITHDRAWAL_MSEC, NULL, NULL, NULL);
  g_timeout_add (WITHDRAWAL_MSEC, on_withdrawal_timeout, self);
}

static void
give_back (Wait *self)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "id", g_variant_new_uint64 (self->id));
  reply = agl_service_call (self->service, "Release", g_variant_new ("(sa{sv})", "", &builder), NULL, &error);
  if (reply == NULL)
    {
      g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, self->id);
      g_autofree char *why = agl_failure_in_one_line (error);

      /* Translators: the number of a lock, then why */
      g_printerr (_ ("agentctl-locks: lock %s was granted and could not be given back: %s\n"), number, why);
    }
}

/* Asks once and waits for the answer. FALSE with @error when it cannot even be asked. */
static gboolean
ask (Wait *self, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  GVariant *parameters = make_parameters (self, &fds, error);
  g_autoptr (GCancellable) giving_up = g_cancellable_new ();
  guint limit = 0;

  if (parameters == NULL)
    return FALSE;
  self->asking = TRUE;
  self->has_asked = TRUE;
  self->giving_up = giving_up;
  if (self->deadline_usec >= 0)
    limit = g_timeout_add ((guint)MIN (left_msec (self), G_MAXINT) + ANSWER_GRACE_MSEC, on_no_answer, self);
  self->has_waited = FALSE;
  /* G_MAXINT is GDBus's "no limit"; its default would end a wait after 25 seconds. */
  g_dbus_connection_call_with_unix_fd_list (
      self->service->connection, self->service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE, "Acquire",
      parameters, agl_service_reply_type ("Acquire"), agl_service_call_flags (self->service), G_MAXINT, fds,
      giving_up, on_answer, self);
  self->display_delay = g_timeout_add (DISPLAY_DELAY_MSEC, on_display_delay, self);
  while (self->asking)
    g_main_context_iteration (NULL, TRUE);
  stop_display (self);
  g_clear_handle_id (&limit, g_source_remove);
  if (self->caught != 0 && self->id != 0)
    give_back (self);
  if (self->caught != 0)
    die (self);
  return TRUE;
}

/* Whether the last answer only means that the service is being restarted. */
static gboolean
is_interrupted (Wait *self)
{
  gint64 now_usec = g_get_monotonic_time ();

  if (agl_exit_is_service_gone (self->error))
    return TRUE;
  if (!g_error_matches (self->error, AGL_ERROR, AGL_ERROR_UNAVAILABLE))
    return FALSE;
  if (self->has_waited)
    self->stopped_usec = now_usec;
  return self->stopped_usec != 0 && now_usec - self->stopped_usec < STOPPING_USEC;
}

/* Somebody is asked for a password only by who said what may need one: to hold it beside others or in their
 * place, or for a process that may be another user's. */
static void
set_interactive (Wait *self)
{
  const AglOptions *options = self->options;

  self->service->interactive =
      (options->join || options->steal || options->pid != 0) && isatty (STDIN_FILENO) != 0;
}

/* The service went away. Its locks outlive it, our place in the queue does not: ask again. */
static gboolean
reconnect (Wait *self, GError **error)
{
  g_autoptr (GError) local = NULL;

  agl_wait_display_show_service_gone (self->display);
  g_clear_pointer (&self->service, agl_service_free);
  self->service =
      agl_service_find_again (&self->options->where, (gint)MIN (COMEBACK_MSEC, left_msec (self)), &local);
  if (left_msec (self) == 0)
    g_set_error_literal (error, AGL_ERROR, AGL_ERROR_TIMED_OUT, _ ("the time ran out"));
  else if (self->service == NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    set_interactive (self);
  return self->service != NULL && left_msec (self) > 0;
}

/* Not permitted here, but perhaps over the system bus: wait there. FALSE: there is no such way. */
static gboolean
appeal (Wait *self)
{
  AglService *other = agl_appeal_find (self->service, self->error);

  if (other == NULL)
    return FALSE;
  agl_service_free (self->service);
  self->service = other;
  g_clear_error (&self->error);
  return TRUE;
}

static guint64
acquire_waiting (Wait *self, GError **error)
{
  self->display = agl_wait_display_new (self->path, self->options->quiet);
  agl_signals_watch (on_caught, self);
  while (ask (self, error))
    {
      if (self->id != 0)
        break;
      if (appeal (self))
        continue;
      if (!is_interrupted (self))
        {
          agl_service_explain_error (self->service, self->error);
          g_propagate_error (error, g_steal_pointer (&self->error));
          break;
        }
      g_clear_error (&self->error);
      if (!reconnect (self, error))
        break;
    }
  agl_signals_unwatch ();
  g_clear_pointer (&self->display, agl_wait_display_free);
  return self->id;
}

/* In English the service's message says it all. In another language who is in the way is asked once more, to
 * say it there: that it may be somebody else by now is why the service's own words stand below. */
static void
name_blockers (const Wait *self, GError *error)
{
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) blockers = NULL;
  g_autofree char *words = NULL;

  if (self->service == NULL || agl_failure_speaks_english () || !g_utf8_validate (self->path, -1, NULL))
    return;
  all = agl_service_ask_blockers (self->service, self->path);
  if (all != NULL)
    blockers = agl_blockers_filter (all, holder_pid (self), self->options->shared, NULL);
  if (blockers != NULL)
    words = agl_blockers_describe_refusal (
        blockers, self->path, isatty (STDERR_FILENO) != 0 ? g_get_home_dir () : NULL, g_get_real_time (),
        geteuid (), error->code == AGL_ERROR_TIMED_OUT);
  if (words != NULL)
    agl_failure_reword (error, words);
}

static gboolean
is_conflict (const GError *error)
{
  return g_error_matches (error, AGL_ERROR, AGL_ERROR_HELD)
         || g_error_matches (error, AGL_ERROR, AGL_ERROR_TIMED_OUT);
}

guint64
agl_acquire (const AglOptions *options, const char *path, AglProcess *holder, gboolean manual, GError **error)
{
  Wait self = { .options = options, .path = path, .holder = holder, .manual = manual, .deadline_usec = -1 };
  g_autoptr (GError) local = NULL;
  guint64 id;

  self.service = agl_service_find (&options->where, TRUE, error);
  if (self.service == NULL)
    return 0;
  if (options->wait && options->wait_msec >= 0)
    self.deadline_usec = g_get_monotonic_time () + options->wait_msec * G_TIME_SPAN_MILLISECOND;
  set_interactive (&self);
  id = waits (options) ? acquire_waiting (&self, &local) : acquire_at_once (&self, &local);
  if (is_conflict (local))
    name_blockers (&self, local);
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  g_clear_pointer (&self.service, agl_service_free);
  return id;
}
