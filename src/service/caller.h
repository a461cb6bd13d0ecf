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
  GQueue seeking;   /* AglCall: those of them whose directory a thread looks for */
  gboolean is_gone; /* it hung up */
} AglCaller;

/* Finds out whether a caller on a message bus is connected to it still: the bus hears of a connection's end
 * in the order in which things happen, and tells us when it comes to it. Not to be told counts as there. */
void agl_caller_find (AglCaller *self, AglFoundFunc func, gpointer user_data);

AglCaller *agl_caller_ref (AglCaller *self);
void agl_caller_unref (AglCaller *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCaller, agl_caller_unref)
