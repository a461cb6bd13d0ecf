/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/process.h"

/* Tells when any of the watched processes dies. One epoll set, so one descriptor in the main loop however
 * many are watched: GLib polls every descriptor on every turn, and 10 000 of them cost 2.8 ms a turn
 * (measured). A watch is counted: watching twice needs two unwatches. The process is kept referenced
 * meanwhile. */
typedef struct _AglProcessWatch AglProcessWatch;

/* Called from @context once for each watched process that died; it is no longer watched then, whatever the
 * count. Never called from within agl_process_watch_add. The callee may add and remove watches, also of
 * processes that died in the same turn, but not free @self. Deaths come before the context's requests
 * (G_PRIORITY_HIGH). */
typedef void (*AglProcessDiedFunc) (AglProcess *process, gpointer user_data);

/* @context: NULL for the default one. Errors: AGL_ERROR_UNAVAILABLE. */
AglProcessWatch *
agl_process_watch_new (GMainContext *context, AglProcessDiedFunc died, gpointer user_data, GError **error);
void agl_process_watch_free (AglProcessWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglProcessWatch, agl_process_watch_free)

/* A process that is dead already is reported in the next turn of the loop.
 * Errors: AGL_ERROR_UNAVAILABLE (epoll_ctl(2): no memory, or the user's max_user_watches is reached). */
gboolean agl_process_watch_add (AglProcessWatch *self, AglProcess *process, GError **error);
/* Nothing when it is not watched, as after its death. */
void agl_process_watch_remove (AglProcessWatch *self, AglProcess *process);
/* Tells now of all who are dead by now, and nothing within a callback. The loop polls first and hands out
 * what other threads have for it then: a request can be among that though it was sent after a
 * death, and the death came after the poll. Who looks before answering answers as one who knows. */
void agl_process_watch_look (AglProcessWatch *self);
guint agl_process_watch_count (const AglProcessWatch *self); /* different processes */
