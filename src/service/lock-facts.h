/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-table.h"
#include "core/occupants.h"

/* A lock as List and the signals give it: (transfer floating) a{sv}. @with_texts: agent, session and reason
 * too. */
GVariant *agl_lock_facts (const AglLock *lock, gboolean with_texts);

/* The facts named by @what alone, for LockChanged. */
GVariant *agl_lock_changed_facts (const AglLock *lock, AglChange what, gboolean with_texts);

/* An unregistered agent among Check's blockers. */
GVariant *agl_outsider_facts (const AglOutsider *outsider, const AglDirectory *directory);

/* A process as Occupants gives it. @cwd: what the asker may be told of where it works; @lock: 0: none. */
GVariant *agl_occupant_facts (const AglOccupant *occupant, const char *cwd, guint64 lock);

/* A path for a D-Bus string: as it is when it is UTF-8, else an escaped display form. Caller frees. */
char *agl_path_to_display (const char *path);
