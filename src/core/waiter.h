/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

/* The inside of a waiter, for the files that make up the table. What everybody may know of it stands in
 * lock-table.h. */
struct _AglWaiter
{
  AglRequest *request;
  AglLock *wanted; /* the lock it would get, without an id yet; in the ledger's index of what is wanted */
  guint64 serial;  /* order of arrival, from 1 */
  AglBlockers blockers;
  GList link;         /* in the ledger's queue */
  gboolean stale : 1; /* @blockers may not be true any more */
  gboolean known : 1; /* @blockers were true once */
  gboolean due : 1;   /* no lock and no waiter is in its way: to be tried */
  gboolean over : 1;  /* granted or ended; its `ended` hook is still to be called */
  gpointer data;
};

/* Takes a reference on @request and the draft over. */
AglWaiter *agl_waiter_new (AglRequest *request, AglLock *wanted, guint64 serial);
void agl_waiter_free (AglWaiter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglWaiter, agl_waiter_free)

/* Three empty arrays, to be freed with agl_blockers_clear(). */
void agl_blockers_init (AglBlockers *blockers);
/* TRUE when there is neither a lock nor a waiter among them. */
gboolean agl_blockers_way_is_free (const AglBlockers *blockers);
