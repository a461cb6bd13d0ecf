/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/ledger.h"

/* Who waits for whom. A process waits, through each of its waiters, for the holders of the locks in that
 * waiter's way, for those whose turn comes before, and for unregistered agents, but for those who have come
 * to wait for the same directory; a manual claim that waits is waited for by those behind it, and waits like
 * a process; a manual lock, and one whose process could not be told, waits for nobody. Needs a refreshed
 * ledger.
 */

/* Would @holder (NULL: a manual claim) wait for himself if these were in the way of what he asks for in
 * @directory? FALSE: yes, and AGL_ERROR_DEADLOCK names the circle. */
gboolean agl_wait_graph_allow_wait (const AglLedger *ledger,
                                    const AglProcess *holder,
                                    const AglDirectory *directory,
                                    const AglBlockers *blockers,
                                    GError **error);

/* Does @holder (NULL: nobody) wait for himself as things stand? FALSE: yes, and AGL_ERROR_DEADLOCK. */
gboolean agl_wait_graph_check_holder (const AglLedger *ledger, const AglProcess *holder, GError **error);

/* Does the holder of @waiter wait for himself through it? FALSE: yes, and AGL_ERROR_DEADLOCK. */
gboolean agl_wait_graph_check_waiter (const AglLedger *ledger, const AglWaiter *waiter, GError **error);
