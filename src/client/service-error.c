/* SPDX-License-Identifier: MIT */
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <string.h>

#include "client/exit-status.h"
#include "client/failure.h"
#include "client/service.h"
#include "common/error.h"
#include "common/names.h"
#include "common/text.h"
#include "config.h"
#include "core/proc-text.h"

/* What a person is told when a call fails: whether the service is older, newer, absent or stuck, which one it
 * is, and what to do. */

/* Asked beside what matters, such as an error message: a service that is silent then is not waited for long.
 */
#define QUICK_TIMEOUT_MSEC 2000

static GVariant *
ask_quickly (
    AglService *self, const char *interface, const char *method, GVariant *parameters, const char *reply)
{
  return g_dbus_connection_call_sync (self->connection, self->bus_name, AGL_OBJECT_PATH, interface, method,
                                      parameters, G_VARIANT_TYPE (reply), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                      QUICK_TIMEOUT_MSEC, NULL, NULL);
}

char *
agl_service_ask_property (AglService *self, const char *name)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) value = NULL;

  reply = ask_quickly (self, "org.freedesktop.DBus.Properties", "Get",
                       g_variant_new ("(ss)", AGL_INTERFACE, name), "(v)");
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return NULL;
  return agl_text_escape (g_variant_get_string (value, NULL), -1);
}

GVariant *
agl_service_ask_blockers (AglService *self, const char *directory)
{
  g_autoptr (GVariant) reply =
      ask_quickly (self, AGL_INTERFACE, "Check", g_variant_new ("(s)", directory), "(baa{sv})");
  GVariant *blockers = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(b@aa{sv})", NULL, &blockers);
  return blockers;
}

/* --- which process the service is --- */

static pid_t
stream_pid (GIOStream *stream)
{
  g_autoptr (GCredentials) credentials = NULL;

  if (!G_IS_SOCKET_CONNECTION (stream))
    return 0;
  /* SO_PEERCRED (unix(7)): whoever called listen(2), which needs nothing of him now. */
  credentials =
      g_socket_get_credentials (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), NULL);
  return credentials == NULL ? 0 : MAX (g_credentials_get_unix_pid (credentials, NULL), 0);
}

pid_t
agl_service_get_pid (AglService *self)
{
  g_autoptr (GVariant) reply = NULL;
  guint32 pid = 0;

  if (self->bus_name == NULL)
    return stream_pid (g_dbus_connection_get_stream (self->connection));
  reply = g_dbus_connection_call_sync (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                       g_variant_new ("(s)", self->bus_name), G_VARIANT_TYPE ("(u)"),
                                       G_DBUS_CALL_FLAGS_NO_AUTO_START, QUICK_TIMEOUT_MSEC, NULL, NULL);
  /* Silent itself: then it is no bus that stands in between. */
  if (reply == NULL)
    return stream_pid (g_dbus_connection_get_stream (self->connection));
  g_variant_get (reply, "(u)", &pid);
  return (pid_t)pid;
}

/* Of whoever listens at @address; 0: cannot be told without waiting. */
static pid_t
address_pid (const char *address)
{
  g_autoptr (GIOStream) stream = NULL;

  if (!g_str_has_prefix (address, "unix:"))
    return 0;
  stream = g_dbus_address_get_stream_sync (address, NULL, NULL, NULL);
  return stream == NULL ? 0 : stream_pid (stream);
}

/* By SIGSTOP, a debugger or a shell's job control (proc_pid_stat(5), field 3). */
static gboolean
is_stopped (pid_t pid)
{
  char text[AGL_PROC_TEXT_BYTES];
  char path[32];
  const char *end;
  gsize n_bytes;

  g_snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!agl_proc_read_text (path, text, &n_bytes))
    return FALSE;
  end = strrchr (text, ')');
  return end != NULL && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

