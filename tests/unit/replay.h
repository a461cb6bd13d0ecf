/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

/* A client who believes what the signals say and asks nothing: a lock is what LockAcquired gave, with each
 * LockChanged put over it, until LockReleased. Asserts that each key that is told has a new value. */
typedef struct
{
  GHashTable *locks; /* id → (key → value) */
} Replay;

void replay_init (Replay *self);
void replay_clear (Replay *self);

/* Of a lock that was there before: what List says. */
void replay_listed (Replay *self, const AglLock *lock);
void replay_acquired (Replay *self, const AglLock *lock);
void replay_changed (Replay *self, const AglLock *lock, AglChange what);
/* The lock as it was last is the lock as it was told last, but for how many wait for it. */
void replay_released (Replay *self, const AglLock *lock);

/* That List would say nothing else. */
void replay_compare (const Replay *self, const AglLockTable *table);
