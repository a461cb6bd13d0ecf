/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/presence.h"

/* A line for the window that says, while presence's "hint" is on, that there is no tray here. Dismissed, it
 * does not come again. Floating. */
GtkWidget *agl_tray_hint_new (AglPresence *presence);
