/* SPDX-License-Identifier: MIT */
#include <gio/gio.h>

#include "common/error.h"
#include "common/text.h"
#include "core/entitlement.h"
#include "core/held.h"
#include "core/keeper-private.h"

/* A request on its way: from when it is asked until it is answered, once. */
typedef struct
{
  AglKeeper *keeper; /* NULL once the keeper has gone, while a worker still has a question of ours */
  AglRequest *request;
  AglLock *to_transfer; /* NULL: an acquire */
  AglKeeperDone done;
  gpointer user_data;
  AglWaiter *waiter;         /* while it is in the queue */
  guint timeout;             /* of a wait */
  gint64 outside_since_usec; /* of a waiting holder-to-be; g_get_monotonic_time() */
  gboolean asking;           /* a worker has a question of ours */
  gboolean answered;
  gint64 waiting_since_usec; /* monotonic, while there is a waiter */
} AglPending;

typedef struct
{
  AglPending *pending;
  AglDirectory *directory;
  AglProcess *process;
} SightQuestion;

static void
sight_question_free (gpointer data)
{
  SightQuestion *question = data;

  agl_directory_unref (question->directory);
  agl_process_unref (question->process);
  g_free (question);
}

static void
sighting_free (gpointer data)
{
  agl_sighting_clear (data);
  g_free (data);
}

static gpointer
sight_in_thread (gpointer input, GError **error)
{
  const SightQuestion *question = input;
  AglSighting *sighting = g_new0 (AglSighting, 1);

  agl_directory_sight (question->directory, question->process, NULL, AGL_PATIENCE_BLOCK, sighting, NULL);
  return sighting;
}

static void
pending_free (AglPending *self)
{
  g_clear_handle_id (&self->timeout, g_source_remove);
  g_clear_pointer (&self->to_transfer, agl_lock_unref);
  agl_request_unref (self->request);
  g_free (self);
}

/* Answers, and lets go of all that was kept for the request. */
static void
answer (AglPending *self, AglLock *lock, const GError *error)
{
  AglKeeper *keeper = self->keeper;

  if (self->answered)
    return;
  self->answered = TRUE;
  if (self->request->holder != NULL)
    agl_process_watch_remove (keeper->watch, self->request->holder);
  g_hash_table_remove (keeper->pending, self);
  self->done (lock, error, self->user_data);
  if (!self->asking)
    pending_free (self);
}

static void
set_not_in_directory (GError **error, const AglRequest *request, const AglSighting *sighting)
{
  g_autofree char *directory = agl_text_escape (agl_directory_get_path (request->directory), -1);
  g_autofree char *command = agl_process_dup_command (request->holder);
  const char *text = sighting->at_path ? agl_directory_get_path (request->directory) : sighting->text;
  g_autofree char *cwd = text != NULL ? agl_text_escape (text, -1) : NULL;
  pid_t pid = agl_process_get_pid (request->holder);

  if (sighting->cwd == AGL_CWD_UNKNOWN)
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY,
                 "Whether %s (pid %d) works in \"%s\" cannot be told; its working directory cannot be read. "
                 "Pass follow-cwd=false to lock it for as long as the process lives",
                 command, (int)pid, directory);
  else
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_IN_DIRECTORY,
                 "%s (pid %d) works in \"%s\", not in \"%s\"; change there first, "
                 "or pass follow-cwd=false to lock it for as long as the process lives",
                 command, (int)pid, cwd != NULL ? cwd : "?", directory);
}

static void
set_holder_died (GError **error, const AglRequest *request)
{
  g_autofree char *directory = agl_text_escape (agl_directory_get_path (request->directory), -1);

  g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, "Process %d, which was to hold \"%s\", is dead",
               (int)agl_process_get_pid (request->holder), directory);
}

static void
set_directory_removed (GError **error, const AglRequest *request)
{
  g_autofree char *directory = agl_text_escape (agl_directory_get_path (request->directory), -1);

  g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY, "\"%s\" has been removed", directory);
}

