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

/* Last, when all else is told: much of it is told with that. */
static void
announce_counts (AglLockTable *self)
{
  g_autoptr (GPtrArray) recounted = agl_ledger_list_recounted (&self->ledger);

  for (guint i = 0; i < recounted->len; i++)
    agl_announce_recounted (&self->announcements, g_ptr_array_index (recounted, i));
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
      if (agl_announcements_are_none (&self->announcements))
        announce_counts (self);
    }
  while (agl_announcements_tell_one (&self->announcements, &self->ledger, &self->hooks, self->user_data));
  self->settling = FALSE;
}
