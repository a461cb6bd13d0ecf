/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

/* The message of AGL_ERROR_HELD: names directory, pid, command, user, since when, how long, the reason if it
 * was given and @request's asker may read it, and what to do next. One blocker in full; of more their number.
 * Everything in it is escaped for display. */
void agl_set_held_error (GError **error, const AglRequest *request, const AglBlockers *blockers);
