/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Tells a person, on standard error, what a command is waiting for: on a terminal in one line that is kept
 * up to date, elsewhere once. */
typedef struct _AglWaitDisplay AglWaitDisplay;

/* @directory: raw. @quiet: shows nothing at all. */
AglWaitDisplay *agl_wait_display_new (const char *directory, gboolean quiet);
void agl_wait_display_free (AglWaitDisplay *self); /* clears the line */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglWaitDisplay, agl_wait_display_free)

/* Whom it waits for. @blockers: aa{sv}; empty when it is only not our turn yet. @others_first: that is known
 * to be for others who wait. */
void agl_wait_display_show (AglWaitDisplay *self, GVariant *blockers, gboolean others_first);

/* That the service itself went away, and is waited for. */
void agl_wait_display_show_service_gone (AglWaitDisplay *self);

/* FALSE when nothing shown would change any more: no need to look further. */
gboolean agl_wait_display_is_live (const AglWaitDisplay *self);
