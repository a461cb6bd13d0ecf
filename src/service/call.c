/* SPDX-License-Identifier: MIT */
#include "service/call.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "common/error.h"
#include "common/user.h"
#include "core/process-namespace.h"
#include "service/locks-object.h"

static void
call_free (AglCall *call)
{
  if (call->caller != NULL)
    {
      call->caller->n_calls--;
      agl_caller_unref (call->caller);
    }
  call->service->n_calls--;
  g_clear_pointer (&call->directory, agl_directory_unref);
  if (call->free_data != NULL)
    call->free_data (call->data);
  g_clear_pointer (&call->options, g_variant_unref);
  g_free (call->text);
  g_free (call);
}

void
agl_call_return (AglCall *call, GVariant *value)
{
  g_dbus_method_invocation_return_value (g_steal_pointer (&call->invocation), value);
  call_free (call);
}

/* However far it came: the one who asked got no lock. */
static void
count_refusal (AglService *service, AglCallStep body)
{
  if (body == agl_acquire_method)
    agl_keeper_count_refusal (service->keeper);
}

static void
fail_now (AglCall *call, GError *error)
{
  count_refusal (call->service, call->body);
  /* Not its message, which may have the reason that a holder gave. */
  g_debug ("Call refused: %s", error->domain == AGL_ERROR ? agl_error_nick ((AglError)error->code)
                                                          : g_quark_to_string (error->domain));
  g_dbus_method_invocation_take_error (g_steal_pointer (&call->invocation), error);
  call_free (call);
}

#define STOPPING "The service is stopping; what is held stays held. Ask again in a moment"

static gboolean
ends_with_service (AglCall *call)
{
  if (!call->service->is_stopping)
    return FALSE;
  fail_now (call, g_error_new_literal (AGL_ERROR, AGL_ERROR_UNAVAILABLE, STOPPING));
  return TRUE;
}

/* Back to where the body found the call. */
static void
rewind_call (AglCall *call)
{
  g_clear_pointer (&call->directory, agl_directory_unref);
  if (call->free_data != NULL)
    call->free_data (call->data);
  call->free_data = NULL;
  call->data = NULL;
}

typedef struct
{
  AglCall *call;
  GError *refusal;
} Appeal;

static void
on_authority (gboolean allowed, gpointer user_data)
{
  Appeal *appeal = user_data;
  AglCall *call = appeal->call;
  g_autoptr (GError) refusal = g_steal_pointer (&appeal->refusal);
  const char *who_may = agl_authority_describe (call->service->authority, call->caller);

  g_free (appeal);
  if (ends_with_service (call))
    return;
  /* Who has hung up while somebody was asked for a password wants nothing any more. */
  if (!allowed || call->caller->is_gone)
    {
      fail_now (call, who_may == NULL ? g_steal_pointer (&refusal)
                                      : g_error_new (refusal->domain, refusal->code, "%s (%s)",
                                                     refusal->message, who_may));
      return;
    }
  call->asker.privileged = TRUE;
  rewind_call (call);
  agl_keeper_look (call->service->keeper);
  call->body (call);
}

