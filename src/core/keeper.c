/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "common/text.h"
#include "core/keeper-private.h"
#include "core/lock-log.h"
#include "core/occupants.h"

/* How soon the disk is asked again about the end of a lock that it could not take down. */
#define RETRY_SEC 5

/* Programs settle on their name within their first moments; who asks for a list is told the name of now
 * anyway. */
#define YOUNG_USEC (10 * G_USEC_PER_SEC)

/* A wall clock can be set: no expiry is slept for longer than this without a look at it. */
#define MAX_EXPIRY_SLEEP_MSEC (60 * 60 * 1000)

/* Everything that would tell of the lock's end stands before it is held: what dies or is removed from now on
 * is noticed. What is not needed any more stays until the change is told: it may come to nothing yet. */
static gboolean
start_watching (AglKeeper *self, AglLock *lock, gboolean *holder_is_news, GError **error)
{
  gboolean is_followed = lock->holder != NULL && lock->follow_cwd;
  gboolean was_watched = lock->removal != NULL;

  *holder_is_news =
      lock->holder != NULL && (lock->watched == NULL || !agl_process_equal (lock->holder, lock->watched));
  if (!is_followed && !agl_keeper_watch_removal (self, lock) && !was_watched)
    {
      g_autofree char *path = agl_text_escape (agl_directory_get_path (lock->directory), -1);

      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY, "\"%s\" was moved or removed meanwhile",
                   path);
      return FALSE;
    }
  if (*holder_is_news && !agl_process_watch_add (self->watch, lock->holder, error))
    {
      if (!was_watched)
        agl_keeper_unwatch_removal (self, lock);
      return FALSE;
    }
  return TRUE;
}

static gboolean
on_commit (AglLock *lock, GPtrArray *superseded, gpointer user_data, GError **error)
{
  AglKeeper *self = user_data;
  gboolean was_watched = lock->removal != NULL;
  gboolean holder_is_news;

  if (!start_watching (self, lock, &holder_is_news, error))
    return FALSE;
  if (!agl_lock_store_save (self->store, lock, superseded, error))
    {
      if (holder_is_news)
        agl_process_watch_remove (self->watch, lock->holder);
      if (!was_watched)
        agl_keeper_unwatch_removal (self, lock);
      return FALSE;
    }
  if (holder_is_news)
    {
      if (lock->watched != NULL)
        agl_process_watch_remove (self->watch, lock->watched);
      g_clear_pointer (&lock->watched, agl_process_unref);
      lock->watched = agl_process_ref (lock->holder);
    }
  return TRUE;
}

/* Who holds a directory, and who waits for it: the queue sees to it that those take turns. */
typedef struct
{
  AglDirectory *directory;
  GPtrArray *locks;   /* AglLock, there */
  GPtrArray *waiters; /* AglWaiter, anywhere */
} Registered;

static gboolean
is_registered (pid_t pid, gpointer user_data)
{
  const Registered *there = user_data;

  for (guint i = 0; i < there->locks->len; i++)
    if (((AglLock *)g_ptr_array_index (there->locks, i))->token.pid == pid)
      return TRUE;
  for (guint i = 0; i < there->waiters->len; i++)
    {
      const AglRequest *request = agl_waiter_get_request (g_ptr_array_index (there->waiters, i));

      if (request->holder != NULL && agl_process_get_pid (request->holder) == pid
          && agl_directory_equal (request->directory, there->directory))
        return TRUE;
    }
  return FALSE;
}

static gboolean
on_look (const AglRequest *request, GPtrArray **outsiders, gpointer user_data, GError **error)
{
  AglKeeper *self = user_data;
  g_autoptr (GPtrArray) locks = NULL;
  g_autoptr (GPtrArray) waiters = NULL;
  Registered there;

  if (agl_agent_catalog_size (self->catalog) == 0)
    return TRUE;
  locks = agl_lock_table_list_directory (self->table, request->directory);
  waiters = agl_lock_table_list_waiters (self->table);
  there = (Registered){ request->directory, locks, waiters };
  *outsiders = agl_occupants_find_agents (request->directory, request->holder, self->catalog, is_registered,
                                          &there, error);
  return *outsiders != NULL;
}

static guint64
on_next_id (gpointer user_data)
{
  AglKeeper *self = user_data;
  g_autoptr (GError) error = NULL;
  guint64 id = agl_lock_store_next_id (self->store, &error);

  if (id == 0)
    g_warning ("No lock can be granted: %s", error->message);
  return id;
}

