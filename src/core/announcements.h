/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/ledger.h"

/* What the table has decided and not yet told: in the order in which it happened, however deep in a hook it
 * was decided. A lock is told as it is by then, so whatever else happened to it before is told with that, and
 * not again. */
typedef struct
{
  GQueue events;
  GHashTable *untold; /* set of AglLock (the events'): a grant or a change of it is among them */
} AglAnnouncements;

void agl_announcements_init (AglAnnouncements *self);
void agl_announcements_clear (AglAnnouncements *self);

void agl_announce_acquired (AglAnnouncements *self, AglLock *lock);
/* @n_waiters: of @lock while it was held; who waited for it is recounted before it is told. */
void agl_announce_released (AglAnnouncements *self, AglLock *lock, AglReleaseReason reason, guint n_waiters);
/* @before: (transfer full): @lock as it was; only what differs from that when it is told is told. */
void agl_announce_changed (AglAnnouncements *self, AglLock *lock, AglLock *before);
/* @lock has another number of waiters than was told last, unless it is told with something else meanwhile. */
void agl_announce_recounted (AglAnnouncements *self, AglLock *lock);
/* @waiter: taken over. @lock: NULL with @error (copied). */
void agl_announce_ended (AglAnnouncements *self, AglWaiter *waiter, AglLock *lock, const GError *error);
void agl_announce_queue_changed (AglAnnouncements *self);

gboolean agl_announcements_are_none (const AglAnnouncements *self);
/* Tells the oldest one; the ledger is fresh. FALSE: there was none. */
gboolean agl_announcements_tell_one (AglAnnouncements *self,
                                     AglLedger *ledger,
                                     const AglLockTableHooks *hooks,
                                     gpointer user_data);