void
agl_call_fail (AglCall *call, GError *error, AglCallAppeal how)
{
  GDBusMessageFlags flags =
      g_dbus_message_get_flags (g_dbus_method_invocation_get_message (call->invocation));
  Appeal *appeal;

  if (how == AGL_CALL_FINAL || call->asked_authority || call->asker.privileged
      || !g_error_matches (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED))
    {
      fail_now (call, error);
      return;
    }
  call->asked_authority = TRUE;
  appeal = g_new0 (Appeal, 1);
  appeal->call = call;
  appeal->refusal = error;
  agl_authority_check (call->service->authority, call->caller,
                       (flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0, on_authority,
                       appeal);
}

static void
run_body (gpointer data)
{
  AglCall *call = data;

  if (ends_with_service (call))
    return;
  agl_keeper_look (call->service->keeper);
  /* Who sends word that something is over may go; a lock is for who hears of it. */
  if (call->caller->is_gone && call->body == agl_acquire_method)
    fail_now (call, g_error_new_literal (AGL_ERROR, AGL_ERROR_CANCELLED, "The caller hung up"));
  else
    call->body (call);
}

static void
on_identified (AglCaller *caller, const GError *error, gpointer user_data)
{
  AglCall *call = user_data;
  GError *too_many = NULL;

  if (ends_with_service (call))
    return;
  if (caller == NULL)
    {
      fail_now (call, g_error_copy (error));
      return;
    }
  call->caller = agl_caller_ref (caller);
  call->asker = caller->asker;
  if (++caller->n_calls > AGL_MAX_CALLS_PER_CALLER)
    {
      fail_now (call, g_error_new (AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED,
                                   "At most %d calls of one caller may be under way; wait for their replies",
                                   AGL_MAX_CALLS_PER_CALLER));
      return;
    }
  if (call->service->turns == NULL)
    run_body (call);
  else if (!agl_turns_take (call->service->turns, call->asker.uid, run_body, call, &too_many))
    fail_now (call, too_many);
}

void
agl_call_start (AglService *service,
                GDBusMethodInvocation *invocation,
                AglCallStep body,
                guint64 id,
                const char *text,
                GVariant *options)
{
  AglCall *call;

  if (service->is_stopping)
    {
      count_refusal (service, body);
      g_dbus_method_invocation_return_error_literal (invocation, AGL_ERROR, AGL_ERROR_UNAVAILABLE, STOPPING);
      return;
    }
  call = g_new0 (AglCall, 1);
  call->service = service;
  call->invocation = invocation;
  call->body = body;
  call->id = id;
  call->text = g_strdup (text);
  call->options = options != NULL ? g_variant_ref (options) : NULL;
  service->n_calls++;
  service->activity++;
  agl_callers_identify (service->callers, invocation, on_identified, call);
}

int
agl_call_take_fd (AglCall *call, gint32 index, const char *key, GError **error)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (message);
  g_autoptr (GError) local = NULL;
  int fd;

  if (fds == NULL || index < 0 || index >= g_unix_fd_list_get_length (fds))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION,
                   "Option '%s' names a descriptor that was not passed", key);
      return -1;
    }
  fd = g_unix_fd_list_get (fds, index, &local);
  if (fd < 0)
    g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Option '%s': %s", key, local->message);
  return fd;
}

/* A directory to be found, in a thread if need be. */
typedef struct
{
  AglSubject *subject;
  char *path;
  int fd;
  AglAccess access;
} Search;

static void
search_free (gpointer data)
{
  Search *search = data;

  agl_subject_unref (search->subject);
  g_free (search->path);
  if (search->fd >= 0)
    close (search->fd);
  g_free (search);
}

static gpointer
search_in_thread (gpointer input, GError **error)
{
  const Search *search = input;

  return agl_directory_find (search->subject, search->path, search->fd, search->access, AGL_PATIENCE_BLOCK,
                             error);
}

static gboolean
lacks_tolerably (const AglCall *call, const GError *error)
{
  return call->may_lack_directory && g_error_matches (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
}

static void
start_seeking (AglCall *call)
{
  call->seeker = g_new (AglCall *, 1);
  *call->seeker = call;
  g_queue_push_tail (&call->caller->seeking, call);
}

static void
stop_seeking (AglCall *call)
{
  g_queue_remove (&call->caller->seeking, call);
  call->seeker = NULL;
}

void
agl_call_abandon (AglCall *call, GError *error)
{
  *call->seeker = NULL;
  stop_seeking (call);
  fail_now (call, error);
}

static void
on_found (gpointer result, GError *error, gpointer user_data)
{
  g_autofree AglCall **seeker = user_data;
  AglCall *call = *seeker;

  if (call == NULL) /* abandoned meanwhile */
    {
      g_clear_pointer (&result, agl_directory_unref);
      return;
    }
  stop_seeking (call);
  call->directory = result;
  if (result == NULL && !lacks_tolerably (call, error))
    agl_call_fail (call, g_error_copy (error), AGL_CALL_FINAL);
  else
    call->then (call);
}

/* Without its process the caller's root directory and mounts are unknown, and its paths mean nothing. */
static void
give_up_on_path (AglCall *call)
{
  if (call->may_lack_directory)
    call->then (call);
  else
    agl_call_fail (
        call,
        g_error_new_literal (AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                             "Which directory is meant cannot be told: the calling process is dead or "
                             "cannot be seen by the service; pass directory-fd instead"),
        AGL_CALL_FINAL);
}

static void
find_directory (AglCall *call, gint32 fd_index, AglAccess access)
{
  g_autoptr (GError) error = NULL;
  Search *search;
  int fd = -1;

  if (fd_index >= 0)
    {
      fd = agl_call_take_fd (call, fd_index, "directory-fd", &error);
      if (fd < 0)
        {
          agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_FINAL);
          return;
        }
    }
  else if (call->service->impersonate && call->asker.process == NULL)
    {
      give_up_on_path (call);
      return;
    }
  call->directory =
      agl_directory_find (call->caller->subject, call->text, fd, access, AGL_PATIENCE_NONE, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      search = g_new0 (Search, 1);
      search->subject = agl_subject_ref (call->caller->subject);
      search->path = g_strdup (call->text);
      search->fd = fd;
      search->access = access;
      start_seeking (call);
      agl_worker_push (call->service->worker, call->asker.uid, search_in_thread, search, search_free,
                       (GDestroyNotify)agl_directory_unref, on_found, call->seeker);
      return;
    }
  if (fd >= 0)
    close (fd);
  if (call->directory == NULL && !lacks_tolerably (call, error))
    agl_call_fail (call, g_steal_pointer (&error), AGL_CALL_FINAL);
  else
    call->then (call);
}