static void
on_acquired (AglLock *lock, gpointer user_data)
{
  AglKeeper *self = user_data;

  agl_lock_log (G_LOG_LEVEL_INFO, lock, "acquired");
  self->counters[AGL_COUNTER_ACQUIRED]++;
  agl_keeper_arm_expiry (self, lock->expires_at_usec);
  self->hooks.acquired (lock, self->user_data);
  self->hooks.counts (self->user_data);
}

static void
on_released (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  AglKeeper *self = user_data;

  if (lock->watched != NULL)
    agl_process_watch_remove (self->watch, lock->watched);
  g_clear_pointer (&lock->watched, agl_process_unref);
  agl_keeper_unwatch_removal (self, lock);
  g_ptr_array_remove (self->unproven, lock);
  agl_lock_log (G_LOG_LEVEL_INFO, lock, "released: %s", agl_release_reason_to_string (reason));
  self->counters[AGL_COUNTER_FIRST_RELEASE + reason]++;
  agl_histogram_add (&self->took[AGL_TOOK_HOLD], g_get_real_time () - lock->acquired_at_usec);
  self->hooks.released (lock, reason, self->user_data);
  self->hooks.counts (self->user_data);
}

static void
on_changed (AglLock *lock, AglChange what, gpointer user_data)
{
  AglKeeper *self = user_data;

  if ((what & (AGL_CHANGED_HOLDER | AGL_CHANGED_FOLLOW | AGL_CHANGED_DIRECTORY)) != 0)
    agl_keeper_watch_removal (self, lock);
  self->hooks.changed (lock, what, self->user_data);
}

static void
on_queue_changed (gpointer user_data)
{
  AglKeeper *self = user_data;

  self->hooks.counts (self->user_data);
}

void
agl_keeper_settle (AglKeeper *self)
{
  agl_lock_table_settle (self->table);
  if (agl_lock_table_count_waiters (self->table) > 0 || g_hash_table_size (self->outsiders) > 0)
    agl_keeper_watch_outsiders (self);
  agl_cwd_check_update (self->check);
}

static gboolean
on_retry (gpointer user_data)
{
  AglKeeper *self = user_data;

  for (guint i = self->unforgotten->len; i > 0; i--)
    {
      AglSavedLock *saved = g_ptr_array_index (self->unforgotten, i - 1);

      if (!agl_lock_store_forget (self->store, saved->lock, saved->reason, NULL))
        continue;
      agl_lock_store_announced (self->store, saved->lock->id);
      g_ptr_array_remove_index (self->unforgotten, i - 1);
    }
  if (self->unforgotten->len > 0)
    return G_SOURCE_CONTINUE;
  self->retry_timer = 0;
  return G_SOURCE_REMOVE;
}

/* Told once for each lock, since each round tries again. */
static void
note_stuck (AglKeeper *self, const AglLock *lock, const GError *error)
{
  if (g_hash_table_contains (self->stuck, &lock->id))
    return;
  g_hash_table_add (self->stuck, g_memdup2 (&lock->id, sizeof lock->id));
  agl_lock_log (G_LOG_LEVEL_WARNING, lock, "its end is not on disk yet: %s", error->message);
}

static void
forget_later (AglKeeper *self, AglLock *lock, AglReleaseReason reason)
{
  AglSavedLock *saved = g_new0 (AglSavedLock, 1);

  saved->lock = agl_lock_ref (lock);
  saved->reason = reason;
  g_ptr_array_add (self->unforgotten, saved);
  if (self->retry_timer == 0)
    self->retry_timer = g_timeout_add_seconds (RETRY_SEC, on_retry, self);
}

gboolean
agl_keeper_end (AglKeeper *self, AglLock *lock, AglReleaseReason reason)
{
  g_autoptr (GError) error = NULL;

  if (!agl_lock_store_forget (self->store, lock, reason, &error))
    {
      note_stuck (self, lock, error);
      /* While its holder lives, a file that says "held" would bring the lock back after a crash, beside
       * whoever has the directory by then: so it stays held until the disk can be told. A dead holder brings
       * nothing back. */
      if (reason != AGL_RELEASE_EXITED)
        return FALSE;
      forget_later (self, lock, reason);
    }
  g_hash_table_remove (self->stuck, &lock->id);
  /* Before it is released: nobody's turn comes in a directory that is proven gone. */
  if (reason == AGL_RELEASE_REMOVED)
    agl_keeper_directory_removed (self, lock->directory);
  agl_lock_table_release (self->table, lock, reason);
  return TRUE;
}

