/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* The signal dispositions that this program was started with. GSocket ignores SIGPIPE for the whole process
 * and a wait catches the signals that end it; what is executed afterwards must see none of that, and a
 * caller's own SIG_IGN (nohup(1), a shell's background job) must stay. */

void agl_signals_save (void);    /* once, before anything of GIO is touched */
void agl_signals_restore (void); /* as they were saved */

/* SIGPIPE alone, once GIO has touched it: what we print ends quietly when its reader does. GIO itself sends
 * with MSG_NOSIGNAL. */
void agl_signals_restore_pipe (void);

/* Calls @caught, in the main context, for SIGINT, SIGTERM and SIGHUP, except those that the caller of this
 * program had ignored. Until _unwatch. */
void agl_signals_watch (void (*caught) (int signal_number, gpointer user_data), gpointer user_data);
void agl_signals_unwatch (void);

/* Ends this process by @signal_number, so that a shell sees that it was, and stops its script. */
void agl_signals_die (int signal_number) G_GNUC_NORETURN;
