/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/waiter.h"

/* What the table has decided and not yet told: in the order in which it happened, however deep in a hook it
 * was decided. */
typedef struct
{
  GQueue events;
} AglAnnouncements;

void agl_announcements_init (AglAnnouncements *self);
void agl_announcements_clear (AglAnnouncements *self);

void agl_announce_acquired (AglAnnouncements *self, AglLock *lock);
void agl_announce_released (AglAnnouncements *self, AglLock *lock, AglReleaseReason reason);
void agl_announce_changed (AglAnnouncements *self, AglLock *lock, AglChange what);
/* @waiter: taken over. @lock: NULL with @error (copied). */
void agl_announce_ended (AglAnnouncements *self, AglWaiter *waiter, AglLock *lock, const GError *error);
void agl_announce_queue_changed (AglAnnouncements *self);

/* Tells the oldest one. FALSE: there was none. */
gboolean
agl_announcements_tell_one (AglAnnouncements *self, const AglLockTableHooks *hooks, gpointer user_data);