gboolean
agl_keeper_release (AglKeeper *self, AglLock *lock, AglReleaseReason reason, GError **error)
{
  if (!agl_lock_store_forget (self->store, lock, reason, error))
    return FALSE;
  agl_lock_table_release (self->table, lock, reason);
  return TRUE;
}

static gboolean
is_unforgotten (AglKeeper *self, guint64 id)
{
  for (guint i = 0; i < self->unforgotten->len; i++)
    if (((AglSavedLock *)g_ptr_array_index (self->unforgotten, i))->lock->id == id)
      return TRUE;
  return FALSE;
}

void
agl_keeper_announced (AglKeeper *self, guint64 id)
{
  if (!is_unforgotten (self, id))
    agl_lock_store_announced (self->store, id);
}

static gboolean
on_expiry (gpointer user_data)
{
  AglKeeper *self = user_data;
  g_autoptr (GPtrArray) locks = agl_lock_table_list (self->table);
  gint64 now = g_get_real_time ();

  self->expiry_timer = 0;
  self->next_expiry_usec = 0;
  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      if (lock->expires_at_usec != 0 && lock->expires_at_usec <= now)
        {
          if (!agl_keeper_end (self, lock, AGL_RELEASE_EXPIRED))
            agl_keeper_arm_expiry (self, now + RETRY_SEC * G_USEC_PER_SEC);
        }
      else
        agl_keeper_arm_expiry (self, lock->expires_at_usec);
    }
  agl_keeper_settle (self);
  return G_SOURCE_REMOVE;
}

void
agl_keeper_arm_expiry (AglKeeper *self, gint64 expires_at_usec)
{
  gint64 left_msec;

  if (expires_at_usec == 0 || (self->next_expiry_usec != 0 && self->next_expiry_usec <= expires_at_usec))
    return;
  g_clear_handle_id (&self->expiry_timer, g_source_remove);
  self->next_expiry_usec = expires_at_usec;
  left_msec = (expires_at_usec - g_get_real_time ()) / 1000 + 1;
  self->expiry_timer = g_timeout_add ((guint)CLAMP (left_msec, 0, MAX_EXPIRY_SLEEP_MSEC), on_expiry, self);
}

static void
on_over (AglLock *lock, AglReleaseReason reason, gpointer user_data)
{
  AglKeeper *self = user_data;

  agl_keeper_end (self, lock, reason);
  agl_keeper_settle (self);
}

static void
on_cwd_changed (AglLock *lock, gpointer user_data)
{
  AglKeeper *self = user_data;

  self->hooks.changed (lock, AGL_CHANGED_CWD, self->user_data);
}

static void
on_moved (AglLock *lock, AglDirectory *directory, gpointer user_data)
{
  AglKeeper *self = user_data;
  g_autoptr (GError) error = NULL;

  agl_lock_table_set_directory (self->table, lock, directory);
  if (!agl_lock_store_save (self->store, lock, NULL, &error))
    agl_lock_log (G_LOG_LEVEL_WARNING, lock, "its new path is not on disk: %s", error->message);
  agl_keeper_settle (self);
}

void
agl_keeper_refresh_command (AglKeeper *self, AglLock *lock)
{
  g_autofree char *command = NULL;

  if (lock->holder == NULL)
    return;
  command = agl_process_dup_command (lock->holder);
  if (*command == '\0' || g_str_equal (command, lock->command))
    return;
  g_free (lock->command);
  lock->command = g_steal_pointer (&command);
  self->hooks.changed (lock, AGL_CHANGED_COMMAND, self->user_data);
}

static void
on_passed (AglLock *lock, gpointer user_data)
{
  AglKeeper *self = user_data;

  /* A watch is lost with its filesystem, which may be back. */
  if (lock->removal != NULL && !agl_removal_watch_is_watching (self->removals, lock->removal))
    {
      agl_keeper_unwatch_removal (self, lock);
      agl_keeper_watch_removal (self, lock);
    }
  if (g_get_real_time () - lock->acquired_at_usec < YOUNG_USEC)
    agl_keeper_refresh_command (self, lock);
}

static void
on_round (gpointer user_data)
{
  agl_keeper_prove (user_data);
  agl_keeper_check_waiters (user_data);
  /* Tells what was proven; and unregistered agents in somebody's way may have left. */
  agl_keeper_settle (user_data);
}