static char *
describe_stuck (const char *door, pid_t pid)
{
  if (pid == 0)
    /* Translators: %s is an address */
    return g_strdup_printf (_ ("the service at %s is stuck: it does not answer. Restarting it loses no lock"),
                            door);
  if (is_stopped (pid))
    return g_strdup_printf (
        /* Translators: the number of a process, an address, the number of the process again */
        _ ("the service, process %d at %s, is stopped and does not answer; let it go on with: kill -CONT %d"),
        (int)pid, door, (int)pid);
  return g_strdup_printf (
      /* Translators: the number of a process, an address, the number of the process again */
      _ ("the service, process %d at %s, is stuck: it does not answer. Ending it loses no lock: kill -KILL "
         "%d; "
         "then try again"),
      (int)pid, door, (int)pid);
}

void
agl_service_set_stuck_error (GError **error, const char *address)
{
  g_autofree char *message = describe_stuck (address, address_pid (address));

  g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_NO_SERVICE, message);
}

/* --- which version it is --- */

/* "1.10.2" is newer than "1.9". */
static int
compare_versions (const char *a, const char *b)
{
  g_auto (GStrv) first = g_strsplit (a, ".", -1);
  g_auto (GStrv) second = g_strsplit (b, ".", -1);
  guint n_first = g_strv_length (first), n_second = g_strv_length (second);

  for (guint i = 0; i < MAX (n_first, n_second); i++)
    {
      guint64 one = i < n_first ? g_ascii_strtoull (first[i], NULL, 10) : 0;
      guint64 two = i < n_second ? g_ascii_strtoull (second[i], NULL, 10) : 0;

      if (one != two)
        return one < two ? -1 : 1;
    }
  return 0;
}

static gboolean
is_other_version (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_SIGNATURE)
         || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT) /* a reply of another type */
         || g_error_matches (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION);
}

static void
replace_error (GError *error, int status, char *message)
{
  g_free (error->message);
  error->domain = AGL_EXIT_ERROR;
  error->code = status;
  error->message = message;
}

/* FALSE: it is of the same version, so it means what it says. */
static gboolean
explain_other_version (AglService *self, GError *error)
{
  g_autofree char *version = agl_service_ask_property (self, "Version");
  g_autofree char *shown = agl_text_escape (error->message, -1);
  int order = version == NULL ? 0 : compare_versions (version, AGL_VERSION);

  if (version == NULL)
    replace_error (
        error, AGL_EXIT_NO_SERVICE,
        /* Translators: an address, a version, what went wrong */
        g_strdup_printf (_ ("what answers at %s is no agentctl-locks service that this program (version "
                            "%s) knows how to talk to (%s)"),
                         self->door, AGL_VERSION, shown));
  else if (order < 0)
    replace_error (error, AGL_EXIT_FAILED,
                   g_strdup_printf (
                       /* Translators: two versions, what the service said in English */
                       _ ("the service is older (version %s) than this program (version %s) and does not "
                          "know what it was "
                          "asked: %s. Restart the service after an update; no lock is lost"),
                       version, AGL_VERSION, shown));
  else if (order > 0)
    replace_error (error, AGL_EXIT_FAILED,
                   g_strdup_printf (
                       /* Translators: two versions, what the service said in English */
                       _ ("the service is newer (version %s) than this program (version %s) and cannot be "
                          "asked in this way "
                          "any more: %s. Update this program"),
                       version, AGL_VERSION, shown));
  return version == NULL || order != 0;
}

void
agl_service_explain_error (AglService *self, GError *error)
{
  gboolean is_remote = g_dbus_error_is_remote_error (error);

  g_dbus_error_strip_remote_error (error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT))
    replace_error (error, AGL_EXIT_NO_SERVICE, describe_stuck (self->door, agl_service_get_pid (self)));
  else if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
           || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    replace_error (
        error, AGL_EXIT_NO_SERVICE,
        g_strdup_printf (_ ("there is no agentctl-locks service at %s, and none that could be started there"),
                         self->door));
  else if (agl_exit_is_service_gone (error))
    replace_error (
        error, AGL_EXIT_NO_SERVICE,
        g_strdup_printf (_ ("the service at %s went away before it answered; ask again"), self->door));
  else if (is_other_version (error) && explain_other_version (self, error))
    return;
  else if (is_remote && error->domain == AGL_ERROR)
    agl_failure_translate (error);
}
