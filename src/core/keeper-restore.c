/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "core/keeper-private.h"
#include "core/lock-log.h"

/* A saved lock of a process. Over only on proof: a reboot since, or the kernel's word that it is dead. */
static gboolean
is_proven_dead (AglSavedLock *saved)
{
  g_autoptr (GError) error = NULL;
  AglLock *lock = saved->lock;

  if (!saved->same_boot)
    return TRUE;
  if (!saved->same_world)
    {
      agl_lock_log (
          G_LOG_LEVEL_WARNING, lock,
          "kept, since it was taken in another PID namespace and its holder cannot be told from here");
      return FALSE;
    }
  lock->holder = agl_process_reopen (&lock->token, &error);
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
    return TRUE;
  if (lock->holder == NULL)
    agl_lock_log (G_LOG_LEVEL_WARNING, lock, "kept although its holder cannot be told: %s", error->message);
  return FALSE;
}

static void
put_off (AglKeeper *self, AglSavedLock *saved, AglReleaseReason reason)
{
  g_autoptr (GError) error = NULL;

  saved->reason = reason;
  if (!saved->over && !agl_lock_store_forget (self->store, saved->lock, reason, &error))
    agl_lock_log (G_LOG_LEVEL_WARNING, saved->lock, "its end is not on disk yet: %s", error->message);
  saved->over = TRUE;
  g_ptr_array_add (self->restored, saved);
}

static void
take_up (AglKeeper *self, AglSavedLock *saved)
{
  g_autoptr (GError) error = NULL;
  AglLock *lock = saved->lock;

  if (lock->manual || !lock->follow_cwd)
    lock->cwd = lock->manual ? AGL_CWD_IGNORED : lock->holder == NULL ? AGL_CWD_UNKNOWN : AGL_CWD_IGNORED;
  else
    lock->cwd = AGL_CWD_UNKNOWN;
  if (!agl_keeper_watch_holder (self, lock, &error))
    {
      agl_lock_log (G_LOG_LEVEL_WARNING, lock, "kept unwatched: %s", error->message);
      g_clear_pointer (&lock->holder, agl_process_unref);
    }
  if (agl_lock_table_restore (self->table, lock))
    {
      if (!lock->manual && lock->holder == NULL && saved->same_world)
        g_ptr_array_add (self->unproven, agl_lock_ref (lock));
      agl_keeper_watch_removal (self, lock);
      self->counters[AGL_COUNTER_RESTORED]++;
      agl_keeper_arm_expiry (self, lock->expires_at_usec);
    }
  else
    agl_lock_log (G_LOG_LEVEL_WARNING, lock, "passed over, since it is saved twice");
}

static void
set_cwd_ignored (AglKeeper *self, AglLock *lock)
{
  lock->cwd = AGL_CWD_IGNORED;
  self->hooks.changed (lock, AGL_CHANGED_CWD, self->user_data);
}

void
agl_keeper_prove (AglKeeper *self)
{
  for (guint i = self->unproven->len; i > 0; i--)
    {
      AglLock *lock = g_ptr_array_index (self->unproven, i - 1);
      g_autoptr (GError) error = NULL;
      g_autoptr (AglProcess) holder = agl_process_reopen (&lock->token, &error);

      if (g_error_matches (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
        agl_keeper_end (self, lock, AGL_RELEASE_EXITED); /* which takes it from the list once it is told */
      else if (holder != NULL)
        {
          agl_lock_table_set_holder (self->table, lock, holder);
          if (agl_keeper_watch_holder (self, lock, NULL))
            {
              /* Where a follower works the rounds tell. */
              if (!lock->follow_cwd)
                set_cwd_ignored (self, lock);
              g_ptr_array_remove_index (self->unproven, i - 1);
            }
          else
            agl_lock_table_set_holder (self->table, lock, NULL);
        }
    }
}

gboolean
agl_keeper_restore (AglKeeper *self, GError **error)
{
  g_autoptr (GPtrArray) saved_locks = agl_lock_store_load (self->store, error);
  gint64 now = g_get_real_time ();

  if (saved_locks == NULL)
    return FALSE;
  g_ptr_array_set_free_func (saved_locks, NULL);
  for (guint i = 0; i < saved_locks->len; i++)
    {
      AglSavedLock *saved = g_ptr_array_index (saved_locks, i);
      AglLock *lock = saved->lock;

      if (saved->over)
        put_off (self, saved, saved->reason);
      else if (lock->manual && lock->expires_at_usec != 0 && lock->expires_at_usec <= now)
        put_off (self, saved, AGL_RELEASE_EXPIRED);
      else if (!lock->manual && is_proven_dead (saved))
        put_off (self, saved, AGL_RELEASE_EXITED);
      else
        {
          take_up (self, saved);
          if (saved->untold)
            g_ptr_array_add (self->restored, saved);
          else
            agl_saved_lock_free (saved);
        }
    }
  agl_keeper_settle (self);
  self->hooks.counts (self->user_data);
  return TRUE;
}

void
agl_keeper_announce_restored (AglKeeper *self)
{
  g_autoptr (GPtrArray) restored = g_steal_pointer (&self->restored);

  self->restored = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_saved_lock_free);
  for (guint i = 0; i < restored->len; i++)
    {
      AglSavedLock *saved = g_ptr_array_index (restored, i);

      if (saved->untold)
        self->hooks.acquired (saved->lock, self->user_data);
      if (!saved->over)
        continue;
      self->counters[AGL_COUNTER_FIRST_RELEASE + saved->reason]++;
      agl_histogram_add (&self->took[AGL_TOOK_HOLD], g_get_real_time () - saved->lock->acquired_at_usec);
      self->hooks.released (saved->lock, saved->reason, self->user_data);
    }
}
