/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/window.h"

/* What win.* does to one lock. What goes wrong is told in the row of that lock, or beside the list where it
 * has none any more. */
void agl_lock_actions_add (AglWindow *window);
