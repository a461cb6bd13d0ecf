/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "core/keeper-private.h"

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
      g_warning ("Lock %" G_GUINT64_FORMAT
                 " was taken in another PID namespace: kept, since whether process %d "
                 "lives cannot be told from here",
                 lock->id, (int)lock->token.pid);
      return FALSE;
    }
  lock->holder = agl_process_reopen (&lock->token, &error);
  if (g_error_matches (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS))
    return TRUE;
  if (lock->holder == NULL)
    g_warning ("Lock %" G_GUINT64_FORMAT " is kept although its holder cannot be told: %s", lock->id,
               error->message);
  return FALSE;
}

static void
put_off (AglKeeper *self, AglSavedLock *saved, AglReleaseReason reason)
{
  g_autoptr (GError) error = NULL;

  saved->reason = reason;
  if (!saved->over && !agl_lock_store_forget (self->store, saved->lock, reason, &error))
    g_warning ("The end of lock %" G_GUINT64_FORMAT " is not on disk yet: %s", saved->lock->id,
               error->message);
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
      g_warning ("Lock %" G_GUINT64_FORMAT " is kept unwatched: %s", lock->id, error->message);
      g_clear_pointer (&lock->holder, agl_process_unref);
    }
  if (agl_lock_table_restore (self->table, lock))
    {
      self->counters[AGL_COUNTER_RESTORED]++;
      agl_keeper_arm_expiry (self, lock->expires_at_usec);
    }
  else
    g_warning ("Lock %" G_GUINT64_FORMAT " is saved twice: the second is passed over", lock->id);
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

      self->counters[AGL_COUNTER_FIRST_RELEASE + saved->reason]++;
      self->hooks.released (saved->lock, saved->reason, self->user_data);
    }
}
