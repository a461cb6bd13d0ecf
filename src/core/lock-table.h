/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/outsider.h"
#include "core/request.h"

/* Who holds what, who conflicts, who waits: docs/locking.md. No file, no bus, and no clock but to write down
 * when a lock was granted; touched from one thread. What it decides it tells through hooks, in the order in
 * which it happened, after its own state is settled: a hook may call back into the table. */
typedef struct _AglLockTable AglLockTable;

/* A request in the queue. Owned by the table; gone once its `ended` hook has been called. */
typedef struct _AglWaiter AglWaiter;
const AglRequest *agl_waiter_get_request (const AglWaiter *self);
guint64 agl_waiter_get_serial (const AglWaiter *self); /* arrival order */
/* The caller's own word on it: set once by who called acquire. */
void agl_waiter_set_data (AglWaiter *self, gpointer data);
gpointer agl_waiter_get_data (const AglWaiter *self);

/* None may be NULL. */
typedef struct
{
  /* The last step before a grant, a conversion or a transfer: makes @lock durable as it is now, in one step
   * with the end of the @superseded locks (steal; NULL: none). FALSE refuses: the table takes everything
   * back. Called in the midst of a decision: must not call the table. Errors: AGL_ERROR_UNAVAILABLE. */
  gboolean (*commit) (AglLock *lock, GPtrArray *superseded, gpointer user_data, GError **error);
  /* Who else is in the directory, asked last, when no lock and no waiter is in the way of a request that
   * minds (and by find_blockers in any case). *outsiders: (transfer full) (element-type AglOutsider); NULL or
   * empty: nobody. FALSE: that could not be told, so nothing is granted. Called in the midst of a decision:
   * must not call the table. Errors: AGL_ERROR_UNAVAILABLE. */
  gboolean (*look) (const AglRequest *request, GPtrArray **outsiders, gpointer user_data, GError **error);
  /* FALSE when @request can no longer be granted (its holder-to-be died or left): asked just before a
   * waiter's turn. Must not call the table. Errors: AGL_ERROR_NO_SUCH_PROCESS, AGL_ERROR_NOT_IN_DIRECTORY. */
  gboolean (*ready) (const AglRequest *request, gpointer user_data, GError **error);
  /* FALSE while it is not known yet whether anybody would hear of a grant to @waiter, asked last: it keeps
   * its place, and agl_lock_table_try_again() follows. Must not call the table. */
  gboolean (*can_be_told) (AglWaiter *waiter, gpointer user_data);
  guint64 (*next_id) (gpointer user_data); /* 0: none to be had, the grant fails with AGL_ERROR_UNAVAILABLE */

  /* Each tells @lock as it is now, and what was told so is not told again: who puts each `changed` over what
   * `acquired` gave knows, after each settling, all there is to know. */
  void (*acquired) (AglLock *lock, gpointer user_data);
  /* Its n_waiters is that of its last moment. */
  void (*released) (AglLock *lock, AglReleaseReason reason, gpointer user_data);
  /* @what: the facts that are other than they were told last. */
  void (*changed) (AglLock *lock, AglChange what, gpointer user_data);
  /* A wait is over: @lock, or NULL and @error. For a granted one this comes before `acquired` of a new lock,
   * so that the reply leaves before the signal. */
  void (*ended) (AglWaiter *waiter, AglLock *lock, const GError *error, gpointer user_data);
  /* The number of waiters changed. */
  void (*queue_changed) (gpointer user_data);
} AglLockTableHooks;

AglLockTable *agl_lock_table_new (const AglLockTableHooks *hooks, gpointer user_data); /* @hooks is copied */
void agl_lock_table_free (AglLockTable *self);                                         /* calls no hook */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLockTable, agl_lock_table_free)

/* Per user (the lock's uid): how many locks, how many waiting requests. */
void agl_lock_table_set_limits (AglLockTable *self, guint max_locks_per_user, guint max_waiters_per_user);

typedef enum
{
  AGL_OUTCOME_REFUSED, /* @error */
  AGL_OUTCOME_GRANTED, /* *lock: new, or the holder's own lock refreshed or converted */
  AGL_OUTCOME_WAITING  /* *waiter */
} AglOutcome;

/* What stands in a request's way: locks, earlier waiters, unregistered agents. */
typedef struct
{
  GPtrArray *locks;     /* AglLock */
  GPtrArray *waiters;   /* AglWaiter, borrowed */
  GPtrArray *outsiders; /* AglOutsider */
} AglBlockers;
gboolean agl_blockers_are_none (const AglBlockers *blockers);
void agl_blockers_clear (AglBlockers *blockers);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglBlockers, agl_blockers_clear)

