/* SPDX-License-Identifier: MIT */
#include "core/lock-table.h"

#include "common/error.h"
#include "core/lock-table-private.h"
#include "core/rules.h"
#include "core/wait-graph.h"

AglLockTable *
agl_lock_table_new (const AglLockTableHooks *hooks, gpointer user_data)
{
  AglLockTable *self = g_new0 (AglLockTable, 1);

  agl_ledger_init (&self->ledger);
  agl_announcements_init (&self->announcements);
  self->hooks = *hooks;
  self->user_data = user_data;
  self->max_locks_per_user = G_MAXUINT;
  self->max_waiters_per_user = G_MAXUINT;
  return self;
}

void
agl_lock_table_free (AglLockTable *self)
{
  g_return_if_fail (!self->settling);

  agl_announcements_clear (&self->announcements);
  agl_ledger_clear (&self->ledger);
  g_free (self);
}

void
agl_lock_table_set_limits (AglLockTable *self, guint max_locks_per_user, guint max_waiters_per_user)
{
  self->max_locks_per_user = max_locks_per_user;
  self->max_waiters_per_user = max_waiters_per_user;
}

void
agl_lock_table_end_wait (AglLockTable *self, AglWaiter *waiter, AglGrant *grant, const GError *error)
{
  agl_announce_ended (&self->announcements, waiter, grant == NULL ? NULL : grant->lock, error);
  if (grant != NULL)
    agl_lock_table_announce_grant (self, grant);
}

GPtrArray *
agl_lock_table_look (AglLockTable *self, const AglRequest *request, GError **error)
{
  GPtrArray *outsiders = NULL;

  if (agl_rules_minds_outsiders (&self->ledger, request)
      && !self->hooks.look (request, &outsiders, self->user_data, error))
    return NULL;
  if (outsiders == NULL)
    outsiders = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
  return outsiders;
}

/* --- a request --- */

static AglOutcome
enqueue (AglLockTable *self,
         AglRequest *request,
         AglLock *draft,
         AglBlockers *blockers,
         AglWaiter **waiter,
         GError **error)
{
  guint n_waiters = agl_ledger_count_waiters_of (&self->ledger, request->uid);

  if (!agl_rules_allow_waiter (request->uid, n_waiters, self->max_waiters_per_user, error)
      || !agl_wait_graph_allow_wait (&self->ledger, request->holder, request->directory, blockers, error))
    return AGL_OUTCOME_REFUSED;

  *waiter = agl_ledger_enqueue (&self->ledger, request, agl_lock_ref (draft));
  agl_ledger_refresh (&self->ledger);
  if (blockers->outsiders->len > 0)
    agl_ledger_set_outsiders (&self->ledger, *waiter, g_ptr_array_ref (blockers->outsiders));
  return AGL_OUTCOME_WAITING;
}

static guint *
copy_counts (const GPtrArray *locks)
{
  guint *n_waiters = g_new (guint, locks->len);

  for (guint i = 0; i < locks->len; i++)
    n_waiters[i] = ((const AglLock *)g_ptr_array_index (locks, i))->n_waiters;
  return n_waiters;
}

static AglOutcome
take (AglLockTable *self,
      AglRequest *request,
      AglLock *draft,
      AglBlockers *blockers,
      AglLock **lock,
      gboolean *created,
      GError **error)
{
  gboolean steals = request->conflict == AGL_CONFLICT_STEAL && blockers->locks->len > 0;
  g_autofree guint *n_waiters = steals ? copy_counts (blockers->locks) : NULL;
  AglGrant grant;

  if (!agl_lock_table_grant (self, request, draft, steals ? blockers->locks : NULL, &grant, error))
    return AGL_OUTCOME_REFUSED;

  for (guint i = 0; steals && i < blockers->locks->len; i++)
    agl_announce_released (&self->announcements, g_ptr_array_index (blockers->locks, i), AGL_RELEASE_STOLEN,
                           n_waiters[i]);
  agl_lock_table_announce_grant (self, &grant);
  *lock = grant.lock;
  if (created != NULL)
    *created = grant.created;
  return AGL_OUTCOME_GRANTED;
}

/* A holder's own lock stays where it was found, should the directory be asked for through another mount this
 * time: judged is what it would become. */
static AglLock *
make_draft (AglLockTable *self, const AglRequest *request)
{
  AglLock *draft = agl_request_draft (request);
  const AglLock *own = agl_lock_index_find_own (self->ledger.held, draft->holder, draft->directory);

  if (own != NULL)
    agl_lock_set_directory (draft, own->directory);
  return draft;
}

static gboolean
look_around (AglLockTable *self, const AglRequest *request, AglBlockers *blockers, GError **error)
{
  GPtrArray *outsiders = agl_lock_table_look (self, request, error);

  if (outsiders == NULL)
    return FALSE;
  g_ptr_array_unref (blockers->outsiders);
  blockers->outsiders = outsiders;
  return TRUE;
}

AglOutcome
agl_lock_table_acquire (AglLockTable *self,
                        AglRequest *request,
                        AglLock **lock,
                        AglWaiter **waiter,
                        gboolean *created,
                        GError **error)
{
  g_autoptr (AglLock) draft = make_draft (self, request);
  g_auto (AglBlockers) blockers = { 0 };

  *lock = NULL;
  *waiter = NULL;
  agl_blockers_init (&blockers);
  agl_ledger_refresh (&self->ledger);
  agl_rules_find_in_the_way (&self->ledger, draft, G_MAXUINT64, &blockers);
  if (agl_blockers_way_is_free (&blockers) && !look_around (self, request, &blockers, error))
    return AGL_OUTCOME_REFUSED;

  switch (agl_rules_judge (request, &blockers, error))
    {
    case AGL_VERDICT_GRANT:
      return take (self, request, draft, &blockers, lock, created, error);
    case AGL_VERDICT_WAIT:
      return enqueue (self, request, draft, &blockers, waiter, error);
    case AGL_VERDICT_REFUSE:
      return AGL_OUTCOME_REFUSED;
    }
  g_return_val_if_reached (AGL_OUTCOME_REFUSED);
}

