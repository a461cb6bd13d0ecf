/* SPDX-License-Identifier: MIT */
#pragma once
#include <adwaita.h>

#include "applet/lock-row.h"

/* The rows: only as many widgets as are in view, and a clock that runs only while they are.
 *
 * Keys, on the lock with the focus: Enter its menu, Ctrl+C copy path, Ctrl+O folder, Ctrl+T terminal, Delete
 * release, Escape dismisses an error. */
#define AGL_TYPE_LOCK_LIST (agl_lock_list_get_type ())
G_DECLARE_FINAL_TYPE (AglLockList, agl_lock_list, AGL, LOCK_LIST, AdwBin)

/* @items: AglLockEntry and AglLockGroup; referenced. */
void agl_lock_list_set_items (AglLockList *self, GListModel *items);

/* Selects the lock of that id and brings it into view. FALSE: it is not there. */
gboolean agl_lock_list_show_lock (AglLockList *self, guint64 id);

void agl_lock_list_take_focus (AglLockList *self);
