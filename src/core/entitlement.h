/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"

/* Which lock a Release or Transfer means, and whether the asker may end it. Rules alone. */

/* What the asker named. */
typedef struct
{
  guint64 id;              /* 0: not named */
  AglDirectory *directory; /* NULL: not named */
  pid_t pid;               /* of the holder; 0: not named */
} AglSelection;

/* The lock that is meant (transfer none). Without id or pid: the asker's own lock there; else the only one
 * there of the asker's user, or of anyone when the asker is privileged. Errors: AGL_ERROR_NOT_FOUND,
 * AGL_ERROR_AMBIGUOUS (names the ids), AGL_ERROR_NOT_PERMITTED (only others' locks). */
AglLock *agl_entitlement_select (const AglLockTable *table,
                                 const AglAsker *asker,
                                 const AglSelection *selection,
                                 GError **error);

/* TRUE when @asker may end @lock, and then as what. A lock of a process is ended by its holder, by a
 * descendant of the holder and by the process that acquired it for the holder; a manual one by any process of
 * its user; any other by its user with @force; others' by a privileged asker. Errors: AGL_ERROR_HOLDER_ALIVE,
 * AGL_ERROR_NOT_PERMITTED. */
gboolean agl_entitlement_judge (
    const AglLock *lock, const AglAsker *asker, gboolean force, AglReleaseReason *reason, GError **error);
