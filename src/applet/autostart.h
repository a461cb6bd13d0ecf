/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Whether the applet starts when this user logs in: a file of the user's own below the folder "autostart"
 * (Desktop Application Autostart Specification). It is there only when the person wants it. */
gboolean agl_autostart_is_on (void);

/* Errors: G_FILE_ERROR, with the file's name. */
gboolean agl_autostart_set (gboolean on, GError **error);
