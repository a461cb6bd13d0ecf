/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/choices.h"
#include "applet/lock-entry.h"

/* What can be done with @lock: a menu of the window's actions, each with its id, and app.watch. Caller
 * unrefs. */
GMenuModel *agl_lock_menu_new (AglLockEntry *lock, AglChoices *choices);
