/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/application.h"
#include "applet/choices.h"
#include "applet/tray.h"

/* Whether the applet goes on without a window: while a tray shows it, and the person wants that. Nothing
 * runs unseen: where there is no tray (any more), the window is shown, and the applet ends with it.
 *
 * Property "hint" (boolean), read-only: the person is to be told that there is no tray. Once: until it is
 * dismissed, for ever then. */
#define AGL_TYPE_PRESENCE (agl_presence_get_type ())
G_DECLARE_FINAL_TYPE (AglPresence, agl_presence, AGL, PRESENCE, GObject)

/* From the application's startup on; it borrows @application, until agl_presence_close(). */
AglPresence *agl_presence_new (AglApplication *application, AglChoices *choices);
void agl_presence_close (AglPresence *self);

/* --background: no window, unless there is no tray. Goes before what was chosen. */
void agl_presence_start_hidden (AglPresence *self);

/* See agl_tray_take_token(). */
char *agl_presence_take_token (AglPresence *self);

gboolean agl_presence_get_hint (AglPresence *self);
void agl_presence_dismiss_hint (AglPresence *self);
