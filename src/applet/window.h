/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/application.h"

/* The window: every lock a row, and what can be done about it.
 *
 * Actions, each also on the session bus below the application's path: win.claim, win.search,
 * win.start-service, win.copy-command; and for one lock (t id) win.copy-path, win.open-folder,
 * win.open-terminal, win.release, win.force-release (asks first). */
#define AGL_TYPE_WINDOW (agl_window_get_type ())
G_DECLARE_FINAL_TYPE (AglWindow, agl_window, AGL, WINDOW, AdwApplicationWindow)

AglWindow *agl_window_new (AglApplication *application);

AglServiceLink *agl_window_get_link (AglWindow *self);

/* Brings the lock of that id into view, where there is one. */
void agl_window_show_lock (AglWindow *self, guint64 id);

/* A word about what went well, for a moment. */
void agl_window_say (AglWindow *self, const char *text);

/* Above the list, below what is there already. @line: floating is fine. */
void agl_window_add_line (AglWindow *self, GtkWidget *line);