/* Judges what was seen. Unknown is no proof that it is there, so it grants nothing. */
static gboolean
judge (const AglRequest *request, const AglSighting *sighting, GError **error)
{
  if (request->holder != NULL && (sighting->ending || !agl_process_is_alive (request->holder)))
    {
      set_holder_died (error, request);
      return FALSE;
    }
  if (sighting->removed)
    {
      set_directory_removed (error, request);
      return FALSE;
    }
  if (sighting->cwd == AGL_CWD_INSIDE || sighting->cwd == AGL_CWD_IGNORED)
    return TRUE;
  if (sighting->cwd == AGL_CWD_UNKNOWN && agl_error_is_shortage (sighting->trouble))
    g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                 "Where process %d works cannot be looked at now: %s; try again later",
                 (int)agl_process_get_pid (request->holder), g_strerror (sighting->trouble));
  else
    set_not_in_directory (error, request, sighting);
  return FALSE;
}

static gboolean
needs_sighting (const AglRequest *request)
{
  return request->holder != NULL && request->follow_cwd;
}

/* FALSE with G_IO_ERROR_WOULD_BLOCK: not to be told here and now. */
static gboolean
sight_now (const AglRequest *request, AglSighting *sighting, GError **error)
{
  sighting->cwd = AGL_CWD_IGNORED;
  if (!needs_sighting (request))
    return TRUE;
  return agl_directory_sight (request->directory, request->holder, NULL, AGL_PATIENCE_NONE, sighting, error);
}

/* FALSE: nobody would hear of a grant. */
static gboolean
is_wanted (const AglRequest *request, GError **error)
{
  if (request->is_wanted == NULL || request->is_wanted (request->client))
    return TRUE;
  g_set_error_literal (error, AGL_ERROR, AGL_ERROR_CANCELLED, "The caller hung up");
  return FALSE;
}

gboolean
agl_keeper_is_ready (const AglRequest *request, gpointer user_data, GError **error)
{
  g_auto (AglSighting) sighting = { 0 };

  /* Its turn goes to the next. */
  if (!is_wanted (request, error))
    return FALSE;
  /* Where only a blocking look would tell, what was seen when the request came stands: the rounds go on
   * asking. */
  if (!sight_now (request, &sighting, NULL))
    sighting.cwd = AGL_CWD_IGNORED;
  return judge (request, &sighting, error);
}

/* Makes AGL_ERROR_HELD's text the text of a wait that ran out. */
static void
set_timed_out (GError **error, AglPending *self)
{
  g_autoptr (GError) held = NULL;

  agl_set_held_error (&held, self->request, agl_waiter_get_blockers (self->waiter));
  g_set_error (error, AGL_ERROR, AGL_ERROR_TIMED_OUT, "Waited %.3g s in vain: %s",
               (double)self->request->timeout_msec / 1000, held->message);
}

static gboolean
on_timeout (gpointer user_data)
{
  AglPending *self = user_data;
  AglKeeper *keeper = self->keeper;
  g_autoptr (GError) error = NULL;

  self->timeout = 0;
  set_timed_out (&error, self);
  agl_lock_table_drop (keeper->table, self->waiter, error);
  agl_keeper_settle (keeper);
  return G_SOURCE_REMOVE;
}

void
agl_keeper_wait_ended (AglWaiter *waiter, AglLock *lock, const GError *error, gpointer user_data)
{
  AglPending *self = agl_waiter_get_data (waiter);

  self->waiter = NULL;
  agl_histogram_add (&self->keeper->took[AGL_TOOK_WAIT], g_get_monotonic_time () - self->waiting_since_usec);
  answer (self, lock, error);
}

static void
start_waiting (AglPending *self, AglWaiter *waiter)
{
  AglKeeper *keeper = self->keeper;

  self->waiter = waiter;
  agl_waiter_set_data (waiter, self);
  keeper->counters[AGL_COUNTER_WAITED]++;
  self->waiting_since_usec = g_get_monotonic_time ();
  if (self->request->timeout_msec >= 0)
    self->timeout = g_timeout_add ((guint)MIN (self->request->timeout_msec, G_MAXUINT), on_timeout, self);
  agl_keeper_settle (keeper);
}

static void
transfer (AglPending *self)
{
  AglKeeper *keeper = self->keeper;
  AglRequest *request = self->request;
  AglLock *lock = self->to_transfer;
  AglReleaseReason unused;
  g_autoptr (GError) error = NULL;

  /* Judged here, whatever was judged before: a filesystem may have kept us, and the lock be another's now. */
  if (agl_lock_table_lookup (keeper->table, lock->id) != lock)
    g_set_error (&error, AGL_ERROR, AGL_ERROR_NOT_FOUND,
                 "Lock %" G_GUINT64_FORMAT " was released before it could be handed over", lock->id);
  else if (agl_entitlement_judge (lock, &request->asker, request->force, &unused, &error))
    agl_lock_table_transfer (keeper->table, lock, request->holder, request->uid, request->follow_cwd,
                             request->cwd, &error);
  answer (self, error == NULL ? lock : NULL, error);
  agl_keeper_settle (keeper);
}