void
agl_call_find_directory (AglCall *call, gint32 fd_index, AglAccess access, AglCallStep then)
{
  call->then = then;
  call->may_lack_directory = FALSE;
  find_directory (call, fd_index, access);
}

void
agl_call_try_directory (AglCall *call, gint32 fd_index, AglAccess access, AglCallStep then)
{
  call->then = then;
  call->may_lack_directory = TRUE;
  find_directory (call, fd_index, access);
}

pid_t
agl_call_translate_pid (AglCall *call, guint32 pid, GError **error)
{
  if (call->asker.process != NULL)
    return agl_process_namespace_translate (call->asker.process, (pid_t)pid, error);
  g_set_error (
      error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
      "Which process %u is cannot be told: the caller lives in a PID namespace that the service cannot "
      "see into; pass a pidfd instead",
      pid);
  return -1;
}

static AglProcess *
open_process (AglCall *call, guint32 pid, gint32 pidfd_index, GError **error)
{
  g_autoptr (AglProcess) process = NULL;
  pid_t here;
  int fd;

  if (pidfd_index < 0)
    {
      here = agl_call_translate_pid (call, pid, error);
      return here > 0 ? agl_process_open (here, error) : NULL;
    }
  fd = agl_call_take_fd (call, pidfd_index, "pidfd", error);
  if (fd < 0)
    return NULL;
  process = agl_process_new_take_pidfd (fd, error);
  if (process == NULL)
    close (fd);
  return g_steal_pointer (&process);
}

AglProcess *
agl_call_open_process (
    AglCall *call, guint32 pid, gint32 pidfd_index, uid_t *uid, AglCallAppeal *appeal, GError **error)
{
  g_autoptr (AglProcess) process = open_process (call, pid, pidfd_index, error);
  g_autofree char *user = NULL;
  AglProcessStatus status;

  *appeal = AGL_CALL_FINAL;
  if (process == NULL || !agl_process_read_status (process, &status, error))
    return NULL;
  *uid = status.effective_uid;
  /* All three, as ptrace(2) asks: a process that can be another user at will is not this user's. */
  if (call->asker.privileged
      || (status.real_uid == call->asker.uid && status.effective_uid == call->asker.uid
          && status.saved_uid == call->asker.uid))
    return g_steal_pointer (&process);
  *appeal = AGL_CALL_OVERRIDABLE;
  user = agl_user_dup_name (status.effective_uid);
  g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
               "Process %d is of user %s; only that user, or a privileged one, may have it hold a lock",
               (int)agl_process_get_pid (process), user);
  return NULL;
}

gboolean
agl_call_may_read_texts (const AglCall *call, uid_t uid)
{
  return call->asker.privileged || call->asker.uid == uid;
}

static void
on_texts_judged (gboolean allowed, gpointer user_data)
{
  AglCall *call = user_data;

  if (ends_with_service (call))
    return;
  call->asker.privileged = allowed;
  call->then (call);
}

gboolean
agl_call_ask_for_texts (AglCall *call, AglCallStep step)
{
  if (call->asker.privileged || call->asked_authority)
    return FALSE;
  call->asked_authority = TRUE;
  call->then = step;
  agl_authority_check (call->service->authority, call->caller, FALSE, on_texts_judged, call);
  return TRUE;
}
