/* SPDX-License-Identifier: MIT */
#include "core/ledger.h"

#include "core/rules.h"

typedef struct
{
  uid_t uid;
  guint n_locks;
  guint n_waiters;
} Tally;

void
agl_ledger_init (AglLedger *self)
{
  *self = (AglLedger){ 0 };
  /* In a set a lock stands for its id, which is its first member. */
  G_STATIC_ASSERT (G_STRUCT_OFFSET (AglLock, id) == 0);
  self->by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, (GDestroyNotify)agl_lock_unref, NULL);
  self->held = agl_lock_index_new ();
  self->wanted = agl_lock_index_new ();
  g_queue_init (&self->waiters);
  self->tallies = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, g_free);
  self->recounted =
      g_hash_table_new_full (g_direct_hash, g_direct_equal, (GDestroyNotify)agl_lock_unref, NULL);
}

void
agl_ledger_clear (AglLedger *self)
{
  GList *next;

  for (GList *link = self->waiters.head; link != NULL; link = next)
    {
      next = link->next;
      agl_waiter_free (link->data);
    }
  g_queue_init (&self->waiters);
  g_clear_pointer (&self->held, agl_lock_index_free);
  g_clear_pointer (&self->wanted, agl_lock_index_free);
  g_clear_pointer (&self->recounted, g_hash_table_unref);
  g_clear_pointer (&self->by_id, g_hash_table_unref);
  g_clear_pointer (&self->tallies, g_hash_table_unref);
}

/* --- how many each user has --- */

static Tally *
lookup_tally (const AglLedger *self, uid_t uid)
{
  return g_hash_table_lookup (self->tallies, GUINT_TO_POINTER (uid));
}

static Tally *
ensure_tally (AglLedger *self, uid_t uid)
{
  Tally *tally = lookup_tally (self, uid);

  if (tally == NULL)
    {
      tally = g_new0 (Tally, 1);
      tally->uid = uid;
      g_hash_table_insert (self->tallies, GUINT_TO_POINTER (uid), tally);
    }
  return tally;
}

static void
drop_empty_tally (AglLedger *self, Tally *tally)
{
  if (tally->n_locks == 0 && tally->n_waiters == 0)
    g_hash_table_remove (self->tallies, GUINT_TO_POINTER (tally->uid));
}

guint
agl_ledger_count_locks_of (const AglLedger *self, uid_t uid)
{
  const Tally *tally = lookup_tally (self, uid);

  return tally == NULL ? 0 : tally->n_locks;
}

guint
agl_ledger_count_waiters_of (const AglLedger *self, uid_t uid)
{
  const Tally *tally = lookup_tally (self, uid);

  return tally == NULL ? 0 : tally->n_waiters;
}

/* --- whom a change may concern --- */

static void
mark_stale (AglLedger *self, AglWaiter *waiter)
{
  if (!waiter->stale)
    self->n_stale++;
  waiter->stale = TRUE;
}

static void
set_due (AglLedger *self, AglWaiter *waiter, gboolean due)
{
  if (due != waiter->due)
    self->n_due += due ? 1 : -1;
  waiter->due = due;
}

/* Those whose region meets that of @lock and who came after @serial. No others: whether one stands behind
 * another also hangs on whom that one waits for, but then that one is asked anew, and marks those behind it
 * in turn (agl_ledger_refresh()). */
static void
mark_overlapping (AglLedger *self, const AglLock *lock, guint64 serial)
{
  g_autoptr (GPtrArray) found = NULL;

  if (agl_lock_index_is_empty (self->wanted))
    return;

  found = g_ptr_array_new ();
  agl_lock_index_find_overlapping (self->wanted, lock, found);
  for (guint i = 0; i < found->len; i++)
    {
      const AglLock *draft = g_ptr_array_index (found, i);

      if (draft->waiter->serial > serial)
        mark_stale (self, draft->waiter);
    }
}

/* --- locks --- */

gboolean
agl_ledger_has_lock (const AglLedger *self, const AglLock *lock)
{
  return g_hash_table_lookup (self->by_id, lock) == lock;
}

void
agl_ledger_add_lock (AglLedger *self, AglLock *lock)
{
  g_return_if_fail (!g_hash_table_contains (self->by_id, lock));

  g_hash_table_add (self->by_id, agl_lock_ref (lock));
  agl_lock_index_add (self->held, lock);
  ensure_tally (self, lock->uid)->n_locks++;
  mark_overlapping (self, lock, 0);
}