static void
acquire (AglPending *self)
{
  AglKeeper *keeper = self->keeper;
  g_autoptr (GError) error = NULL;
  AglLock *lock = NULL;
  AglWaiter *waiter = NULL;

  /* A busy service may come to this only when the way is free: a waiter that went gets nothing for that. */
  if (self->request->conflict == AGL_CONFLICT_WAIT && !is_wanted (self->request, &error))
    {
      answer (self, NULL, error);
      return;
    }
  switch (agl_lock_table_acquire (keeper->table, self->request, &lock, &waiter, NULL, &error))
    {
    case AGL_OUTCOME_REFUSED:
      answer (self, NULL, error);
      agl_keeper_settle (keeper);
      return;
    case AGL_OUTCOME_GRANTED:
      answer (self, lock, NULL);
      agl_keeper_settle (keeper);
      return;
    case AGL_OUTCOME_WAITING:
      start_waiting (self, waiter);
      return;
    }
}

static void
decide (AglPending *self, const AglSighting *sighting)
{
  g_autoptr (GError) error = NULL;

  if (!judge (self->request, sighting, &error))
    {
      answer (self, NULL, error);
      return;
    }
  self->request->cwd = sighting->cwd;
  if (self->to_transfer != NULL)
    transfer (self);
  else
    acquire (self);
}

static void
on_sighted (gpointer result, GError *error, gpointer user_data)
{
  AglPending *self = user_data;

  self->asking = FALSE;
  if (self->answered)
    pending_free (self);
  else if (result == NULL)
    answer (self, NULL, error);
  else
    decide (self, result);
  g_clear_pointer (&result, sighting_free);
}

static void
start (AglPending *self)
{
  AglRequest *request = self->request;
  g_autoptr (GError) error = NULL;
  g_auto (AglSighting) sighting = { 0 };
  SightQuestion *question;

  if (request->holder != NULL && !agl_process_watch_add (self->keeper->watch, request->holder, &error))
    {
      self->answered = TRUE;
      g_hash_table_remove (self->keeper->pending, self);
      self->done (NULL, error, self->user_data);
      pending_free (self);
      return;
    }
  if (sight_now (request, &sighting, NULL))
    {
      decide (self, &sighting);
      return;
    }
  question = g_new0 (SightQuestion, 1);
  question->directory = agl_directory_ref (request->directory);
  question->process = agl_process_ref (request->holder);
  self->asking = TRUE;
  agl_worker_push (self->keeper->worker, request->asker.uid, sight_in_thread, question, sight_question_free,
                   sighting_free, on_sighted, self);
}

static AglPending *
pending_new (AglKeeper *keeper, AglRequest *request, AglKeeperDone done, gpointer user_data)
{
  AglPending *self = g_new0 (AglPending, 1);

  self->keeper = keeper;
  self->request = agl_request_ref (request);
  self->done = done;
  self->user_data = user_data;
  g_hash_table_add (keeper->pending, self);
  return self;
}

void
agl_keeper_acquire (AglKeeper *self, AglRequest *request, AglKeeperDone done, gpointer user_data)
{
  start (pending_new (self, request, done, user_data));
}

void
agl_keeper_transfer (
    AglKeeper *self, AglLock *lock, AglRequest *request, AglKeeperDone done, gpointer user_data)
{
  AglPending *pending = pending_new (self, request, done, user_data);

  pending->to_transfer = agl_lock_ref (lock);
  start (pending);
}

/* Ends a request that nobody asks for any more, wherever it is on its way. */
static void
end_with (AglPending *self, const GError *why)
{
  if (self->waiter != NULL)
    agl_lock_table_drop (self->keeper->table, self->waiter, why);
  else
    answer (self, NULL, why);
}

typedef gboolean (*PendingMatch) (const AglPending *pending, gconstpointer data);

/* Collected first: ending one calls hooks, and hooks may ask anew. */
static GPtrArray *
collect (AglKeeper *self, PendingMatch matches, gconstpointer data)
{
  GPtrArray *found = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer pending;

  g_hash_table_iter_init (&iter, self->pending);
  while (g_hash_table_iter_next (&iter, &pending, NULL))
    if (matches (pending, data))
      g_ptr_array_add (found, pending);
  return found;
}

