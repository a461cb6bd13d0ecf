/* SPDX-License-Identifier: MIT */
#include "core/lock-table-private.h"

#include "common/error.h"
#include "core/held.h"
#include "core/rules.h"
#include "core/wait-graph.h"

static void
remove_locks (AglLockTable *self, GPtrArray *locks)
{
  for (guint i = 0; locks != NULL && i < locks->len; i++)
    agl_ledger_remove_lock (&self->ledger, g_ptr_array_index (locks, i));
}

static void
add_locks (AglLockTable *self, GPtrArray *locks)
{
  for (guint i = 0; locks != NULL && i < locks->len; i++)
    agl_ledger_add_lock (&self->ledger, g_ptr_array_index (locks, i));
}

/* A holder who is let past others may make them wait for somebody who waits for them. Who merely takes what
 * is free makes nobody wait who did not wait for him before. */
static gboolean
closes_no_circle (AglLockTable *self, const AglProcess *holder, GError **error)
{
  agl_ledger_refresh (&self->ledger);
  return agl_wait_graph_check_holder (&self->ledger, holder, error);
}

static gboolean
overrides (const AglRequest *request)
{
  return request->conflict == AGL_CONFLICT_JOIN || request->conflict == AGL_CONFLICT_STEAL;
}

static gboolean
commit (AglLockTable *self, AglLock *lock, GPtrArray *superseded, GError **error)
{
  g_autoptr (GError) why = NULL;

  if (self->hooks.commit (lock, superseded, self->user_data, &why))
    return TRUE;
  if (why == NULL)
    g_set_error (&why, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "The lock could not be saved");
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

static gboolean
stamp (AglLockTable *self, AglLock *lock, const AglRequest *request, GError **error)
{
  lock->id = self->hooks.next_id (self->user_data);
  if (lock->id == 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                   "No id could be reserved for a new lock: the state folder cannot be written");
      return FALSE;
    }
  lock->acquired_at_usec = g_get_real_time ();
  if (request->ttl_sec > 0)
    lock->expires_at_usec = lock->acquired_at_usec + request->ttl_sec * G_USEC_PER_SEC;
  g_free (lock->command);
  lock->command = lock->holder == NULL ? g_strdup ("") : agl_process_dup_command (lock->holder);
  return TRUE;
}

static gboolean
grant_new (AglLockTable *self,
           const AglRequest *request,
           AglLock *draft,
           GPtrArray *superseded,
           AglGrant *grant,
           GError **error)
{
  guint n_locks = agl_ledger_count_locks_of (&self->ledger, draft->uid);

  if (!agl_rules_allow_lock (draft->uid, n_locks, self->max_locks_per_user, error)
      || !stamp (self, draft, request, error))
    return FALSE;

  agl_ledger_add_lock (&self->ledger, draft);
  if ((overrides (request) && !closes_no_circle (self, draft->holder, error))
      || !commit (self, draft, superseded, error))
    {
      agl_ledger_remove_lock (&self->ledger, draft);
      return FALSE;
    }
  *grant = (AglGrant){ draft, TRUE, NULL };
  return TRUE;
}

static void
refresh_facts (AglLock *own, const AglLock *draft)
{
  own->mode = draft->mode;
  own->follow_cwd = draft->follow_cwd;
  own->cwd = draft->cwd;
  own->outside_since_usec = 0; /* it was sighted for this request */
  agl_texts_update (&own->texts, &draft->texts);
}

/* Out and in again, so that everybody whom it may concern is asked anew. */
static void
replace_facts (AglLockTable *self, AglLock *lock, const AglLock *facts)
{
  agl_ledger_remove_lock (&self->ledger, lock);
  agl_lock_assign (lock, facts);
  agl_ledger_add_lock (&self->ledger, lock);
}

static gboolean
grant_own (AglLockTable *self,
           const AglRequest *request,
           AglLock *own,
           const AglLock *draft,
           GPtrArray *superseded,
           AglGrant *grant,
           GError **error)
{
  g_autoptr (AglLock) G_GNUC_UNUSED keep = agl_lock_ref (own);
  g_autoptr (AglLock) before = agl_lock_dup (own);
  g_autoptr (AglLock) after = agl_lock_dup (own);

  refresh_facts (after, draft);
  *grant = (AglGrant){ own, FALSE, NULL };
  if (agl_lock_diff (before, after) != 0)
    {
      replace_facts (self, own, after);
      if ((overrides (request) && !closes_no_circle (self, own->holder, error))
          || !commit (self, own, superseded, error))
        {
          replace_facts (self, own, before);
          return FALSE;
        }
      grant->before = g_steal_pointer (&before);
    }
  return TRUE;
}

