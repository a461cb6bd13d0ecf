/* SPDX-License-Identifier: MIT */
#include "client/service.h"

#include "client/appeal.h"
#include "common/error.h"
#include "common/names.h"

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

AglScope
agl_service_get_scope (AglService *self)
{
  g_autofree char *scope = agl_service_ask_property (self, "Scope");

  return g_strcmp0 (scope, agl_scope_to_string (AGL_SCOPE_SYSTEM)) == 0 ? AGL_SCOPE_SYSTEM : AGL_SCOPE_USER;
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
