/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/service-link.h"

/* What the tray says, without a tray: words and a menu. */

/* As many entries of directories a menu has, and as many one of its submenus; "N more" stands for the rest.
 */
#define AGL_TRAY_MENU_MAX 12

/* "3 directories in use", or that the service is away. Caller frees. */
char *agl_tray_summary (AglLockModel *locks, AglLinkState state);

/* The first few directories and who is there, a line each; markup (the specification allows some of it) is
 * escaped. "" when there is none. Caller frees. */
char *agl_tray_details (AglLockModel *locks, AglLinkState state);

/* A lock is `outside` or `unknown`. */
gboolean agl_tray_wants_attention (AglLockModel *locks);

/* The menu: sections of items with an app.* action each. An item without an action only says something. An
 * item of a lock asks for app.show-lock. @group: a repository of several directories is a submenu. Items have
 * one attribute of ours, AGL_TRAY_MENU_ICON (s). Caller unrefs. */
#define AGL_TRAY_MENU_ICON "x-agl-icon"
GMenuModel *agl_tray_menu_new (AglLockModel *locks, AglLinkState state, gboolean group);
