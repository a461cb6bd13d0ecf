/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "service/acquire-options.h"
#include "service/locks-object.h"
#include "service/peer-stream.h"

static void
on_done (AglLock *lock, const GError *error, gpointer user_data)
{
  AglCall *call = user_data;

  if (lock == NULL)
    agl_call_fail (call, g_error_copy (error), AGL_CALL_OVERRIDABLE);
  else
    agl_call_return (call, g_variant_new ("(t)", lock->id));
}

static void
on_directory (AglCall *call)
{
  AglRequest *request = call->data;

  request->directory = agl_directory_ref (call->directory);
  /* The caller may have hung up while a filesystem kept its call. */
  if (call->caller->is_gone)
    agl_call_fail (call, g_error_new_literal (AGL_ERROR, AGL_ERROR_CANCELLED, "The caller hung up"),
                   AGL_CALL_FINAL);
  else
    agl_keeper_acquire (call->service->keeper, request, on_done, call);
}

static gboolean
is_wanted (gpointer client)
{
  const AglCaller *caller = client;

  GIOStream *stream = g_dbus_connection_get_stream (caller->connection);

  if (caller->is_gone || g_dbus_connection_is_closed (caller->connection))
    return FALSE;
  return !AGL_IS_PEER_STREAM (stream) || !agl_peer_stream_has_hung_up (AGL_PEER_STREAM (stream));
}

static void
find_client (gpointer client, AglFoundFunc func, gpointer user_data)
{
  agl_caller_find (client, func, user_data);
}

static gboolean
set_holder (AglCall *call, const AglAcquireOptions *options, AglCallAppeal *appeal, GError **error)
{
  AglRequest *request = options->request;

  *appeal = AGL_CALL_FINAL;
  request->uid = call->asker.uid;
  if (options->manual)
    return TRUE;
  if (options->pid != 0 || options->pidfd >= 0)
    {
      request->holder =
          agl_call_open_process (call, options->pid, options->pidfd, &request->uid, appeal, error);
      return request->holder != NULL;
    }
  if (call->asker.process == NULL || !agl_process_is_alive (call->asker.process))
    {
      g_set_error_literal (
          error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
          "The calling process is dead or cannot be seen from here, so it cannot hold a lock; "
          "name the holder with pid or pidfd");
      return FALSE;
    }
  request->holder = agl_process_ref (call->asker.process);
  return TRUE;
}

void
agl_acquire_method (AglCall *call)
{
  g_auto (AglAcquireOptions) options = { 0 };
  g_autoptr (GError) error = NULL;
  AglCallAppeal appeal = AGL_CALL_FINAL;
  AglRequest *request;

  if (!agl_acquire_options_parse (call->options, call->service->settings.detect_agents, &options, &error)
      || !set_holder (call, &options, &appeal, &error))
    {
      agl_call_fail (call, g_steal_pointer (&error), appeal);
      return;
    }
  request = options.request;
  request->asker = call->asker;
  if (request->asker.process != NULL)
    agl_process_ref (request->asker.process);
  request->client = call->caller;
  request->is_wanted = is_wanted;
  if (call->caller->name != NULL)
    request->find_client = find_client;
  call->data = agl_request_ref (request);
  call->free_data = (GDestroyNotify)agl_request_unref;
  agl_call_find_directory (call, options.directory_fd,
                           (request->mode & AGL_MODE_SHARED) != 0 ? AGL_ACCESS_SEARCH : AGL_ACCESS_WRITE,
                           on_directory);
}

guint
agl_acquire_method_cancel (AglCaller *caller, const char *ticket)
{
  guint ended = 0;
  GList *next;

  for (GList *link = caller->seeking.head; link != NULL; link = next)
    {
      AglCall *call = link->data;

      next = link->next;
      if (call->body != agl_acquire_method
          || g_strcmp0 (((const AglRequest *)call->data)->ticket, ticket) != 0)
        continue;
      agl_call_abandon (
          call, g_error_new_literal (AGL_ERROR, AGL_ERROR_CANCELLED, "The wait was cancelled by its ticket"));
      ended++;
    }
  return ended;
}
