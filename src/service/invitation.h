/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* A bus starts the service where nobody owns its name, also when one serves this user already: on the bus of
 * another session (each dbus-run-session(1) has one of its own), or on none. The second one does not serve
 * then. It invites the first onto its bus, and ends when the name is owned there.
 *
 * An invitation is a file in the runtime folder, and SIGHUP to look for it. It is no method: who chooses a
 * bus chooses whom it names as callers, and who reaches a socket, from a sandbox perhaps, must not. */

/* Invites the instance that serves @runtime_dir to the bus at @address, and waits until it is there. Blocks,
 * for up to ten seconds; for a process that does not serve. Errors: G_IO_ERROR_CLOSED when the other one has
 * ended meanwhile, so that the folder may be free now; G_IO_ERROR_NOT_FOUND when it cannot be seen from here,
 * G_IO_ERROR_TIMED_OUT when it does not come, or any that the bus and the folder may give. */
gboolean agl_invitation_send (const char *runtime_dir, const char *address, GError **error);

/* The addresses that this instance was invited to since, all of sockets ("unix:"), which are forgotten with
 * that. Caller frees with g_strfreev; never NULL. */
char **agl_invitation_take (const char *runtime_dir);