/* The heart: Acquire by the rules of docs/locking.md.
 * @lock: (out) (transfer none). @waiter: (out) (transfer none). @created: (out) (optional): FALSE when the
 * holder's own lock was refreshed or converted.
 * The `acquired` hook for a lock granted here runs in agl_lock_table_settle(), so that the caller can reply
 * first. Errors: AGL_ERROR_HELD (its message: see held.h), AGL_ERROR_DEADLOCK, AGL_ERROR_NOT_PERMITTED,
 * AGL_ERROR_LIMIT_EXCEEDED, AGL_ERROR_UNAVAILABLE. */
AglOutcome agl_lock_table_acquire (AglLockTable *self,
                                   AglRequest *request,
                                   AglLock **lock,
                                   AglWaiter **waiter,
                                   gboolean *created,
                                   GError **error);

/* Tells the hooks what has happened and lets waiters in whose way is free now. To be called once after each
 * of acquire, release, transfer, drop and after anything outside that may have cleared the way (an
 * unregistered agent that went). Calls the hooks; safe against being called from one. */
void agl_lock_table_settle (AglLockTable *self);

/* Ends @lock, if it is in the table still. No permission is judged here. */
void agl_lock_table_release (AglLockTable *self, AglLock *lock, AglReleaseReason reason);

/* Gives @lock to @holder of @uid. A lock of his own on the same directory is AGL_ERROR_HELD, and so is one
 * that the lock did not conflict with before. Errors: AGL_ERROR_HELD, AGL_ERROR_DEADLOCK,
 * AGL_ERROR_LIMIT_EXCEEDED, AGL_ERROR_UNAVAILABLE. */
gboolean agl_lock_table_transfer (AglLockTable *self,
                                  AglLock *lock,
                                  AglProcess *holder,
                                  uid_t uid,
                                  gboolean follow_cwd,
                                  AglCwd cwd,
                                  GError **error);

/* Ends a wait with @why (copied). Nothing happens to one that is over already and only waits for its `ended`
 * hook: what was granted is a lock, and a release is what ends that. */
void agl_lock_table_drop (AglLockTable *self, AglWaiter *waiter, const GError *why);

/* The next settle asks again about @waiter, should its way still be free: it can be told, or not, by now. */
void agl_lock_table_try_again (AglLockTable *self, AglWaiter *waiter);

/* Takes a saved lock in without judging: it was granted before. FALSE when its id is taken. */
gboolean agl_lock_table_restore (AglLockTable *self, AglLock *lock);

/* What would be in the way of @request now, which may be none of it; the unregistered agents too when it
 * looks for them. Errors: AGL_ERROR_UNAVAILABLE: they could not be told. */
gboolean agl_lock_table_find_blockers (AglLockTable *self,
                                       const AglRequest *request,
                                       AglBlockers *blockers,
                                       GError **error);

/* After a move: the same directory under another path and, it may be, below other ancestors. */
void agl_lock_table_set_directory (AglLockTable *self, AglLock *lock, AglDirectory *directory);

/* What was saved is now known: the process that @lock's token means, opened. NULL: not known after all. */
void agl_lock_table_set_holder (AglLockTable *self, AglLock *lock, AglProcess *holder);

AglLock *agl_lock_table_lookup (const AglLockTable *self, guint64 id); /* (transfer none), NULL: none */
/* (transfer full) (element-type AglLock), ordered by id, never NULL. */
GPtrArray *agl_lock_table_list (const AglLockTable *self);
GPtrArray *agl_lock_table_list_directory (const AglLockTable *self, const AglDirectory *directory);
/* Of processes whose numbers are in @pids (a set of GINT_TO_POINTER). */
GPtrArray *agl_lock_table_list_pids (const AglLockTable *self, GHashTable *pids);
GPtrArray *agl_lock_table_list_holder (const AglLockTable *self, const AglProcess *holder);
/* (transfer container) (element-type AglWaiter), in order of arrival. */
GPtrArray *agl_lock_table_list_waiters (const AglLockTable *self);
/* Whom @waiter waits for, as last settled. */
const AglBlockers *agl_waiter_get_blockers (const AglWaiter *self);

guint agl_lock_table_count (const AglLockTable *self);
guint agl_lock_table_count_waiters (const AglLockTable *self);
