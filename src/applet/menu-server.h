/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* A menu on the bus as com.canonical.dbusmenu, for a tray to draw. What is clicked activates an action. */
#define AGL_TYPE_MENU_SERVER (agl_menu_server_get_type ())
G_DECLARE_FINAL_TYPE (AglMenuServer, agl_menu_server, AGL, MENU_SERVER, GObject)

/* @actions: what "app." stands for in a menu; referenced. @rtl: texts go from right to left. */
AglMenuServer *agl_menu_server_new (GActionGroup *actions, gboolean rtl);

gboolean
agl_menu_server_export (AglMenuServer *self, GDBusConnection *connection, const char *path, GError **error);
void agl_menu_server_unexport (AglMenuServer *self);

/* Shows @menu as it is now. Who looks is told only when there is a difference. */
void agl_menu_server_set_menu (AglMenuServer *self, GMenuModel *menu);

/* Signal "about-to-show": a person is opening the menu; the last moment to set it. */