gboolean
agl_lock_table_find_blockers (AglLockTable *self,
                              const AglRequest *request,
                              AglBlockers *blockers,
                              GError **error)
{
  g_autoptr (AglLock) draft = make_draft (self, request);

  agl_blockers_init (blockers);
  agl_ledger_refresh (&self->ledger);
  agl_rules_find_in_the_way (&self->ledger, draft, G_MAXUINT64, blockers);
  return look_around (self, request, blockers, error);
}

/* --- what happens to a lock or a waiter --- */

void
agl_lock_table_release (AglLockTable *self, AglLock *lock, AglReleaseReason reason)
{
  if (!agl_ledger_has_lock (&self->ledger, lock))
    return;

  agl_announce_released (&self->announcements, lock, reason, lock->n_waiters);
  agl_ledger_remove_lock (&self->ledger, lock);
}

void
agl_lock_table_drop (AglLockTable *self, AglWaiter *waiter, const GError *why)
{
  if (waiter->over)
    return;

  agl_ledger_dequeue (&self->ledger, waiter);
  agl_lock_table_end_wait (self, waiter, NULL, why);
}

void
agl_lock_table_try_again (AglLockTable *self, AglWaiter *waiter)
{
  if (!waiter->over)
    agl_ledger_try_again (&self->ledger, waiter);
}

gboolean
agl_lock_table_restore (AglLockTable *self, AglLock *lock)
{
  if (agl_lock_table_lookup (self, lock->id) != NULL)
    return FALSE;

  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
  return TRUE;
}

void
agl_lock_table_set_directory (AglLockTable *self, AglLock *lock, AglDirectory *directory)
{
  g_autoptr (AglLock) G_GNUC_UNUSED keep = agl_lock_ref (lock);

  g_return_if_fail (agl_ledger_has_lock (&self->ledger, lock));

  agl_announce_changed (&self->announcements, lock, agl_lock_dup (lock));
  agl_ledger_remove_lock (&self->ledger, lock);
  agl_lock_set_directory (lock, directory);
  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
}

void
agl_lock_table_set_holder (AglLockTable *self, AglLock *lock, AglProcess *holder)
{
  g_autoptr (AglLock) G_GNUC_UNUSED keep = agl_lock_ref (lock);

  g_return_if_fail (agl_ledger_has_lock (&self->ledger, lock));

  agl_ledger_remove_lock (&self->ledger, lock);
  if (holder != NULL)
    agl_process_ref (holder);
  g_clear_pointer (&lock->holder, agl_process_unref);
  lock->holder = holder;
  agl_ledger_add_lock (&self->ledger, lock);
  self->ledger.suspicious = TRUE;
}

/* --- looking things up --- */

AglLock *
agl_lock_table_lookup (const AglLockTable *self, guint64 id)
{
  return g_hash_table_lookup (self->ledger.by_id, &id);
}

GPtrArray *
agl_lock_table_list (const AglLockTable *self)
{
  GPtrArray *locks = g_ptr_array_new_full (agl_lock_table_count (self), (GDestroyNotify)agl_lock_unref);
  GHashTableIter iter;
  gpointer lock;

  g_hash_table_iter_init (&iter, self->ledger.by_id);
  while (g_hash_table_iter_next (&iter, &lock, NULL))
    g_ptr_array_add (locks, agl_lock_ref (lock));
  g_ptr_array_sort (locks, agl_lock_compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_pids (const AglLockTable *self, GHashTable *pids)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->ledger.by_id);
  while (g_hash_table_iter_next (&iter, &value, NULL))
    {
      AglLock *lock = value;

      if (!lock->manual && g_hash_table_contains (pids, GINT_TO_POINTER (lock->token.pid)))
        g_ptr_array_add (locks, agl_lock_ref (lock));
    }
  g_ptr_array_sort (locks, agl_lock_compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_directory (const AglLockTable *self, const AglDirectory *directory)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);

  for (AglLock *lock = agl_lock_index_first_there (self->ledger.held, directory); lock != NULL;
       lock = lock->next_there)
    {
      if (agl_directory_equal (lock->directory, directory))
        g_ptr_array_add (locks, agl_lock_ref (lock));
    }
  g_ptr_array_sort (locks, agl_lock_compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_holder (const AglLockTable *self, const AglProcess *holder)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);

  for (AglLock *lock = agl_lock_index_first_own (self->ledger.held, holder); lock != NULL;
       lock = lock->next_own)
    g_ptr_array_add (locks, agl_lock_ref (lock));
  g_ptr_array_sort (locks, agl_lock_compare_ids);
  return locks;
}

GPtrArray *
agl_lock_table_list_waiters (const AglLockTable *self)
{
  GPtrArray *waiters = g_ptr_array_sized_new (self->ledger.waiters.length);

  for (const GList *link = self->ledger.waiters.head; link != NULL; link = link->next)
    g_ptr_array_add (waiters, link->data);
  return waiters;
}

guint
agl_lock_table_count (const AglLockTable *self)
{
  return g_hash_table_size (self->ledger.by_id);
}

guint
agl_lock_table_count_waiters (const AglLockTable *self)
{
  return self->ledger.waiters.length;
}