void
agl_ledger_remove_lock (AglLedger *self, AglLock *lock)
{
  Tally *tally = lookup_tally (self, lock->uid);

  g_return_if_fail (agl_ledger_has_lock (self, lock));

  tally->n_locks--;
  drop_empty_tally (self, tally);
  agl_lock_index_remove (self->held, lock);
  mark_overlapping (self, lock, 0);
  g_hash_table_remove (self->by_id, lock);
}

/* --- waiters --- */

AglWaiter *
agl_ledger_enqueue (AglLedger *self, AglRequest *request, AglLock *wanted)
{
  AglWaiter *waiter = agl_waiter_new (request, wanted, ++self->last_serial);

  g_queue_push_tail_link (&self->waiters, &waiter->link);
  agl_lock_index_add (self->wanted, wanted);
  ensure_tally (self, request->uid)->n_waiters++;
  mark_stale (self, waiter);
  return waiter;
}

static void
recount (AglLedger *self, AglLock *lock, int change)
{
  if (!g_hash_table_contains (self->recounted, lock))
    g_hash_table_insert (self->recounted, agl_lock_ref (lock), GUINT_TO_POINTER (lock->n_waiters));
  lock->n_waiters += change;
}

static gboolean
is_recounted (const AglLedger *self, const AglLock *lock, gpointer told)
{
  return lock->n_waiters != GPOINTER_TO_UINT (told) && agl_ledger_has_lock (self, lock);
}

GPtrArray *
agl_ledger_list_recounted (AglLedger *self)
{
  GPtrArray *locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  GHashTableIter iter;
  gpointer lock, told;

  g_hash_table_iter_init (&iter, self->recounted);
  while (g_hash_table_iter_next (&iter, &lock, &told))
    {
      if (is_recounted (self, lock, told))
        g_ptr_array_add (locks, agl_lock_ref (lock));
      else
        g_hash_table_iter_remove (&iter);
    }
  g_ptr_array_sort (locks, agl_lock_compare_ids);
  return locks;
}

gboolean
agl_ledger_take_recount (AglLedger *self, const AglLock *lock)
{
  gpointer told;
  gboolean is_news =
      g_hash_table_lookup_extended (self->recounted, lock, NULL, &told) && is_recounted (self, lock, told);

  g_hash_table_remove (self->recounted, lock);
  return is_news;
}

static void
replace_blockers (AglLedger *self, AglWaiter *waiter, AglBlockers *found)
{
  for (guint i = 0; i < waiter->blockers.locks->len; i++)
    recount (self, g_ptr_array_index (waiter->blockers.locks, i), -1);
  for (guint i = 0; i < found->locks->len; i++)
    recount (self, g_ptr_array_index (found->locks, i), +1);
  self->n_outsiders -= waiter->blockers.outsiders->len;
  self->n_outsiders += found->outsiders->len;
  agl_blockers_clear (&waiter->blockers);
  waiter->blockers = *found;
  *found = (AglBlockers){ 0 };
}

void
agl_ledger_dequeue (AglLedger *self, AglWaiter *waiter)
{
  Tally *tally = lookup_tally (self, waiter->request->uid);
  AglBlockers none;

  agl_blockers_init (&none);
  replace_blockers (self, waiter, &none);
  tally->n_waiters--;
  drop_empty_tally (self, tally);
  if (waiter->stale)
    self->n_stale--;
  waiter->stale = FALSE;
  set_due (self, waiter, FALSE);
  agl_lock_index_remove (self->wanted, waiter->wanted);
  g_queue_unlink (&self->waiters, &waiter->link);
  waiter->wanted->waiter = NULL;
  mark_overlapping (self, waiter->wanted, waiter->serial);
}

/* --- whom each of them waits for --- */

/* TRUE when a waiter is in @now that was not in @before; both are in order of arrival. */
static gboolean
has_new_waiter (const GPtrArray *before, const GPtrArray *now)
{
  guint k = 0;

  for (guint i = 0; i < now->len; i++)
    {
      while (k < before->len && g_ptr_array_index (before, k) != g_ptr_array_index (now, i))
        k++;
      if (k == before->len)
        return TRUE;
    }
  return FALSE;
}

