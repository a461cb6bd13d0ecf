/* SPDX-License-Identifier: MIT */
#include "client/service.h"

#include <glib/gi18n.h>

#include "client/appeal.h"
#include "client/exit-status.h"
#include "common/error.h"
#include "common/names.h"
#include "common/text.h"
#include "config.h"

/* Asked beside what matters, such as an error message: a service that is silent then is not waited for long.
 */
#define PROPERTY_TIMEOUT_MSEC 2000

void
agl_service_free (AglService *self)
{
  g_clear_object (&self->connection);
  g_free (self->bus_name);
  g_free (self->door);
  g_free (self);
}

const GVariantType *
agl_service_reply_type (const char *method)
{
  static const struct
  {
    const char *method, *type;
  } replies[] = {
    { "Acquire", "(t)" },        { "Release", "(u)" }, { "List", "(aa{sv})" }, { "Check", "(baa{sv})" },
    { "Occupants", "(aa{sv})" }, { "Transfer", "()" }, { "Cancel", "(b)" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (replies); i++)
    if (g_str_equal (replies[i].method, method))
      return G_VARIANT_TYPE (replies[i].type);
  g_return_val_if_reached (NULL);
}

/* A property that is a string; NULL when it cannot be told. Caller frees. */
static char *
ask_property (AglService *self, const char *name)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) value = NULL;

  reply = g_dbus_connection_call_sync (self->connection, self->bus_name, AGL_OBJECT_PATH,
                                       "org.freedesktop.DBus.Properties", "Get",
                                       g_variant_new ("(ss)", AGL_INTERFACE, name), G_VARIANT_TYPE ("(v)"),
                                       G_DBUS_CALL_FLAGS_NONE, PROPERTY_TIMEOUT_MSEC, NULL, NULL);
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return NULL;
  return agl_text_escape (g_variant_get_string (value, NULL), -1);
}

AglScope
agl_service_get_scope (AglService *self)
{
  g_autofree char *scope = ask_property (self, "Scope");

  return g_strcmp0 (scope, agl_scope_to_string (AGL_SCOPE_SYSTEM)) == 0 ? AGL_SCOPE_SYSTEM : AGL_SCOPE_USER;
}

static void
replace_error (GError *error, int status, char *message)
{
  g_free (error->message);
  error->domain = AGL_EXIT_ERROR;
  error->code = status;
  error->message = message;
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
explain_other_version (AglService *self, GError *error)
{
  g_autofree char *version = ask_property (self, "Version");
  g_autofree char *shown = agl_text_escape (error->message, -1);

  /* Of the same version: then it means what it says. */
  if (g_strcmp0 (version, AGL_VERSION) == 0)
    return;
  if (version == NULL)
    replace_error (
        error, AGL_EXIT_NO_SERVICE,
        /* Translators: an address, a version, what went wrong */
        g_strdup_printf (_ ("what answers at %s is no agentctl-locks service that this program (version "
                            "%s) knows how to talk to (%s)"),
                         self->door, AGL_VERSION, shown));
  else
    replace_error (
        error, AGL_EXIT_FAILED,
        /* Translators: two versions, what went wrong */
        g_strdup_printf (_ ("the service is version %s and this program is version %s; they do not "
                            "understand each other here (%s). Restart the service after an "
                            "update"),
                         version, AGL_VERSION, shown));
}

void
agl_service_explain_error (AglService *self, GError *error)
{
  g_dbus_error_strip_remote_error (error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT))
    replace_error (error, AGL_EXIT_NO_SERVICE,
                   g_strdup_printf (_ ("the service at %s is stuck: it took the call and did not answer. "
                                       "Restarting it loses no lock"),
                                    self->door));
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
  else if (is_other_version (error))
    explain_other_version (self, error);
}

GDBusCallFlags
agl_service_call_flags (const AglService *self)
{
  return self->interactive ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : G_DBUS_CALL_FLAGS_NONE;
}

static GVariant *
call_here (AglService *self, const char *method, GVariant *parameters, GUnixFDList *fds, GError **error)
{
  g_autoptr (GError) local = NULL;
  GVariant *reply;

  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      self->connection, self->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE, method, parameters,
      agl_service_reply_type (method), agl_service_call_flags (self),
      self->interactive ? AGL_INTERACTIVE_TIMEOUT_MSEC : AGL_CALL_TIMEOUT_MSEC, fds, NULL, NULL, &local);
  if (reply != NULL)
    return reply;
  agl_service_explain_error (self, local);
  g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

GVariant *
agl_service_call (
    AglService *self, const char *method, GVariant *parameters, GUnixFDList *fds, GError **error)
{
  g_autoptr (GVariant) again = g_variant_ref_sink (parameters);
  g_autoptr (GError) refusal = NULL;
  g_autoptr (GError) second = NULL;
  g_autoptr (AglService) appeal = NULL;
  GVariant *reply = call_here (self, method, parameters, fds, &refusal);

  if (reply != NULL)
    return reply;
  appeal = agl_appeal_find (self, refusal);
  if (appeal != NULL)
    reply = call_here (appeal, method, again, fds, &second);
  /* What the service said last counts; that it could not be asked again says nothing. */
  if (second != NULL && second->domain == AGL_ERROR)
    g_propagate_error (error, g_steal_pointer (&second));
  else if (reply == NULL)
    g_propagate_error (error, g_steal_pointer (&refusal));
  return reply;
}

GVariant *
agl_service_get_properties (AglService *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariant *properties;

  reply = g_dbus_connection_call_sync (self->connection, self->bus_name, AGL_OBJECT_PATH,
                                       "org.freedesktop.DBus.Properties", "GetAll",
                                       g_variant_new ("(s)", AGL_INTERFACE), G_VARIANT_TYPE ("(a{sv})"),
                                       G_DBUS_CALL_FLAGS_NONE, AGL_CALL_TIMEOUT_MSEC, NULL, &local);
  if (reply == NULL)
    {
      agl_service_explain_error (self, local);
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  g_variant_get (reply, "(@a{sv})", &properties);
  return properties;
}

guint
agl_service_subscribe (AglService *self, GDBusSignalCallback callback, gpointer user_data)
{
  return g_dbus_connection_signal_subscribe (self->connection, self->bus_name, AGL_INTERFACE, NULL,
                                             AGL_OBJECT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, callback,
                                             user_data, NULL);
}
