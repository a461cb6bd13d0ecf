/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/lock-entry.h"

/* One line of the list: a lock with its menu, or the heading of a group. Lines are used again for other
 * items. */
#define AGL_TYPE_LOCK_ROW (agl_lock_row_get_type ())
G_DECLARE_FINAL_TYPE (AglLockRow, agl_lock_row, AGL, LOCK_ROW, AdwBin)

AglLockRow *agl_lock_row_new (void);

/* AglLockEntry or AglLockGroup; NULL: nothing. */
void agl_lock_row_set_item (AglLockRow *self, GObject *item);

/* NULL: it shows no lock. Borrowed. */
AglLockEntry *agl_lock_row_get_entry (AglLockRow *self);

/* How long it is held; returns when that is to be said anew, µs since the epoch. */
gint64 agl_lock_row_tell_age (AglLockRow *self, gint64 now_usec);

void agl_lock_row_open_menu (AglLockRow *self);
