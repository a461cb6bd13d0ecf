/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"
#include "core/worker.h"

/* The timeout source that asks, while there are locks to ask about, whether they are still true: does the
 * holder work in the directory (follow-cwd), and does the directory exist (every lock). It judges by proof
 * alone: what cannot be told leaves a lock as it is, marked `unknown`. A filesystem that does not answer is
 * asked in a worker thread, one question at a time for each lock, so that the round goes on. */
typedef struct _AglCwdCheck AglCwdCheck;

typedef struct
{
  /* Proof that the lock is over: AGL_RELEASE_LEFT (outside for the whole grace time) or AGL_RELEASE_REMOVED.
   */
  void (*over) (AglLock *lock, AglReleaseReason reason, gpointer user_data);
  /* lock->cwd changed. */
  void (*changed) (AglLock *lock, gpointer user_data);
  /* The lock's directory has another path now; @directory is the same one under it. */
  void (*moved) (AglLock *lock, AglDirectory *directory, gpointer user_data);
  /* A round comes by @lock. */
  void (*passed) (AglLock *lock, gpointer user_data);
  /* A round begins: for whatever else is to be asked that often. */
  void (*round) (gpointer user_data);
} AglCwdCheckHooks;

/* @table and @worker: borrowed, must outlive it. @hooks is copied; they may release locks. */
AglCwdCheck *
agl_cwd_check_new (AglLockTable *table, AglWorker *worker, const AglCwdCheckHooks *hooks, gpointer user_data);
void agl_cwd_check_free (AglCwdCheck *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCwdCheck, agl_cwd_check_free)

void agl_cwd_check_set_times (AglCwdCheck *self, guint interval_msec, guint grace_msec);

/* To be called when locks or waiters came or went: there is a timer exactly while there is something to ask.
 */
void agl_cwd_check_update (AglCwdCheck *self);

/* Takes up a sighting of @lock's holder that was made for another reason. */
void agl_cwd_check_sighted (AglCwdCheck *self, AglLock *lock, AglSighting *sighting);
