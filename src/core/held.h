/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

/* The message of AGL_ERROR_HELD: names directory, pid, command, user, since when, how long, the reason if it
 * was given and @request's asker may read it, and what to do next (join only where that would be granted).
 * One blocker in full; of more their number. Everything in it is escaped for display. */
void agl_set_held_error (GError **error, const AglRequest *request, const AglBlockers *blockers);

/* AGL_ERROR_NOT_PERMITTED for a join or steal: @lock is another user's. */
void agl_set_not_yours_error (GError **error, const AglRequest *request, const AglLock *lock);

/* AGL_ERROR_HELD for a transfer of @lock to whom it already names as its holder: @other is in the way. */
void agl_set_transfer_held_error (GError **error, const AglLock *lock, const AglLock *other);
