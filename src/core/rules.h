/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/ledger.h"

/* The rules of docs/locking.md, in the order in which a reader would ask them. They look and decide, and
 * change nothing. What is held and what is wanted are both an AglLock: a wanted one has no id yet. */

/* 1. Is it the same holder? Only one process is: two manual locks never have the same holder, nor has a lock
 * whose process could not be told. */
gboolean agl_rules_same_holder (const AglLock *a, const AglLock *b);

/* 2. Do they meet? In the same directory, and where the subtree of one covers the directory of the other. */
gboolean agl_rules_overlap (const AglLock *a, const AglLock *b);

/* 3. Do they conflict? Different holders, they meet, and not both are shared. */
gboolean agl_rules_conflict (const AglLock *a, const AglLock *b);

/* 4. Does @mode ask for nothing that @held does not give already? Then nobody can be in the way. */
gboolean agl_rules_asks_no_more (AglMode mode, AglMode held);

/* 5. Which locks and waiters are in the way of @wanted, that came as number @serial (G_MAXUINT64: just now)?
 * Locks it conflicts with, and earlier waiters it conflicts with, but for those who wait for its holder: for
 * a lock of his, or behind another waiter who does. @blockers: empty arrays. */
void agl_rules_find_in_the_way (const AglLedger *ledger,
                                const AglLock *wanted,
                                guint64 serial,
                                AglBlockers *blockers);

/* Whether anybody waits for a lock of @holder's. */
gboolean agl_rules_is_awaited (const AglLedger *ledger, const AglProcess *holder);

/* 6. Does it matter who else works in the directory? Only for an exclusive request that wants it to, and that
 * neither goes ahead beside others nor has what it asks for already. */
gboolean agl_rules_minds_outsiders (const AglLedger *ledger, const AglRequest *request);

/* 7. What becomes of a request with these in its way? */
typedef enum
{
  AGL_VERDICT_GRANT, /* beside them (join), instead of them (steal), or since there are none */
  AGL_VERDICT_WAIT,
  AGL_VERDICT_REFUSE /* AGL_ERROR_HELD, AGL_ERROR_NOT_PERMITTED */
} AglVerdict;
AglVerdict agl_rules_judge (const AglRequest *request, const AglBlockers *blockers, GError **error);

/* 8. Would a lock move from one holder to another into somebody's way who has put up with the first? These
 * are the locks that conflict with @after and not with @before. (transfer container) (element-type AglLock)
 */
GPtrArray *
agl_rules_find_newly_in_the_way (const AglLedger *ledger, const AglLock *before, const AglLock *after);

/* 9. May a user have one more? Errors: AGL_ERROR_LIMIT_EXCEEDED. */
gboolean agl_rules_allow_lock (uid_t uid, guint n_locks, guint max, GError **error);
gboolean agl_rules_allow_waiter (uid_t uid, guint n_waiters, guint max, GError **error);

/* 10. Would anybody wait for himself? See wait-graph.h. */
