/* SPDX-License-Identifier: MIT */
#include "core/rules.h"

#include "common/error.h"
#include "common/user.h"
#include "core/held.h"

gboolean
agl_rules_same_holder (const AglLock *a, const AglLock *b)
{
  return agl_lock_is_held_by (a, b->holder);
}

static gboolean
covers (const AglLock *a, const AglLock *b)
{
  return (a->mode & AGL_MODE_SUBTREE) != 0 && agl_directory_is_below (b->directory, a->directory);
}

gboolean
agl_rules_overlap (const AglLock *a, const AglLock *b)
{
  return agl_directory_equal (a->directory, b->directory) || covers (a, b) || covers (b, a);
}

gboolean
agl_rules_conflict (const AglLock *a, const AglLock *b)
{
  if ((a->mode & b->mode & AGL_MODE_SHARED) != 0)
    return FALSE;
  return !agl_rules_same_holder (a, b) && agl_rules_overlap (a, b);
}

gboolean
agl_rules_asks_no_more (AglMode mode, AglMode held)
{
  gboolean shares_at_least = (mode & AGL_MODE_SHARED) != 0 || (held & AGL_MODE_SHARED) == 0;
  gboolean covers_at_most = (mode & AGL_MODE_SUBTREE) == 0 || (held & AGL_MODE_SUBTREE) != 0;

  return shares_at_least && covers_at_most;
}

/* --- who is in the way --- */

static int
compare_arrivals (gconstpointer a, gconstpointer b)
{
  const AglWaiter *left = *(const AglWaiter *const *)a, *right = *(const AglWaiter *const *)b;

  return left->serial < right->serial ? -1 : left->serial > right->serial;
}

static void
find_locks (const AglLedger *ledger, const AglLock *wanted, GPtrArray *locks)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();

  agl_lock_index_find_overlapping (ledger->held, wanted, found);
  for (guint i = 0; i < found->len; i++)
    {
      AglLock *lock = g_ptr_array_index (found, i);

      if (agl_rules_conflict (lock, wanted))
        g_ptr_array_add (locks, agl_lock_ref (lock));
    }
  g_ptr_array_sort (locks, agl_lock_compare_ids);
}

