/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/choices.h"
#include "applet/service-link.h"

/* The applet in the desktop's tray: org.kde.StatusNotifierItem for its icon and words, com.canonical.dbusmenu
 * for its menu (menu-server.h). Both are small enough to be written here: the libraries that would do it draw
 * with GTK 3, or are kept no more.
 *
 * A tray comes and goes with its panel, whenever it likes; the item is there again when it is. */
typedef enum
{
  AGL_TRAY_ASKING, /* nobody is there yet; a panel that is starting has a moment to come */
  AGL_TRAY_SHOWN,
  AGL_TRAY_NONE /* there is no tray; one that comes later is still welcome */
} AglTrayState;

/* At login, applications and panels start together, and a panel that ended badly is started again. */
#define AGL_TRAY_PATIENCE_MSEC 5000

/* Property "state" (guint, AglTrayState), read-only, notified. */
#define AGL_TYPE_TRAY (agl_tray_get_type ())
G_DECLARE_FINAL_TYPE (AglTray, agl_tray, AGL, TRAY, GObject)

/* @bus: the session bus; NULL: there is none, and no tray then. @actions: the application's. All referenced.
 * @rtl: texts go from right to left. */
AglTray *agl_tray_new (
    GDBusConnection *bus, AglServiceLink *link, AglChoices *choices, GActionGroup *actions, gboolean rtl);

/* Takes the item away, for good. */
void agl_tray_close (AglTray *self);

AglTrayState agl_tray_get_state (AglTray *self);

/* What lets the next window come to the front on Wayland, as the tray gave it with the last click:
 * xdg-activation-v1. NULL: none. Caller frees. */
char *agl_tray_take_token (AglTray *self);

/* Something else is to be shown, such as a lock's repository. */
void agl_tray_refresh (AglTray *self);
