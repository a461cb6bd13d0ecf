/* SPDX-License-Identifier: MIT */
#include "applet/lock-calls.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>

#include "client/place.h"
#include "common/names.h"

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GVariant *reply =
      g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);

  if (reply != NULL)
    g_task_return_pointer (task, reply, (GDestroyNotify)g_variant_unref);
  else
    g_task_return_error (task, error);
}

/* @parameters is consumed. */
static void
call (GTask *task, const char *method, GVariant *parameters, GUnixFDList *fds)
{
  AglService *service = agl_service_link_get_service (g_task_get_source_object (task));

  g_variant_ref_sink (parameters);
  if (service == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "%s",
                               _ ("The service is away, so nothing was done."));
      g_object_unref (task);
    }
  else
    g_dbus_connection_call_with_unix_fd_list (
        service->connection, service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE, method, parameters,
        agl_service_reply_type (method), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
        AGL_INTERACTIVE_TIMEOUT_MSEC, fds, g_task_get_cancellable (task), on_answer, task);
  g_variant_unref (parameters);
}

void
agl_lock_calls_release (AglServiceLink *link,
                        guint64 id,
                        gboolean force,
                        GCancellable *cancellable,
                        GAsyncReadyCallback done,
                        gpointer user_data)
{
  GTask *task = g_task_new (link, cancellable, done, user_data);
  GVariantBuilder options;

  g_task_set_source_tag (task, agl_lock_calls_release);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "id", g_variant_new_uint64 (id));
  if (force)
    g_variant_builder_add (&options, "{sv}", "force", g_variant_new_boolean (TRUE));
  call (task, "Release", g_variant_new ("(sa{sv})", "", &options), NULL);
}

gboolean
agl_lock_calls_release_finish (AglServiceLink *link, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = NULL;

  g_return_val_if_fail (g_async_result_is_tagged (result, agl_lock_calls_release), FALSE);
  reply = g_task_propagate_pointer (G_TASK (result), error);
  return reply != NULL;
}

void
agl_lock_calls_claim (AglServiceLink *link,
                      const char *directory,
                      const char *reason,
                      guint32 ttl_sec,
                      GCancellable *cancellable,
                      GAsyncReadyCallback done,
                      gpointer user_data)
{
  GTask *task = g_task_new (link, cancellable, done, user_data);
  g_autoptr (GUnixFDList) fds = NULL;
  GVariantBuilder options;
  GError *error = NULL;

  g_task_set_source_tag (task, agl_lock_calls_claim);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "manual", g_variant_new_boolean (TRUE));
  if (reason != NULL && *reason != '\0')
    g_variant_builder_add (&options, "{sv}", "reason", g_variant_new_string (reason));
  if (ttl_sec > 0)
    g_variant_builder_add (&options, "{sv}", "ttl", g_variant_new_uint32 (ttl_sec));
  directory = agl_place_to_bus (directory, &options, &fds, &error);
  if (directory == NULL)
    {
      g_variant_builder_clear (&options);
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  call (task, "Acquire", g_variant_new ("(sa{sv})", directory, &options), fds);
}

guint64
agl_lock_calls_claim_finish (AglServiceLink *link, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  guint64 id;

  g_return_val_if_fail (g_async_result_is_tagged (result, agl_lock_calls_claim), 0);
  reply = g_task_propagate_pointer (G_TASK (result), error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(t)", &id);
  return id;
}
