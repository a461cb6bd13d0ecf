/* SPDX-License-Identifier: MIT */
#include "core/waiter.h"

void
agl_blockers_init (AglBlockers *blockers)
{
  blockers->locks = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_lock_unref);
  blockers->waiters = g_ptr_array_new ();
  blockers->outsiders = g_ptr_array_new_with_free_func ((GDestroyNotify)agl_outsider_unref);
}

void
agl_blockers_clear (AglBlockers *blockers)
{
  g_clear_pointer (&blockers->locks, g_ptr_array_unref);
  g_clear_pointer (&blockers->waiters, g_ptr_array_unref);
  g_clear_pointer (&blockers->outsiders, g_ptr_array_unref);
}

gboolean
agl_blockers_are_none (const AglBlockers *blockers)
{
  return agl_blockers_way_is_free (blockers) && blockers->outsiders->len == 0;
}

gboolean
agl_blockers_way_is_free (const AglBlockers *blockers)
{
  return blockers->locks->len == 0 && blockers->waiters->len == 0;
}

AglWaiter *
agl_waiter_new (AglRequest *request, AglLock *wanted, guint64 serial)
{
  AglWaiter *self = g_new0 (AglWaiter, 1);

  self->request = agl_request_ref (request);
  self->wanted = wanted;
  self->wanted->waiter = self;
  self->serial = serial;
  self->link.data = self;
  agl_blockers_init (&self->blockers);
  return self;
}

void
agl_waiter_free (AglWaiter *self)
{
  agl_request_unref (self->request);
  g_clear_pointer (&self->wanted, agl_lock_unref);
  agl_blockers_clear (&self->blockers);
  g_free (self);
}

const AglRequest *
agl_waiter_get_request (const AglWaiter *self)
{
  return self->request;
}

guint64
agl_waiter_get_serial (const AglWaiter *self)
{
  return self->serial;
}

void
agl_waiter_set_data (AglWaiter *self, gpointer data)
{
  self->data = data;
}

gpointer
agl_waiter_get_data (const AglWaiter *self)
{
  return self->data;
}

const AglBlockers *
agl_waiter_get_blockers (const AglWaiter *self)
{
  return &self->blockers;
}