typedef struct
{
  gpointer client;
  const char *ticket;
} ClientTicket;

static gboolean
is_of_client (const AglPending *pending, gconstpointer data)
{
  const ClientTicket *wanted = data;

  return pending->request->client == wanted->client
         && (wanted->ticket == NULL || g_strcmp0 (pending->request->ticket, wanted->ticket) == 0);
}

guint
agl_keeper_cancel (AglKeeper *self, gpointer client, const char *ticket)
{
  const ClientTicket wanted = { client, ticket };
  g_autoptr (GPtrArray) found = collect (self, is_of_client, &wanted);
  g_autoptr (GError) why =
      g_error_new_literal (AGL_ERROR, AGL_ERROR_CANCELLED,
                           ticket != NULL ? "The wait was cancelled by its ticket" : "The caller hung up");
  guint ended = 0;

  for (guint i = 0; i < found->len; i++)
    if (g_hash_table_contains (self->pending, g_ptr_array_index (found, i)))
      {
        end_with (g_ptr_array_index (found, i), why);
        ended++;
      }
  if (ended > 0)
    agl_keeper_settle (self);
  return ended;
}

static gboolean
is_for_holder (const AglPending *pending, gconstpointer process)
{
  return pending->request->holder != NULL && agl_process_equal (pending->request->holder, process);
}

void
agl_keeper_holder_to_be_died (AglKeeper *self, AglProcess *process)
{
  g_autoptr (GPtrArray) found = collect (self, is_for_holder, process);

  for (guint i = 0; i < found->len; i++)
    {
      AglPending *pending = g_ptr_array_index (found, i);
      g_autoptr (GError) error = NULL;

      if (!g_hash_table_contains (self->pending, pending))
        continue;
      set_holder_died (&error, pending->request);
      end_with (pending, error);
    }
}

static gboolean
is_for_directory (const AglPending *pending, gconstpointer directory)
{
  return pending->to_transfer == NULL && agl_directory_equal (pending->request->directory, directory);
}

void
agl_keeper_directory_removed (AglKeeper *self, const AglDirectory *directory)
{
  g_autoptr (GPtrArray) found = collect (self, is_for_directory, directory);

  for (guint i = 0; i < found->len; i++)
    {
      AglPending *pending = g_ptr_array_index (found, i);
      g_autoptr (GError) error = NULL;

      if (!g_hash_table_contains (self->pending, pending))
        continue;
      set_directory_removed (&error, pending->request);
      end_with (pending, error);
    }
}

/* A holder-to-be that has been outside for the grace time has given up its turn. */
static void
check_waiter (AglKeeper *self, AglPending *pending)
{
  g_auto (AglSighting) sighting = { 0 };
  g_autoptr (GError) error = NULL;
  gint64 now = g_get_monotonic_time ();

  if (!sight_now (pending->request, &sighting, NULL) || judge (pending->request, &sighting, &error)
      || (sighting.cwd == AGL_CWD_UNKNOWN && !sighting.removed))
    {
      pending->outside_since_usec = 0;
      return;
    }
  if (pending->outside_since_usec == 0)
    pending->outside_since_usec = now;
  if (sighting.removed || now - pending->outside_since_usec >= self->grace_msec * 1000)
    agl_lock_table_drop (self->table, pending->waiter, error);
}

void
agl_keeper_check_waiters (AglKeeper *self)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);

  for (guint i = 0; i < waiters->len; i++)
    {
      AglPending *pending = agl_waiter_get_data (g_ptr_array_index (waiters, i));

      if (needs_sighting (pending->request))
        check_waiter (self, pending);
    }
}

static gboolean
is_any (const AglPending *pending, gconstpointer data)
{
  return TRUE;
}

void
agl_keeper_stop (AglKeeper *self)
{
  g_autoptr (GPtrArray) found = collect (self, is_any, NULL);
  g_autoptr (GError) why =
      g_error_new_literal (AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                           "The service is stopping; what is held stays held. Ask again in a moment");

  /* All of them before any is told: nobody is let in by another's going. */
  for (guint i = 0; i < found->len; i++)
    end_with (g_ptr_array_index (found, i), why);
  agl_keeper_settle (self);
}
