/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

#include "core/request.h"
#include "core/subject.h"

/* Who calls, as the kernel and the bus vouch for it; never by what a message says. One per unique name on a
 * message bus, one per connection on a direct socket; the same for all calls until it hangs up. Counted, main
 * thread. */
typedef struct
{
  AglAsker asker;      /* process: NULL when it lives in a PID namespace that this service cannot see into */
  AglSubject *subject; /* for paths and permissions */
  GDBusConnection *connection;
  char *name;       /* unique name on a message bus; NULL on a direct socket */
  guint n_calls;    /* under way */
  gboolean is_gone; /* it hung up */
} AglCaller;

/* Finds out whether a caller on a message bus is connected to it still: the bus hears of a connection's end
 * in the order in which things happen, and tells us when it comes to it. Not to be told counts as there. */
void agl_caller_find (AglCaller *self, AglFoundFunc func, gpointer user_data);

AglCaller *agl_caller_ref (AglCaller *self);
void agl_caller_unref (AglCaller *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCaller, agl_caller_unref)

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
 * called before agl_callers_identify returns; calls of one caller are answered in the order in which they
 * came. */
typedef void (*AglCallerFunc) (AglCaller *caller, const GError *error, gpointer user_data);
void agl_callers_identify (AglCallers *self,
                           GDBusMethodInvocation *invocation,
                           AglCallerFunc func,
                           gpointer user_data);

/* @connection closed: all who called through it are gone. */
void agl_callers_drop_connection (AglCallers *self, GDBusConnection *connection);