void
agl_keeper_configure (AglKeeper *self, const AglKeeperSettings *settings)
{
  self->grace_msec = settings->cwd_grace_msec;
  agl_lock_table_set_limits (self->table, settings->max_locks_per_user, settings->max_waiters_per_user);
  agl_cwd_check_set_times (self->check, (guint)settings->cwd_check_msec, (guint)settings->cwd_grace_msec);
}

void
agl_keeper_set_catalog (AglKeeper *self, AglAgentCatalog *catalog)
{
  agl_agent_catalog_ref (catalog);
  g_clear_pointer (&self->catalog, agl_agent_catalog_unref);
  self->catalog = catalog;
}

AglAgentCatalog *
agl_keeper_get_catalog (AglKeeper *self)
{
  return self->catalog;
}

AglLockTable *
agl_keeper_get_table (AglKeeper *self)
{
  return self->table;
}

guint64
agl_keeper_get_counter (AglKeeper *self, guint counter)
{
  g_return_val_if_fail (counter < AGL_N_COUNTERS, 0);
  return self->counters[counter];
}

void
agl_keeper_count_refusal (AglKeeper *self)
{
  self->counters[AGL_COUNTER_REFUSED]++;
}

const AglHistogram *
agl_keeper_get_histogram (AglKeeper *self, AglTook what)
{
  return &self->took[what];
}

AglKeeper *
agl_keeper_new (
    AglLockStore *store, AglWorker *worker, const AglKeeperHooks *hooks, gpointer user_data, GError **error)
{
  static const AglLockTableHooks table_hooks = {
    .commit = on_commit,
    .look = on_look,
    .ready = agl_keeper_is_ready,
    .can_be_told = agl_keeper_can_be_told,
    .next_id = on_next_id,
    .acquired = on_acquired,
    .released = on_released,
    .changed = on_changed,
    .ended = agl_keeper_wait_ended,
    .queue_changed = on_queue_changed,
  };
  static const AglCwdCheckHooks check_hooks = {
    .over = on_over,
    .changed = on_cwd_changed,
    .moved = on_moved,
    .passed = on_passed,
    .round = on_round,
  };
  AglKeeper *self = g_new0 (AglKeeper, 1);

  self->watch = agl_process_watch_new (NULL, agl_keeper_death_told, self, error);
  self->removals =
      agl_removal_watch_new (NULL, agl_keeper_removal_told, self, self->watch != NULL ? error : NULL);
  if (self->watch == NULL || self->removals == NULL)
    {
      g_clear_pointer (&self->watch, agl_process_watch_free);
      g_clear_pointer (&self->removals, agl_removal_watch_free);
      g_free (self);
      return NULL;
    }
  self->store = store;
  self->worker = worker;
  self->hooks = *hooks;
  self->user_data = user_data;
  self->rounds = agl_worker_new (NULL);
  self->table = agl_lock_table_new (&table_hooks, self);
  self->check = agl_cwd_check_new (self->table, self->rounds, &check_hooks, self);
  self->catalog = agl_agent_catalog_new ();
  self->turns = agl_keeper_turns_new ();
  self->pending = g_hash_table_new (NULL, NULL);
  self->restored = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_saved_lock_free);
  self->stuck = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->unproven = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  self->unforgotten = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_saved_lock_free);
  self->outsiders =
      g_hash_table_new_full (agl_process_hash, agl_process_equal, (GDestroyNotify)agl_process_unref, NULL);
  return self;
}

void
agl_keeper_free (AglKeeper *self)
{
  g_autoptr (GPtrArray) locks = agl_lock_table_list (self->table);

  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      g_clear_pointer (&lock->watched, agl_process_unref);
      g_clear_pointer (&lock->removal, agl_directory_unref);
    }
  g_clear_handle_id (&self->retry_timer, g_source_remove);
  g_clear_handle_id (&self->expiry_timer, g_source_remove);
  agl_cwd_check_free (self->check);
  agl_worker_stop (self->rounds);
  agl_worker_free (self->rounds);
  agl_process_watch_free (self->watch);
  agl_removal_watch_free (self->removals);
  agl_lock_table_free (self->table);
  g_hash_table_unref (self->turns);
  g_hash_table_unref (self->pending);
  g_hash_table_unref (self->outsiders);
  g_ptr_array_unref (self->restored);
  g_ptr_array_unref (self->unproven);
  g_hash_table_unref (self->stuck);
  g_ptr_array_unref (self->unforgotten);
  agl_agent_catalog_unref (self->catalog);
  g_free (self);
}
