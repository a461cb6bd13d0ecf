/* SPDX-License-Identifier: MIT */
#include "core/announcements.h"

typedef enum
{
  EVENT_ACQUIRED,
  EVENT_RELEASED,
  EVENT_CHANGED,
  EVENT_RECOUNTED,
  EVENT_ENDED,
  EVENT_QUEUE_CHANGED
} EventKind;

typedef struct
{
  EventKind kind;
  AglReleaseReason reason;
  guint n_waiters;
  AglLock *lock;
  AglLock *before;
  AglWaiter *waiter;
  GError *error;
} Event;

static void
event_free (gpointer data)
{
  Event *event = data;

  g_clear_pointer (&event->lock, agl_lock_unref);
  g_clear_pointer (&event->before, agl_lock_unref);
  g_clear_pointer (&event->waiter, agl_waiter_free);
  g_clear_error (&event->error);
  g_free (event);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Event, event_free)

void
agl_announcements_init (AglAnnouncements *self)
{
  g_queue_init (&self->events);
  self->untold = g_hash_table_new (NULL, NULL);
}

void
agl_announcements_clear (AglAnnouncements *self)
{
  g_clear_pointer (&self->untold, g_hash_table_unref);
  g_queue_clear_full (&self->events, event_free);
}

static Event *
push (AglAnnouncements *self, EventKind kind, AglLock *lock)
{
  Event *event = g_new0 (Event, 1);

  event->kind = kind;
  if (lock != NULL)
    event->lock = agl_lock_ref (lock);
  g_queue_push_tail (&self->events, event);
  return event;
}

void
agl_announce_acquired (AglAnnouncements *self, AglLock *lock)
{
  push (self, EVENT_ACQUIRED, lock);
  g_hash_table_add (self->untold, lock);
}

void
agl_announce_released (AglAnnouncements *self, AglLock *lock, AglReleaseReason reason, guint n_waiters)
{
  Event *event = push (self, EVENT_RELEASED, lock);

  event->reason = reason;
  event->n_waiters = n_waiters;
}

void
agl_announce_changed (AglAnnouncements *self, AglLock *lock, AglLock *before)
{
  if (g_hash_table_add (self->untold, lock))
    push (self, EVENT_CHANGED, lock)->before = before;
  else
    agl_lock_unref (before);
}

void
agl_announce_recounted (AglAnnouncements *self, AglLock *lock)
{
  push (self, EVENT_RECOUNTED, lock);
}

void
agl_announce_ended (AglAnnouncements *self, AglWaiter *waiter, AglLock *lock, const GError *error)
{
  Event *event = push (self, EVENT_ENDED, lock);

  waiter->over = TRUE;
  event->waiter = waiter;
  event->error = error == NULL ? NULL : g_error_copy (error);
}

void
agl_announce_queue_changed (AglAnnouncements *self)
{
  push (self, EVENT_QUEUE_CHANGED, NULL);
}

gboolean
agl_announcements_are_none (const AglAnnouncements *self)
{
  return self->events.length == 0;
}

static void
tell_change (const Event *event, const AglLockTableHooks *hooks, gpointer user_data)
{
  AglChange what = agl_lock_diff (event->before, event->lock);

  if (what != 0)
    hooks->changed (event->lock, what, user_data);
}

gboolean
agl_announcements_tell_one (AglAnnouncements *self,
                            AglLedger *ledger,
                            const AglLockTableHooks *hooks,
                            gpointer user_data)
{
  g_autoptr (Event) event = g_queue_pop_head (&self->events);

  if (event == NULL)
    return FALSE;

  switch (event->kind)
    {
    case EVENT_ACQUIRED:
      g_hash_table_remove (self->untold, event->lock);
      agl_ledger_take_recount (ledger, event->lock);
      hooks->acquired (event->lock, user_data);
      break;
    case EVENT_RELEASED:
      event->lock->n_waiters = event->n_waiters;
      hooks->released (event->lock, event->reason, user_data);
      break;
    case EVENT_CHANGED:
      g_hash_table_remove (self->untold, event->lock);
      tell_change (event, hooks, user_data);
      break;
    case EVENT_RECOUNTED:
      if (agl_ledger_take_recount (ledger, event->lock))
        hooks->changed (event->lock, AGL_CHANGED_WAITERS, user_data);
      break;
    case EVENT_ENDED:
      hooks->ended (event->waiter, event->lock, event->error, user_data);
      break;
    case EVENT_QUEUE_CHANGED:
      hooks->queue_changed (user_data);
      break;
    }
  return TRUE;
}
