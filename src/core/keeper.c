/* SPDX-License-Identifier: MIT */
#include "core/keeper-private.h"
#include "core/lock-log.h"
#include "core/occupants.h"

/* How soon the disk is asked again about the end of a lock that it could not take down. */
#define RETRY_SEC 5

/* Programs settle on their name within their first moments; who asks for a list is told the name of now
 * anyway. */
#define YOUNG_USEC (60 * G_USEC_PER_SEC)

/* A wall clock can be set: no expiry is slept for longer than this without a look at it. */
#define MAX_EXPIRY_SLEEP_MSEC (60 * 60 * 1000)

static void
on_died (AglProcess *process, gpointer user_data)
{
  AglKeeper *self = user_data;
  g_autoptr (GPtrArray) locks = agl_lock_table_list_holder (self->table, process);

  g_hash_table_remove (self->outsiders, process);
  agl_keeper_holder_to_be_died (self, process);
  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      /* The watch has let go of the process by itself. */
      g_clear_pointer (&lock->watched, agl_process_unref);
      agl_keeper_end (self, lock, AGL_RELEASE_EXITED);
    }
  agl_keeper_settle (self);
}

static void
on_removed (AglDirectory *directory, gpointer user_data)
{
  AglKeeper *self = user_data;
  g_autoptr (GPtrArray) locks = agl_lock_table_list_directory (self->table, directory);

  for (guint i = 0; i < locks->len; i++)
    {
      AglLock *lock = g_ptr_array_index (locks, i);

      /* The watch has let go of the directory by itself; the rounds ask again, should this not be its end
       * yet. */
      g_clear_pointer (&lock->removal, agl_directory_unref);
      agl_keeper_end (self, lock, AGL_RELEASE_REMOVED);
    }
  agl_keeper_settle (self);
}

static void
unwatch_removal (AglKeeper *self, AglLock *lock)
{
  if (lock->removal != NULL)
    agl_removal_watch_remove (self->removals, lock->removal);
  g_clear_pointer (&lock->removal, agl_directory_unref);
}

void
agl_keeper_watch_removal (AglKeeper *self, AglLock *lock)
{
  gboolean is_followed = lock->holder != NULL && lock->follow_cwd;
  g_autoptr (GError) error = NULL;

  if (is_followed || (lock->removal != NULL && lock->removal != lock->directory))
    unwatch_removal (self, lock);
  if (is_followed || lock->removal != NULL)
    return;
  /* Not all can be watched; the rounds ask after every one. */
  if (agl_removal_watch_add (self->removals, lock->directory, AGL_PATIENCE_NONE, &error))
    lock->removal = agl_directory_ref (lock->directory);
  else
    agl_lock_log (G_LOG_LEVEL_DEBUG, lock, "the directory is not watched for removal: %s", error->message);
}

gboolean
agl_keeper_watch_holder (AglKeeper *self, AglLock *lock, GError **error)
{
  if (lock->holder != NULL && !agl_process_watch_add (self->watch, lock->holder, error))
    return FALSE;
  if (lock->watched != NULL)
    agl_process_watch_remove (self->watch, lock->watched);
  g_clear_pointer (&lock->watched, agl_process_unref);
  lock->watched = lock->holder != NULL ? agl_process_ref (lock->holder) : NULL;
  return TRUE;
}

static gboolean
on_commit (AglLock *lock, GPtrArray *superseded, gpointer user_data, GError **error)
{
  AglKeeper *self = user_data;
  AglProcess *holder = lock->holder;
  gboolean is_news = holder != NULL && (lock->watched == NULL || !agl_process_equal (holder, lock->watched));

  if (is_news && !agl_process_watch_add (self->watch, holder, error))
    return FALSE;
  if (!agl_lock_store_save (self->store, lock, superseded, error))
    {
      if (is_news)
        agl_process_watch_remove (self->watch, holder);
      return FALSE;
    }
  if (is_news)
    {
      if (lock->watched != NULL)
        agl_process_watch_remove (self->watch, lock->watched);
      g_clear_pointer (&lock->watched, agl_process_unref);
      lock->watched = agl_process_ref (holder);
    }
  return TRUE;
}