/* Whoever comes to hold a lock in a waiter's way was looked at when he was let past, or stood before that
 * waiter in the queue (which is why all are refreshed before one is let in). Whoever comes to stand before it
 * has ceased to wait for its holder. And one that could have had what it wants at once, from a lock of its
 * holder's that shrank since, has everybody in its way anew. */
static gboolean
gains_somebody (const AglBlockers *before, const AglBlockers *now)
{
  if (agl_blockers_way_is_free (before) && !agl_blockers_way_is_free (now))
    return TRUE;
  return has_new_waiter (before->waiters, now->waiters);
}

static void
refresh_waiter (AglLedger *self, AglWaiter *waiter)
{
  g_auto (AglBlockers) found = { 0 };

  agl_blockers_init (&found);
  agl_rules_find_in_the_way (self, waiter->wanted, waiter->serial, &found);
  if (waiter->known && gains_somebody (&waiter->blockers, &found))
    self->suspicious = TRUE;
  waiter->known = TRUE;
  set_due (self, waiter, agl_blockers_way_is_free (&found));
  if (waiter->due)
    {
      g_ptr_array_unref (found.outsiders);
      found.outsiders = g_ptr_array_ref (waiter->blockers.outsiders);
    }
  replace_blockers (self, waiter, &found);
}

void
agl_ledger_refresh (AglLedger *self)
{
  guint n_after = self->waiters.length;

  for (GList *link = self->waiters.head; link != NULL && self->n_stale > 0; link = link->next)
    {
      AglWaiter *waiter = link->data;

      n_after--;
      if (!waiter->stale)
        continue;
      waiter->stale = FALSE;
      self->n_stale--;
      refresh_waiter (self, waiter);
      /* Whether those after it stand behind it hangs on whom it waits for. */
      if (self->n_stale < n_after)
        mark_overlapping (self, waiter->wanted, waiter->serial);
    }
}

AglWaiter *
agl_ledger_take_due (AglLedger *self)
{
  agl_ledger_refresh (self);
  for (GList *link = self->waiters.head; link != NULL && self->n_due > 0; link = link->next)
    {
      AglWaiter *waiter = link->data;

      if (!waiter->due)
        continue;
      set_due (self, waiter, FALSE);
      return waiter;
    }
  return NULL;
}

gboolean
agl_ledger_align (AglLedger *self, AglWaiter *waiter)
{
  AglLock *draft = waiter->wanted;
  const AglLock *own = agl_lock_index_find_own (self->held, draft->holder, draft->directory);

  if (own == NULL || own->directory == draft->directory)
    return FALSE;

  mark_overlapping (self, draft, waiter->serial);
  agl_lock_index_remove (self->wanted, draft);
  agl_lock_set_directory (draft, own->directory);
  agl_lock_index_add (self->wanted, draft);
  mark_overlapping (self, draft, waiter->serial);
  mark_stale (self, waiter);
  return TRUE;
}

static gboolean
has_new_outsider (const GPtrArray *before, const GPtrArray *now)
{
  for (guint i = 0; i < now->len; i++)
    {
      const AglOutsider *outsider = g_ptr_array_index (now, i);
      gboolean known = FALSE;

      for (guint k = 0; k < before->len && !known; k++)
        known =
            agl_process_equal (outsider->process, ((AglOutsider *)g_ptr_array_index (before, k))->process);
      if (!known)
        return TRUE;
    }
  return FALSE;
}

void
agl_ledger_set_outsiders (AglLedger *self, AglWaiter *waiter, GPtrArray *outsiders)
{
  if (has_new_outsider (waiter->blockers.outsiders, outsiders))
    self->suspicious = TRUE;
  self->n_outsiders -= waiter->blockers.outsiders->len;
  self->n_outsiders += outsiders->len;
  g_ptr_array_unref (waiter->blockers.outsiders);
  waiter->blockers.outsiders = outsiders;
  set_due (self, waiter, FALSE);
}

void
agl_ledger_look_again (AglLedger *self)
{
  for (GList *link = self->waiters.head; link != NULL; link = link->next)
    {
      AglWaiter *waiter = link->data;

      if (!waiter->stale && waiter->blockers.outsiders->len > 0)
        set_due (self, waiter, TRUE);
    }
}

void
agl_ledger_try_again (AglLedger *self, AglWaiter *waiter)
{
  if (!waiter->stale && agl_blockers_way_is_free (&waiter->blockers))
    set_due (self, waiter, TRUE);
}
