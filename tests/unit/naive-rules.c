/* SPDX-License-Identifier: MIT */
#include "naive-rules.h"

/* --- two of them --- */

gboolean
naive_same_holder (const NaiveRequest *a, const NaiveRequest *b)
{
  return a->holder >= 0 && a->holder == b->holder;
}

static gboolean
naive_is_below (const NaiveView *a, const NaiveView *b)
{
  for (int i = 0; i < a->n_above; i++)
    {
      if (a->above[i] == b->number)
        return TRUE;
    }
  return FALSE;
}

gboolean
naive_conflict (const NaiveRequest *a, const NaiveRequest *b)
{
  gboolean both_shared = (a->mode & AGL_MODE_SHARED) != 0 && (b->mode & AGL_MODE_SHARED) != 0;
  gboolean meet = a->view->number == b->view->number;

  if ((a->mode & AGL_MODE_SUBTREE) != 0 && naive_is_below (b->view, a->view))
    meet = TRUE;
  if ((b->mode & AGL_MODE_SUBTREE) != 0 && naive_is_below (a->view, b->view))
    meet = TRUE;
  return meet && !both_shared && !naive_same_holder (a, b);
}

NaiveLock *
naive_find_own (NaiveTable *self, const NaiveRequest *request)
{
  for (int i = 0; i < self->n_locks; i++)
    {
      if (naive_same_holder (&self->locks[i].facts, request)
          && self->locks[i].facts.view->number == request->view->number)
        return &self->locks[i];
    }
  return NULL;
}

gboolean
naive_has_it_already (NaiveTable *self, const NaiveRequest *request)
{
  const NaiveLock *own = naive_find_own (self, request);

  if (own == NULL)
    return FALSE;
  if ((request->mode & AGL_MODE_SHARED) == 0 && (own->facts.mode & AGL_MODE_SHARED) != 0)
    return FALSE;
  if ((request->mode & AGL_MODE_SUBTREE) != 0 && (own->facts.mode & AGL_MODE_SUBTREE) == 0)
    return FALSE;
  return TRUE;
}

/* --- who waits for whom --- */

void
naive_work_out_waiter (NaiveTable *self, NaiveWaiter *waiter, int position)
{
  waiter->behind = 0;
  waiter->served_before_by = 0;
  if (naive_has_it_already (self, &waiter->request))
    return;

  for (int i = 0; i < self->n_locks; i++)
    {
      if (naive_conflict (&self->locks[i].facts, &waiter->request) && self->locks[i].facts.holder >= 0)
        waiter->served_before_by |= BIT (self->locks[i].facts.holder);
    }
  for (int i = 0; i < position; i++)
    {
      const NaiveWaiter *before = &self->waiters[i];
      guint64 me = waiter->request.holder < 0 ? 0 : BIT (waiter->request.holder);

      if (!naive_conflict (&before->request, &waiter->request) || (before->served_before_by & me) != 0)
        continue;
      waiter->behind |= BIT (i);
      waiter->served_before_by |= before->served_before_by;
    }
}

void
naive_work_out (NaiveTable *self)
{
  for (int i = 0; i < self->n_waiters; i++)
    naive_work_out_waiter (self, &self->waiters[i], i);
}

gboolean
naive_is_in_the_way (const NaiveTable *self, const NaiveLock *lock, int position)
{
  const NaiveRequest *request = &self->waiters[position].request;

  return !naive_has_it_already ((NaiveTable *)self, request) && naive_conflict (&lock->facts, request);
}

guint
naive_count_waiters_for (const NaiveTable *self, const NaiveLock *lock)
{
  guint count = 0;

  for (int i = 0; i < self->n_waiters; i++)
    count += naive_is_in_the_way (self, lock, i) ? 1 : 0;
  return count;
}

gboolean
naive_way_is_free (const NaiveTable *self, const NaiveWaiter *waiter)
{
  if (naive_has_it_already ((NaiveTable *)self, &waiter->request))
    return TRUE;
  for (int i = 0; i < self->n_locks; i++)
    {
      if (naive_conflict (&self->locks[i].facts, &waiter->request))
        return FALSE;
    }
  return waiter->behind == 0;
}

/* Outsiders are seen only where nobody else is in the way. */
void
naive_forget_outsiders (NaiveTable *self)
{
  naive_work_out (self);
  for (int i = 0; i < self->n_waiters; i++)
    {
      if (!naive_way_is_free (self, &self->waiters[i]))
        self->waiters[i].outsiders = 0;
    }
}

/* A holder's bit, or for a manual claim the bit of its place in the queue. */
guint64
naive_who (const NaiveTable *self, int position)
{
  int holder = self->waiters[position].request.holder;

  return holder >= 0 ? BIT (holder) : BIT (NAIVE_MAX_HOLDERS + position);
}

gboolean
naive_waits_at (const NaiveTable *self, int holder, int number)
{
  for (int i = 0; i < self->n_waiters; i++)
    {
      if (self->waiters[i].request.holder == holder && self->waiters[i].request.view->number == number)
        return TRUE;
    }
  return FALSE;
}

guint64
naive_waits_for (const NaiveTable *self, const NaiveWaiter *waiter)
{
  guint64 set = 0;

  for (int holder = 0; holder < NAIVE_MAX_HOLDERS; holder++)
    {
      if ((waiter->outsiders & BIT (holder)) != 0
          && !naive_waits_at (self, holder, waiter->request.view->number))
        set |= BIT (holder);
    }
  if (naive_has_it_already ((NaiveTable *)self, &waiter->request))
    return set;
  for (int i = 0; i < self->n_locks; i++)
    {
      if (self->locks[i].facts.holder >= 0 && naive_conflict (&self->locks[i].facts, &waiter->request))
        set |= BIT (self->locks[i].facts.holder);
    }
  for (int i = 0; i < self->n_waiters; i++)
    {
      if ((waiter->behind & BIT (i)) != 0)
        set |= naive_who (self, i);
    }
  return set;
}

/* Everybody whom those in @set wait for, and those wait for, and so on. */
guint64
naive_follow (const NaiveTable *self, guint64 set)
{
  guint64 targets[NAIVE_MAX_WAITERS];
  guint64 before;

  for (int i = 0; i < self->n_waiters; i++)
    targets[i] = naive_waits_for (self, &self->waiters[i]);
  do
    {
      before = set;
      for (int i = 0; i < self->n_waiters; i++)
        {
          if ((set & naive_who (self, i)) != 0)
            set |= targets[i];
        }
    }
  while (set != before);
  return set;
}

gboolean
naive_holder_is_on_a_circle (NaiveTable *self, int holder)
{
  guint64 set = 0;

  naive_forget_outsiders (self);
  for (int i = 0; i < self->n_waiters; i++)
    {
      if (self->waiters[i].request.holder == holder && holder >= 0)
        set |= naive_waits_for (self, &self->waiters[i]);
    }
  return holder >= 0 && (naive_follow (self, set) & BIT (holder)) != 0;
}