static gboolean
holds_there (pid_t pid, gpointer user_data)
{
  const GPtrArray *locks = user_data;

  for (guint i = 0; i < locks->len; i++)
    if (((AglLock *)g_ptr_array_index (locks, i))->token.pid == pid)
      return TRUE;
  return FALSE;
}

static gboolean
on_look (const AglRequest *request, GPtrArray **outsiders, gpointer user_data, GError **error)
{
  AglKeeper *self = user_data;
  g_autoptr (GPtrArray) locks = NULL;

  if (agl_agent_catalog_size (self->catalog) == 0)
    return TRUE;
  locks = agl_lock_table_list_directory (self->table, request->directory);
  *outsiders = agl_occupants_find_agents (request->directory, request->holder, self->catalog, holds_there,
                                          locks, error);
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
  agl_keeper_watch_removal (self, lock);
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
  unwatch_removal (self, lock);
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

/* Somebody may wait for unregistered agents: their death is told by the same watch, their leaving is seen by
 * the rounds. */
static void
watch_outsiders (AglKeeper *self)
{
  g_autoptr (GPtrArray) waiters = agl_lock_table_list_waiters (self->table);
  g_autoptr (GHashTable) wanted = g_hash_table_new (agl_process_hash, agl_process_equal);
  GHashTableIter iter;
  gpointer process;

  for (guint i = 0; i < waiters->len; i++)
    {
      const AglBlockers *blockers = agl_waiter_get_blockers (g_ptr_array_index (waiters, i));

      for (guint j = 0; blockers->outsiders != NULL && j < blockers->outsiders->len; j++)
        g_hash_table_add (wanted, ((AglOutsider *)g_ptr_array_index (blockers->outsiders, j))->process);
    }
  g_hash_table_iter_init (&iter, self->outsiders);
  while (g_hash_table_iter_next (&iter, &process, NULL))
    if (!g_hash_table_contains (wanted, process))
      {
        agl_process_watch_remove (self->watch, process);
        g_hash_table_iter_remove (&iter);
      }
  g_hash_table_iter_init (&iter, wanted);
  while (g_hash_table_iter_next (&iter, &process, NULL))
    if (!g_hash_table_contains (self->outsiders, process)
        && agl_process_watch_add (self->watch, process, NULL))
      g_hash_table_add (self->outsiders, agl_process_ref (process));
}

void
agl_keeper_settle (AglKeeper *self)
{
  agl_lock_table_settle (self->table);
  if (agl_lock_table_count_waiters (self->table) > 0 || g_hash_table_size (self->outsiders) > 0)
    watch_outsiders (self);
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
  self->hooks.changed (lock, AGL_CHANGED_HOLDER, self->user_data);
}

static void
on_passed (AglLock *lock, gpointer user_data)
{
  AglKeeper *self = user_data;

  /* A watch is lost with its filesystem, which may be back. */
  if (lock->removal != NULL && !agl_removal_watch_is_watching (self->removals, lock->removal))
    {
      unwatch_removal (self, lock);
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

  self->watch = agl_process_watch_new (NULL, on_died, self, error);
  self->removals = agl_removal_watch_new (NULL, on_removed, self, self->watch != NULL ? error : NULL);
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
  self->table = agl_lock_table_new (&table_hooks, self);
  self->check = agl_cwd_check_new (self->table, worker, &check_hooks, self);
  self->catalog = agl_agent_catalog_new ();
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
  agl_process_watch_free (self->watch);
  agl_removal_watch_free (self->removals);
  agl_lock_table_free (self->table);
  g_hash_table_unref (self->pending);
  g_hash_table_unref (self->outsiders);
  g_ptr_array_unref (self->restored);
  g_ptr_array_unref (self->unproven);
  g_hash_table_unref (self->stuck);
  g_ptr_array_unref (self->unforgotten);
  agl_agent_catalog_unref (self->catalog);
  g_free (self);
}
