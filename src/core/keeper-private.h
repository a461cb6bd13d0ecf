/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/cwd-check.h"
#include "core/keeper.h"
#include "core/process-watch.h"
#include "core/removal-watch.h"

/* Shared by keeper.c (a lock's life), keeper-acquire.c (a request's life), keeper-turn.c (a waiter's turn)
 * and keeper-restore.c (a restart). */
struct _AglKeeper
{
  AglLockStore *store;
  AglWorker *worker;
  AglWorker *rounds; /* its own threads: a lock on a filesystem that hangs must not take those of the calls */
  AglKeeperHooks hooks;
  gpointer user_data;
  AglLockTable *table;
  AglProcessWatch *watch;
  AglRemovalWatch *removals; /* of directories that no holder's working directory tells of */
  AglCwdCheck *check;
  AglAgentCatalog *catalog;
  GHashTable *turns;      /* of waiters whose clients are being looked for: keeper-turn.c */
  GHashTable *pending;    /* set of AglPending: requests that have not been answered */
  GPtrArray *restored;    /* AglSavedLock of which others have to be told, by id */
  GPtrArray *unproven;    /* AglLock whose saved holder could not be told alive or dead yet */
  GHashTable *stuck;      /* set of ids whose end the disk would not take */
  GPtrArray *unforgotten; /* AglSavedLock whose end could not be written yet */
  GHashTable *outsiders;  /* set of AglProcess watched because somebody waits for them */
  guint retry_timer;      /* for unforgotten */
  guint expiry_timer;
  gint64 next_expiry_usec; /* wall clock, what the timer is set for; 0: none */
  gint64 grace_msec;
  guint64 counters[AGL_N_COUNTERS];
  AglHistogram took[AGL_N_TOOK];
};

/* keeper.c: what is decided */

/* Ends @lock because of proof. FALSE when the disk cannot be told now and the lock has to stay for it: to be
 * tried again. */
gboolean agl_keeper_end (AglKeeper *self, AglLock *lock, AglReleaseReason reason);
/* Makes sure that somebody looks when @expires_at_usec comes (0: never). */
void agl_keeper_arm_expiry (AglKeeper *self, gint64 expires_at_usec);

/* keeper-watch.c: whose end is waited for */

/* Watches @lock's holder in place of whom it had watched for it. */
gboolean agl_keeper_watch_holder (AglKeeper *self, AglLock *lock, GError **error);
/* Watches @lock's directory for its removal where nothing else would tell of it, and no longer where
 * something does. FALSE when it is not under its path any more. */
gboolean agl_keeper_watch_removal (AglKeeper *self, AglLock *lock);
void agl_keeper_death_told (AglProcess *process, gpointer keeper);
void agl_keeper_removal_told (AglDirectory *directory, gpointer keeper);
void agl_keeper_unwatch_removal (AglKeeper *self, AglLock *lock);
/* Watches the unregistered agents that somebody waits for, and no others. */
void agl_keeper_watch_outsiders (AglKeeper *self);

/* keeper-restore.c */

/* Asks the kernel again about saved holders that could not be told. */
void agl_keeper_prove (AglKeeper *self);

/* keeper-turn.c */

GHashTable *agl_keeper_turns_new (void);
gboolean agl_keeper_can_be_told (AglWaiter *waiter, gpointer user_data);

/* keeper-acquire.c */

gboolean agl_keeper_is_ready (const AglRequest *request, gpointer user_data, GError **error);
void agl_keeper_wait_ended (AglWaiter *waiter, AglLock *lock, const GError *error, gpointer user_data);
void agl_keeper_holder_to_be_died (AglKeeper *self, AglProcess *process);
void agl_keeper_directory_removed (AglKeeper *self, const AglDirectory *directory);
void agl_keeper_check_waiters (AglKeeper *self);