/* On failure the ledger is as it was. */
gboolean
agl_lock_table_grant (AglLockTable *self,
                      const AglRequest *request,
                      AglLock *draft,
                      GPtrArray *superseded,
                      AglGrant *grant,
                      GError **error)
{
  AglLock *own = agl_lock_index_find_own (self->ledger.held, draft->holder, draft->directory);
  gboolean granted;

  remove_locks (self, superseded);
  if (own == NULL)
    granted = grant_new (self, request, draft, superseded, grant, error);
  else
    granted = grant_own (self, request, own, draft, superseded, grant, error);
  if (!granted)
    add_locks (self, superseded);
  return granted;
}

void
agl_lock_table_announce_grant (AglLockTable *self, AglGrant *grant)
{
  if (grant->created)
    agl_announce_acquired (&self->announcements, grant->lock);
  else if (grant->before != NULL)
    agl_announce_changed (&self->announcements, grant->lock, g_steal_pointer (&grant->before));
}

/* --- from one holder to another --- */

static void
hand_over (AglLock *lock, AglProcess *holder, uid_t uid, gboolean follow_cwd, AglCwd cwd)
{
  agl_process_ref (holder);
  g_clear_pointer (&lock->holder, agl_process_unref);
  lock->holder = holder;
  lock->token = *agl_process_get_token (holder);
  lock->uid = uid;
  lock->manual = FALSE;
  lock->expires_at_usec = 0;
  lock->follow_cwd = follow_cwd;
  lock->cwd = follow_cwd ? cwd : AGL_CWD_IGNORED;
  lock->outside_since_usec = 0;
  agl_sighting_clear (&lock->sighting);
  lock->sighting = (AglSighting){ 0 };
  g_free (lock->command);
  lock->command = agl_process_dup_command (holder);
}

/* @lock is out of the ledger, and the new holder's; may it come back like that? */
static gboolean
may_hand_over (AglLockTable *self, const AglLock *before, const AglLock *lock, GError **error)
{
  const AglLock *own = agl_lock_index_find_own (self->ledger.held, lock->holder, lock->directory);
  g_autoptr (GPtrArray) in_the_way = agl_rules_find_newly_in_the_way (&self->ledger, before, lock);

  if (own != NULL || in_the_way->len > 0)
    {
      agl_set_transfer_held_error (error, lock, own != NULL ? own : g_ptr_array_index (in_the_way, 0));
      return FALSE;
    }
  return agl_rules_allow_lock (lock->uid, agl_ledger_count_locks_of (&self->ledger, lock->uid),
                               self->max_locks_per_user, error);
}

gboolean
agl_lock_table_transfer (AglLockTable *self,
                         AglLock *lock,
                         AglProcess *holder,
                         uid_t uid,
                         gboolean follow_cwd,
                         AglCwd cwd,
                         GError **error)
{
  g_autoptr (AglLock) G_GNUC_UNUSED keep = agl_lock_ref (lock);
  g_autoptr (AglLock) before = agl_lock_dup (lock);
  gboolean done;

  g_return_val_if_fail (agl_ledger_has_lock (&self->ledger, lock), FALSE);

  agl_ledger_remove_lock (&self->ledger, lock);
  hand_over (lock, holder, uid, follow_cwd, cwd);
  done = may_hand_over (self, before, lock, error);
  if (!done)
    agl_lock_assign (lock, before);
  agl_ledger_add_lock (&self->ledger, lock);
  if (!done)
    return FALSE;

  if (!closes_no_circle (self, holder, error) || !commit (self, lock, NULL, error))
    {
      replace_facts (self, lock, before);
      return FALSE;
    }
  if (agl_lock_diff (before, lock) != 0)
    agl_announce_changed (&self->announcements, lock, g_steal_pointer (&before));
  return TRUE;
}
