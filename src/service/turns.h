/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <sys/types.h>

/* Whose call is next. All calls come through one loop, in the order in which they arrived, so one user who
 * sends as fast as he can would have everybody stand behind him. Here each user has a short time per turn of
 * the loop: within it a call is run at once, beyond it it waits in that user's own queue, and the queues take
 * turns. Main thread. */
typedef struct _AglTurns AglTurns;

/* A call in its turn. */
typedef void (*AglTurnFunc) (gpointer data);

/* So many calls of one user may wait for their turn; more are refused. */
#define AGL_TURNS_MAX_WAITING 4096

AglTurns *agl_turns_new (void);
/* Runs everything that waits, whoever's turn it is. */
void agl_turns_flush (AglTurns *self);
/* Runs nothing any more. */
void agl_turns_free (AglTurns *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglTurns, agl_turns_free)

/* Runs @func, now or in its turn; calls of one user in the order in which they are given. FALSE with
 * AGL_ERROR_LIMIT_EXCEEDED: too many of @uid's wait, and it will not be run. */
gboolean agl_turns_take (AglTurns *self, uid_t uid, AglTurnFunc func, gpointer data, GError **error);
