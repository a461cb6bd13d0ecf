/* SPDX-License-Identifier: MIT */
#include "common/error.h"
#include "core/keeper-private.h"
#include "core/lock-log.h"

void
agl_keeper_death_told (AglProcess *process, gpointer user_data)
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

void
agl_keeper_look (AglKeeper *self)
{
  agl_process_watch_look (self->watch);
}

void
agl_keeper_removal_told (AglDirectory *directory, gpointer user_data)
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

void
agl_keeper_unwatch_removal (AglKeeper *self, AglLock *lock)
{
  if (lock->removal != NULL)
    agl_removal_watch_remove (self->removals, lock->removal);
  g_clear_pointer (&lock->removal, agl_directory_unref);
}

gboolean
agl_keeper_watch_removal (AglKeeper *self, AglLock *lock)
{
  gboolean is_followed = lock->holder != NULL && lock->follow_cwd;
  g_autoptr (GError) error = NULL;

  if (is_followed || (lock->removal != NULL && lock->removal != lock->directory))
    agl_keeper_unwatch_removal (self, lock);
  if (is_followed || lock->removal != NULL)
    return TRUE;
  if (agl_removal_watch_add (self->removals, lock->directory, AGL_PATIENCE_NONE, &error))
    {
      lock->removal = agl_directory_ref (lock->directory);
      return TRUE;
    }
  /* Not all can be watched; the rounds ask after every one. */
  agl_lock_log (G_LOG_LEVEL_DEBUG, lock, "the directory is not watched for removal: %s", error->message);
  return agl_directory_is_foreign (lock->directory)
         || !g_error_matches (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY);
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

/* Somebody may wait for unregistered agents: their death is told by the same watch, their leaving is seen by
 * the rounds. */
void
agl_keeper_watch_outsiders (AglKeeper *self)
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
