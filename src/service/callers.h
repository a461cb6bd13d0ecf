/* SPDX-License-Identifier: MIT */
#pragma once
#include "service/caller.h"

/* The callers of a service. */
typedef struct _AglCallers AglCallers;

/* Called once when a caller has hung up: its waits end. */
typedef void (*AglCallerGoneFunc) (AglCaller *caller, gpointer user_data);

/* @impersonate: whether permissions are to be judged as the caller (see AglSubject). */
AglCallers *agl_callers_new (gboolean impersonate, AglCallerGoneFunc gone, gpointer user_data);
/* Tells AGL_ERROR_NO_SUCH_PROCESS to whoever waits to know a caller, now, and asks no bus any more. */
void agl_callers_stop (AglCallers *self);
void agl_callers_free (AglCallers *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCallers, agl_callers_free)

/* @caller: NULL with @error (AGL_ERROR_UNAVAILABLE; AGL_ERROR_NO_SUCH_PROCESS: it hung up meanwhile). May be
 * called before agl_callers_identify returns. Calls that come over one connection are answered in the order
 * in which they came, whoever makes them, but for errors: who waits is served in that order (see ledger.h).
 */
typedef void (*AglCallerFunc) (AglCaller *caller, const GError *error, gpointer user_data);
void agl_callers_identify (AglCallers *self,
                           GDBusMethodInvocation *invocation,
                           AglCallerFunc func,
                           gpointer user_data);

/* @connection closed: all who called through it are gone. */
void agl_callers_drop_connection (AglCallers *self, GDBusConnection *connection);
