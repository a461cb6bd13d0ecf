/* SPDX-License-Identifier: MIT */
#include "core/entitlement.h"

#include "common/error.h"
#include "common/text.h"
#include "common/user.h"

static GPtrArray *
list_candidates (const AglLockTable *table, const AglSelection *selection)
{
  g_autoptr (GPtrArray) found = NULL;
  AglLock *lock;

  if (selection->id == 0)
    {
      g_return_val_if_fail (selection->directory != NULL, NULL);
      found = agl_lock_table_list_directory (table, selection->directory);
    }
  else
    {
      found = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
      lock = agl_lock_table_lookup (table, selection->id);
      if (lock != NULL
          && (selection->directory == NULL || agl_directory_equal (lock->directory, selection->directory)))
        g_ptr_array_add (found, agl_lock_ref (lock));
    }
  for (guint i = found->len; selection->pid != 0 && i > 0; i--)
    {
      lock = g_ptr_array_index (found, i - 1);
      if (lock->manual || lock->token.pid != selection->pid)
        g_ptr_array_remove_index (found, i - 1);
    }
  return g_steal_pointer (&found);
}

static void
set_not_found (GError **error, const AglSelection *selection)
{
  g_autofree char *where = NULL, *whose = NULL;

  if (selection->directory != NULL)
    {
      g_autofree char *path = agl_text_escape (agl_directory_get_path (selection->directory), -1);

      where = g_strdup_printf (" on \"%s\"", path);
    }
  if (selection->pid != 0)
    whose = g_strdup_printf (" of process %d", (int)selection->pid);
  if (selection->id != 0)
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_FOUND, "There is no lock %" G_GUINT64_FORMAT "%s%s",
                 selection->id, whose != NULL ? whose : "", where != NULL ? where : "");
  else
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_FOUND, "There is no lock%s%s", whose != NULL ? whose : "",
                 where != NULL ? where : "");
}

static void
set_ambiguous (GError **error, const GPtrArray *locks)
{
  g_autoptr (GString) ids = g_string_new (NULL);

  for (guint i = 0; i < locks->len; i++)
    g_string_append_printf (ids, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "",
                            ((const AglLock *)g_ptr_array_index (locks, i))->id);
  g_set_error (error, AGL_ERROR, AGL_ERROR_AMBIGUOUS, "Several locks are meant: %s; name one by its id",
               ids->str);
}

AglLock *
agl_entitlement_select (const AglLockTable *table,
                        const AglAsker *asker,
                        const AglSelection *selection,
                        GError **error)
{
  g_autoptr (GPtrArray) locks = list_candidates (table, selection);
  gboolean had_any = locks->len > 0;

  if (selection->id == 0 && selection->pid == 0 && asker->process != NULL)
    for (guint i = 0; i < locks->len; i++)
      if (agl_lock_is_held_by (g_ptr_array_index (locks, i), asker->process))
        return g_ptr_array_index (locks, i);

  /* Named by its id or holder, a lock is meant whoever's it is: whether that may be done is judged next. */
  for (guint i = locks->len; selection->id == 0 && selection->pid == 0 && !asker->privileged && i > 0; i--)
    if (((AglLock *)g_ptr_array_index (locks, i - 1))->uid != asker->uid)
      g_ptr_array_remove_index (locks, i - 1);

  if (locks->len == 1)
    return g_ptr_array_index (locks, 0);
  if (locks->len > 1)
    set_ambiguous (error, locks);
  else if (had_any)
    g_set_error_literal (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
                         "The directory is locked by other users only; their locks are not yours to release");
  else
    set_not_found (error, selection);
  return NULL;
}

/* The asker is the one whose word the lock rests on. */
static gboolean
is_own (const AglLock *lock, const AglAsker *asker)
{
  if (lock->manual)
    return lock->uid == asker->uid;
  if (asker->process == NULL)
    return FALSE;
  return agl_process_token_equal (&lock->acquirer, agl_process_get_token (asker->process))
         || (lock->holder != NULL && agl_process_is_self_or_descendant_of (asker->process, lock->holder));
}

gboolean
agl_entitlement_judge (
    const AglLock *lock, const AglAsker *asker, gboolean force, AglReleaseReason *reason, GError **error)
{
  g_autofree char *path = NULL;

  if ((lock->uid == asker->uid || asker->privileged) && is_own (lock, asker))
    {
      *reason = AGL_RELEASE_RELEASED;
      return TRUE;
    }
  path = agl_text_escape (agl_directory_get_path (lock->directory), -1);
  if (lock->uid != asker->uid && !asker->privileged)
    {
      g_autofree char *user = agl_user_dup_name (lock->uid);

      g_set_error (
          error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
          "Lock %" G_GUINT64_FORMAT
          " on \"%s\" is of user %s; only a privileged user may release or transfer another user's lock",
          lock->id, path, user);
      return FALSE;
    }
  if (!lock->manual && !force)
    {
      g_autofree char *command = agl_lock_dup_command (lock);

      g_set_error (error, AGL_ERROR, AGL_ERROR_HOLDER_ALIVE,
                   "Lock %" G_GUINT64_FORMAT " on \"%s\" is held by %s (pid %d), which %s and is not you; "
                   "end that process, or do it with force",
                   lock->id, path, command, (int)lock->token.pid,
                   lock->holder != NULL ? "is alive" : "cannot be told to be dead");
      return FALSE;
    }
  *reason = AGL_RELEASE_FORCED;
  return TRUE;
}
