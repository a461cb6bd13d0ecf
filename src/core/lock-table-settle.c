/* SPDX-License-Identifier: MIT */
#include "core/lock-table-private.h"

#include "core/rules.h"
#include "core/wait-graph.h"

static void
try_waiter (AglLockTable *self, AglWaiter *waiter)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GPtrArray) outsiders = NULL;
  AglGrant grant;

  if (agl_ledger_align (&self->ledger, waiter))
    return; /* to be asked anew */
  if (!self->hooks.ready (waiter->request, self->user_data, &why))
    {
      agl_ledger_dequeue (&self->ledger, waiter);
      agl_lock_table_end_wait (self, waiter, NULL, why);
      return;
    }
  outsiders = agl_lock_table_look (self, waiter->request, &why);
  if (outsiders == NULL)
    {
      agl_ledger_dequeue (&self->ledger, waiter);
      agl_lock_table_end_wait (self, waiter, NULL, why);
      return;
    }
  if (outsiders->len > 0 || !self->hooks.can_be_told (waiter, self->user_data))
    {
      agl_ledger_set_outsiders (&self->ledger, waiter, g_steal_pointer (&outsiders));
      return;
    }
  /* A draft is in one index at a time: out of the wanted ones before it comes among the held ones. */
  agl_ledger_dequeue (&self->ledger, waiter);
  if (agl_lock_table_grant (self, waiter->request, waiter->wanted, NULL, &grant, &why))
    agl_lock_table_end_wait (self, waiter, &grant, NULL);
  else
    agl_lock_table_end_wait (self, waiter, NULL, why);
}

/* The last to arrive of those on a circle. FALSE: there is none. */
static gboolean
break_circle (AglLockTable *self)
{
  for (GList *link = self->ledger.waiters.tail; link != NULL; link = link->prev)
    {
      g_autoptr (GError) why = NULL;
      AglWaiter *waiter = link->data;

      if (agl_wait_graph_check_waiter (&self->ledger, waiter, &why))
        continue;
      agl_ledger_dequeue (&self->ledger, waiter);
      agl_lock_table_end_wait (self, waiter, NULL, why);
      return TRUE;
    }
  return FALSE;
}

/* Until nobody's way is free who waits. In order of arrival, from the start again after each, since one who
 * is let in may be whom an earlier one did not have to stand behind. */
static void
advance (AglLockTable *self)
{
  for (;;)
    {
      AglWaiter *waiter = agl_ledger_take_due (&self->ledger);

      if (waiter != NULL)
        try_waiter (self, waiter);
      else if (!self->ledger.suspicious)
        return;
      else if (!break_circle (self))
        self->ledger.suspicious = FALSE;
    }
}

static void
announce_counts (AglLockTable *self)
{
  g_autoptr (GPtrArray) changed = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer lock, told;

  g_hash_table_iter_init (&iter, self->ledger.recounted);
  while (g_hash_table_iter_next (&iter, &lock, &told))
    {
      if (((AglLock *)lock)->n_waiters != GPOINTER_TO_UINT (told)
          && agl_ledger_has_lock (&self->ledger, lock))
        g_ptr_array_add (changed, lock);
    }
  g_ptr_array_sort (changed, agl_lock_compare_ids);
  for (guint i = 0; i < changed->len; i++)
    agl_announce_changed (&self->announcements, g_ptr_array_index (changed, i), AGL_CHANGED_WAITERS);
  g_hash_table_remove_all (self->ledger.recounted);

  if (self->n_waiters_told != self->ledger.waiters.length)
    agl_announce_queue_changed (&self->announcements);
  self->n_waiters_told = self->ledger.waiters.length;
}

void
agl_lock_table_settle (AglLockTable *self)
{
  self->look_again = TRUE;
  if (self->settling)
    return; /* called from a hook: the turn below goes on */

  self->settling = TRUE;
  do
    {
      if (self->look_again)
        agl_ledger_look_again (&self->ledger);
      self->look_again = FALSE;
      advance (self);
      announce_counts (self);
    }
  while (agl_announcements_tell_one (&self->announcements, &self->hooks, self->user_data));
  self->settling = FALSE;
}
