/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* A call may leave its interface out (D-Bus specification, "Message Types"), as dbus-python's does when it is
 * not told one. GDBus finds no method for such a call; services made with sd-bus or libdbus do. So the
 * interface is filled in that has the member; a member that no interface has is looked for in ours, where
 * GDBus says that there is none. Calls that name their interface pass as they are. */

/* To be called before messages come that matter. Lives with the connection. */
void agl_bare_call_attach (GDBusConnection *connection);
