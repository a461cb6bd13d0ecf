/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "core/entitlement.h"
#include "service/locks-object.h"
#include "service/options.h"

static const AglOptionSpec release_specs[] = {
  { "id", "t" }, { "pid", "u" }, { "directory-fd", "h" }, { "force", "b" }, { NULL },
};

static const AglOptionSpec transfer_specs[] = {
  { "pid", "u" }, { "pidfd", "h" }, { "follow-cwd", "b" }, { "force", "b" }, { NULL },
};

typedef struct
{
  AglSelection selection; /* directory: NULL; it is the call's */
  gboolean force;
} Release;

static void
release (AglCall *call)
{
  Release *data = call->data;
  g_autoptr (GError) error = NULL;
  AglReleaseReason reason;
  AglLock *lock;

  data->selection.directory = call->directory;
  lock = agl_entitlement_select (agl_keeper_get_table (call->service->keeper), &call->asker, &data->selection,
                                 &error);
  if (lock == NULL || !agl_entitlement_judge (lock, &call->asker, data->force, &reason, &error)
      || !agl_keeper_release (call->service->keeper, lock, reason, &error))
    {
      agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_OVERRIDABLE);
      return;
    }
  {
    AglKeeper *keeper = call->service->keeper;

    agl_call_return (call, g_variant_new ("(u)", 1u));
    agl_keeper_settle (keeper);
  }
}

static gboolean
parse_release (AglCall *call, Release *data, gint32 *fd_index, GError **error)
{
  g_autoptr (GHashTable) options = agl_options_parse (call->options, release_specs, error);
  guint32 pid;

  if (options == NULL || !agl_options_get_pid (options, "pid", &pid, error))
    return FALSE;
  data->selection.id = agl_options_get_uint64 (options, "id", 0);
  if (agl_options_has (options, "id") && data->selection.id == 0)
    {
      g_set_error_literal (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "Option 'id' is at least 1");
      return FALSE;
    }
  data->force = agl_options_get_boolean (options, "force", FALSE);
  *fd_index = agl_options_get_handle (options, "directory-fd");
  if (pid == 0)
    return TRUE;
  data->selection.pid = agl_call_translate_pid (call, pid, error);
  return data->selection.pid > 0;
}

void
agl_release_method (AglCall *call)
{
  Release *data = g_new0 (Release, 1);
  g_autoptr (GError) error = NULL;
  gint32 fd_index = -1;

  call->data = data;
  call->free_data = g_free;
  if (!parse_release (call, data, &fd_index, &error))
    agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_FINAL);
  else if (data->selection.id != 0 && *call->text == '\0' && fd_index < 0)
    release (call);
  else
    agl_call_find_directory (call, fd_index, AGL_ACCESS_REACH, release);
}

static void
on_transferred (AglLock *lock, const GError *error, gpointer user_data)
{
  AglCall *call = user_data;

  if (lock == NULL)
    agl_call_fail (call, g_error_copy (error), AGL_CALL_OVERRIDABLE);
  else
    agl_call_return (call, NULL);
}

static gboolean
check_transfer (AglCall *call, AglLock *lock, gboolean force, GError **error)
{
  AglReleaseReason unused;

  if (lock == NULL)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_FOUND, "There is no lock %" G_GUINT64_FORMAT, call->id);
      return FALSE;
    }
  return agl_entitlement_judge (lock, &call->asker, force, &unused, error);
}

typedef struct
{
  AglRequest *request;
  AglLock *lock;
} Transfer;

static void
transfer_free (gpointer data)
{
  Transfer *self = data;

  g_clear_pointer (&self->request, agl_request_unref);
  g_clear_pointer (&self->lock, agl_lock_unref);
  g_free (self);
}

static gboolean
prepare_transfer (AglCall *call, Transfer *self, AglCallAppeal *appeal, GError **error)
{
  g_autoptr (GHashTable) options = agl_options_parse (call->options, transfer_specs, error);
  AglLock *lock;
  guint32 pid;
  gint32 pidfd;

  *appeal = AGL_CALL_FINAL;
  if (options == NULL || !agl_options_get_pid (options, "pid", &pid, error)
      || !agl_options_exclude (options, "pid", "pidfd", error))
    return FALSE;
  pidfd = agl_options_get_handle (options, "pidfd");
  if (pid == 0 && pidfd < 0)
    {
      g_set_error_literal (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION,
                           "Transfer needs 'pid' or 'pidfd': the process that is to hold the lock");
      return FALSE;
    }
  lock = agl_lock_table_lookup (agl_keeper_get_table (call->service->keeper), call->id);
  *appeal = AGL_CALL_OVERRIDABLE;
  self->request->force = agl_options_get_boolean (options, "force", FALSE);
  if (!check_transfer (call, lock, self->request->force, error))
    return FALSE;
  self->lock = agl_lock_ref (lock);
  self->request->holder = agl_call_open_process (call, pid, pidfd, &self->request->uid, appeal, error);
  if (self->request->holder == NULL)
    return FALSE;
  /* A claim had no working directory to follow: its new holder has, unless the caller says otherwise. */
  self->request->follow_cwd =
      agl_options_get_boolean (options, "follow-cwd", lock->manual || lock->follow_cwd);
  self->request->mode = lock->mode;
  self->request->directory = agl_directory_ref (lock->directory);
  self->request->asker = call->asker;
  if (self->request->asker.process != NULL)
    agl_process_ref (self->request->asker.process);
  self->request->client = call->caller;
  self->request->timeout_msec = -1;
  return TRUE;
}

void
agl_transfer_method (AglCall *call)
{
  Transfer *self = g_new0 (Transfer, 1);
  g_autoptr (GError) error = NULL;
  AglCallAppeal appeal;

  self->request = agl_request_new ();
  call->data = self;
  call->free_data = transfer_free;
  if (prepare_transfer (call, self, &appeal, &error))
    agl_keeper_transfer (call->service->keeper, self->lock, self->request, on_transferred, call);
  else
    agl_call_fail (call, g_steal_pointer (&error), appeal);
}

void
agl_cancel_method (AglCall *call)
{
  AglKeeper *keeper = call->service->keeper;
  guint ended = agl_acquire_method_cancel (call->caller, call->text)
                + agl_keeper_cancel (keeper, call->caller, call->text);

  agl_call_return (call, g_variant_new ("(b)", ended > 0));
}