gboolean
agl_rules_is_awaited (const AglLedger *ledger, const AglProcess *holder)
{
  for (AglLock *own = agl_lock_index_first_own (ledger->held, holder); own != NULL; own = own->next_own)
    {
      if (own->n_waiters > 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
waits_for (const AglWaiter *waiter, const AglProcess *holder, GHashTable *who_waits_for_him)
{
  for (guint i = 0; i < waiter->blockers.locks->len; i++)
    {
      if (agl_lock_is_held_by (g_ptr_array_index (waiter->blockers.locks, i), holder))
        return TRUE;
    }
  for (guint i = 0; i < waiter->blockers.waiters->len; i++)
    {
      if (g_hash_table_contains (who_waits_for_him, g_ptr_array_index (waiter->blockers.waiters, i)))
        return TRUE;
    }
  return FALSE;
}

/* The waiters before @serial that stand in the queue for @holder's sake. NULL: none.
 * In order of arrival, so that whom a waiter stands behind is known before it is asked itself. */
static GHashTable *
find_who_waits_for (const AglLedger *ledger, const AglProcess *holder, guint64 serial)
{
  g_autoptr (GHashTable) found = NULL;

  if (!agl_rules_is_awaited (ledger, holder))
    return NULL;

  found = g_hash_table_new (g_direct_hash, g_direct_equal);
  for (const GList *link = ledger->waiters.head; link != NULL; link = link->next)
    {
      AglWaiter *waiter = link->data;

      if (waiter->serial >= serial)
        break;
      if (waits_for (waiter, holder, found))
        g_hash_table_add (found, waiter);
    }
  return g_steal_pointer (&found);
}

static void
find_waiters (const AglLedger *ledger, const AglLock *wanted, guint64 serial, GPtrArray *waiters)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GHashTable) who_waits_for_him = NULL;
  gboolean in_order = TRUE; /* as those of one directory are */
  guint64 last = 0;

  if (agl_lock_index_is_empty (ledger->wanted))
    return;

  found = g_ptr_array_new ();
  agl_lock_index_find_overlapping (ledger->wanted, wanted, found);
  if (found->len > 0)
    who_waits_for_him = find_who_waits_for (ledger, wanted->holder, serial);
  for (guint i = 0; i < found->len; i++)
    {
      const AglLock *draft = g_ptr_array_index (found, i);

      if (draft->waiter->serial >= serial || !agl_rules_conflict (draft, wanted))
        continue;
      if (who_waits_for_him != NULL && g_hash_table_contains (who_waits_for_him, draft->waiter))
        continue;
      in_order = in_order && draft->waiter->serial > last;
      last = draft->waiter->serial;
      g_ptr_array_add (waiters, draft->waiter);
    }
  if (!in_order)
    g_ptr_array_sort (waiters, compare_arrivals);
}

static gboolean
has_it_already (const AglLedger *ledger, const AglLock *wanted)
{
  const AglLock *own = agl_lock_index_find_own (ledger->held, wanted->holder, wanted->directory);

  return own != NULL && agl_rules_asks_no_more (wanted->mode, own->mode);
}

void
agl_rules_find_in_the_way (const AglLedger *ledger,
                           const AglLock *wanted,
                           guint64 serial,
                           AglBlockers *blockers)
{
  if (has_it_already (ledger, wanted))
    return;

  find_locks (ledger, wanted, blockers->locks);
  find_waiters (ledger, wanted, serial, blockers->waiters);
}

gboolean
agl_rules_minds_outsiders (const AglLedger *ledger, const AglRequest *request)
{
  const AglLock *own = agl_lock_index_find_own (ledger->held, request->holder, request->directory);

  if (!request->detect_agents || (request->mode & AGL_MODE_SHARED) != 0)
    return FALSE;
  if (own != NULL && agl_rules_asks_no_more (request->mode, own->mode))
    return FALSE;

  switch (request->conflict)
    {
    case AGL_CONFLICT_FAIL:
    case AGL_CONFLICT_WAIT:
      return TRUE;
    case AGL_CONFLICT_JOIN:
    case AGL_CONFLICT_STEAL:
      return FALSE;
    }
  g_return_val_if_reached (TRUE);
}

/* --- what becomes of a request --- */

/* To go ahead of somebody takes the same user, or privilege. */
static gboolean
may_override (const AglRequest *request, const AglBlockers *blockers, GError **error)
{
  if (request->asker.privileged)
    return TRUE;

  for (guint i = 0; i < blockers->locks->len; i++)
    {
      const AglLock *lock = g_ptr_array_index (blockers->locks, i);

      if (lock->uid != request->asker.uid)
        {
          agl_set_not_yours_error (error, request, lock);
          return FALSE;
        }
    }
  for (guint i = 0; i < blockers->waiters->len; i++)
    {
      const AglWaiter *waiter = g_ptr_array_index (blockers->waiters, i);

      if (waiter->request->uid != request->asker.uid)
        {
          agl_set_held_error (error, request, blockers);
          return FALSE;
        }
    }
  return TRUE;
}

AglVerdict
agl_rules_judge (const AglRequest *request, const AglBlockers *blockers, GError **error)
{
  if (agl_blockers_are_none (blockers))
    return AGL_VERDICT_GRANT;

  switch (request->conflict)
    {
    case AGL_CONFLICT_FAIL:
      agl_set_held_error (error, request, blockers);
      return AGL_VERDICT_REFUSE;
    case AGL_CONFLICT_WAIT:
      return AGL_VERDICT_WAIT;
    case AGL_CONFLICT_JOIN:
    case AGL_CONFLICT_STEAL:
      return may_override (request, blockers, error) ? AGL_VERDICT_GRANT : AGL_VERDICT_REFUSE;
    }
  g_return_val_if_reached (AGL_VERDICT_REFUSE);
}

GPtrArray *
agl_rules_find_newly_in_the_way (const AglLedger *ledger, const AglLock *before, const AglLock *after)
{
  GPtrArray *found = g_ptr_array_new ();

  agl_lock_index_find_overlapping (ledger->held, after, found);
  for (guint i = found->len; i-- > 0;)
    {
      const AglLock *lock = g_ptr_array_index (found, i);

      if (lock == before || !agl_rules_conflict (lock, after) || agl_rules_conflict (lock, before))
        g_ptr_array_remove_index_fast (found, i);
    }
  g_ptr_array_sort (found, agl_lock_compare_ids);
  return found;
}

gboolean
agl_rules_allow_lock (uid_t uid, guint n_locks, guint max, GError **error)
{
  g_autofree char *user = NULL;

  if (n_locks < max)
    return TRUE;
  user = agl_user_dup_name (uid);
  g_set_error (error, AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED,
               "User %s holds %u locks and may hold no more than %u (MaxLocksPerUser); release some first",
               user, n_locks, max);
  return FALSE;
}

gboolean
agl_rules_allow_waiter (uid_t uid, guint n_waiters, guint max, GError **error)
{
  g_autofree char *user = NULL;

  if (n_waiters < max)
    return TRUE;
  user = agl_user_dup_name (uid);
  g_set_error (error, AGL_ERROR, AGL_ERROR_LIMIT_EXCEEDED,
               "%u requests of user %s are waiting and no more than %u may (MaxWaitersPerUser); "
               "cancel some, or ask with conflict=fail",
               n_waiters, user, max);
  return FALSE;
}
