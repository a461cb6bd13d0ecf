/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"

/* What the file of a lock is called. The name says whether the lock is held, so that one rename ends it. */

/* Ids stay below what JSON readers that know only doubles (jq, JavaScript) tell apart. */
#define AGL_MAX_LOCK_ID ((G_GUINT64_CONSTANT (1) << 53) - 1)

/* "42.json" of a lock that is held; "42.over-exited" of one whose end is to be announced. Caller frees. */
char *agl_lock_file_name (guint64 id);
char *agl_lock_file_over_name (guint64 id, AglReleaseReason reason);
/* FALSE when @name is neither. @reason: only set with *@over. */
gboolean agl_lock_file_parse_name (const char *name, guint64 *id, gboolean *over, AglReleaseReason *reason);
/* The number that @name begins with, in whatever state the file is; 0: none. */
guint64 agl_lock_file_guess_id (const char *name);
