/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/service.h"

/* What is held and who waits, as it is now: told once at first and then whenever a signal says that it may
 * have changed. Asks no more than once at a time, and never without a reason. */
typedef struct _AglStatusWatch AglStatusWatch;

/* @locks: aa{sv}; NULL: the service went away from its bus, and says so when it is back. */
typedef void (*AglStatusFunc) (GVariant *locks, guint n_waiters, gpointer user_data);

/* @service must outlive it. */
AglStatusWatch *agl_status_watch_new (AglService *service, AglStatusFunc func, gpointer user_data);
void agl_status_watch_free (AglStatusWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglStatusWatch, agl_status_watch_free)
