/* SPDX-License-Identifier: MIT */
#include "applet/lock-calls.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>

#include "client/appeal.h"
#include "client/place.h"
#include "common/error.h"
#include "common/names.h"

/* What is asked; kept with the task, to be asked again elsewhere. */
typedef struct
{
  AglService *service;
  const char *method; /* static */
  GVariant *parameters;
  GUnixFDList *fds;
  GError *refusal;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_clear_pointer (&question->service, agl_service_free);
  g_variant_unref (question->parameters);
  g_clear_object (&question->fds);
  g_clear_error (&question->refusal);
  g_free (question);
}

/* The same service; it may go away for the applet meanwhile. */
static AglService *
copy_service (const AglService *service)
{
  AglService *copy = g_memdup2 (service, sizeof *service);

  g_object_ref (copy->connection);
  copy->bus_name = g_strdup (service->bus_name);
  copy->door = g_strdup (service->door);
  return copy;
}

/* See client/appeal.h: on its socket the machine's service can ask nobody for a password. It blocks, so it
 * has a thread. */
static void
appeal_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Question *question = task_data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AglService) other = NULL;
  GVariant *reply = NULL;
  GError *error = NULL;

  g_main_context_push_thread_default (context);
  other = agl_appeal_find (question->service, question->refusal);
  if (other != NULL)
    reply = agl_service_call (other, question->method, question->parameters, question->fds, &error);
  g_clear_pointer (&other, agl_service_free);
  g_main_context_pop_thread_default (context);
  if (reply != NULL)
    g_task_return_pointer (task, reply, (GDestroyNotify)g_variant_unref);
  else
    g_task_return_error (task, error != NULL ? error : g_steal_pointer (&question->refusal));
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Question *question = g_task_get_task_data (task);
  GError *error = NULL;
  GVariant *reply =
      g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);

  if (reply != NULL)
    g_task_return_pointer (task, reply, (GDestroyNotify)g_variant_unref);
  else if (question->service->may_appeal && g_error_matches (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED))
    {
      question->refusal = error;
      g_task_run_in_thread (task, appeal_in_thread);
    }
  else
    g_task_return_error (task, error);
}

/* @parameters is consumed. */
static void
call (GTask *task, const char *method, GVariant *parameters, GUnixFDList *fds)
{
  AglService *service = agl_service_link_get_service (g_task_get_source_object (task));
  Question *question;

  if (service == NULL)
    {
      g_variant_unref (g_variant_ref_sink (parameters));
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "%s",
                               _ ("The service is away, so nothing was done."));
      g_object_unref (task);
      return;
    }
  question = g_new0 (Question, 1);
  question->service = copy_service (service);
  question->method = method;
  question->parameters = g_variant_ref_sink (parameters);
  g_set_object (&question->fds, fds);
  g_task_set_task_data (task, question, question_free);
  g_dbus_connection_call_with_unix_fd_list (
      service->connection, service->bus_name, AGL_OBJECT_PATH, AGL_INTERFACE, method, question->parameters,
      agl_service_reply_type (method), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
      AGL_INTERACTIVE_TIMEOUT_MSEC, fds, g_task_get_cancellable (task), on_answer, task);
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
