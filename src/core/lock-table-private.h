/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/announcements.h"
#include "core/ledger.h"

/* The inside of the table, for the files that make it up: lock-table.c (requests, and what happens to locks
 * and waiters), lock-table-grant.c (from a decision to a fact) and lock-table-settle.c (letting waiters in).
 * The rules decide (rules.h, wait-graph.h), the ledger remembers, the announcements wait to be told. */
struct _AglLockTable
{
  AglLedger ledger;
  AglAnnouncements announcements;
  AglLockTableHooks hooks;
  gpointer user_data;
  guint max_locks_per_user;
  guint max_waiters_per_user;
  guint n_waiters_told;
  gboolean settling;
  gboolean look_again;
};

/* How a request was met: by which lock, and what is to be told of it. */
typedef struct
{
  AglLock *lock;
  gboolean created;
  AglLock *before; /* what it was before it was changed, until that is announced; else NULL */
} AglGrant;

/* @draft, or the holder's own lock in its stead, becomes a fact, durably, in one step with the end of the
 * @superseded locks (NULL: none). On failure all is as it was. Errors: AGL_ERROR_LIMIT_EXCEEDED,
 * AGL_ERROR_DEADLOCK, AGL_ERROR_UNAVAILABLE. */
gboolean agl_lock_table_grant (AglLockTable *self,
                               const AglRequest *request,
                               AglLock *draft,
                               GPtrArray *superseded,
                               AglGrant *grant,
                               GError **error);
void agl_lock_table_announce_grant (AglLockTable *self, AglGrant *grant);

/* @waiter leaves the queue for good, with exactly one of @grant and @error. */
void agl_lock_table_end_wait (AglLockTable *self, AglWaiter *waiter, AglGrant *grant, const GError *error);

/* Who else is in the directory, if @request minds. (transfer full). NULL with @error: not to be told. */
GPtrArray *agl_lock_table_look (AglLockTable *self, const AglRequest *request, GError **error);
