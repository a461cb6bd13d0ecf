/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-index.h"
#include "core/waiter.h"

/* The table's facts without its decisions: the locks that are held, the requests that wait, how many of both
 * each user has, and whom each waiter waits for. That last one is kept up to date only where something
 * changed: whatever enters or leaves marks the waiters it may concern as stale, and agl_ledger_refresh() asks
 * the rules about those anew. */
typedef struct
{
  GHashTable *by_id;     /* AglLock, owned; a lock begins with its id */
  AglLockIndex *held;    /* the same locks */
  AglLockIndex *wanted;  /* the waiters' drafts */
  GQueue waiters;        /* AglWaiter, owned, in order of arrival */
  GHashTable *tallies;   /* uid → Tally */
  GHashTable *recounted; /* AglLock (owned) → n_waiters when it was told last */
  guint64 last_serial;
  guint n_stale;
  guint n_due;
  guint n_outsiders; /* among all waiters' blockers */
  /* Somebody may be waited for by somebody he did not wait for before, other than by arriving: a circle may
   * have closed. */
  gboolean suspicious;
} AglLedger;

void agl_ledger_init (AglLedger *self);
void agl_ledger_clear (AglLedger *self);

/* Takes a reference. An id that is taken is a programmer's error. */
void agl_ledger_add_lock (AglLedger *self, AglLock *lock);
/* Gives the table's reference up. Between the two a lock may be changed in whatever way. */
void agl_ledger_remove_lock (AglLedger *self, AglLock *lock);
gboolean agl_ledger_has_lock (const AglLedger *self, const AglLock *lock);

/* @wanted: taken over. The waiter is stale from the start. */
AglWaiter *agl_ledger_enqueue (AglLedger *self, AglRequest *request, AglLock *wanted);
/* Out of the queue, with no blockers: the caller's to free. */
void agl_ledger_dequeue (AglLedger *self, AglWaiter *waiter);

/* Makes every waiter's blockers true, but for its outsiders, which only a look can tell: those are forgotten
 * when somebody else is in the way. Waiters with nobody else in their way are due then. */
void agl_ledger_refresh (AglLedger *self);
/* A draft that has come to mean a change of its holder's own lock is judged where that lock is, should the
 * two have found the directory through different mounts. TRUE when it had to be moved there, and is stale. */
gboolean agl_ledger_align (AglLedger *self, AglWaiter *waiter);
/* Takes note of who was seen in the directory of @waiter. @outsiders: taken over. */
void agl_ledger_set_outsiders (AglLedger *self, AglWaiter *waiter, GPtrArray *outsiders);
/* Those who wait for nobody but outsiders become due again. */
void agl_ledger_look_again (AglLedger *self);
/* @waiter becomes due again, if nobody is in its way. */
void agl_ledger_try_again (AglLedger *self, AglWaiter *waiter);
/* Refreshes; the first one that is due then, and is not any more now. NULL: none. */
AglWaiter *agl_ledger_take_due (AglLedger *self);

/* The held locks with another number of waiters than was told last. (transfer full) (element-type AglLock),
 * by id. */
GPtrArray *agl_ledger_list_recounted (AglLedger *self);
/* @lock is told with the number that it has now. TRUE when it is held and was told with another one last. */
gboolean agl_ledger_take_recount (AglLedger *self, const AglLock *lock);

guint agl_ledger_count_locks_of (const AglLedger *self, uid_t uid);
guint agl_ledger_count_waiters_of (const AglLedger *self, uid_t uid);
