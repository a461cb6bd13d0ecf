/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/service.h"

/* Keeps an answer of Check current: asks once, then again whenever a signal of the service says that
 * something changed. Unregistered agents come and go without a signal, so while there are any it also asks
 * every second. */
typedef struct _AglBlockersWatch AglBlockersWatch;

/* @blockers: aa{sv}; NULL with @error when the service could not be asked, and then nothing more comes: the
 * error as it came, for agl_service_explain_error(). May free the watch. */
typedef void (*AglBlockersFunc) (gboolean is_free,
                                 GVariant *blockers,
                                 const GError *error,
                                 gpointer user_data);

/* Runs in the default main context. @service: must outlive it. @subtree: those below @directory count too. */
AglBlockersWatch *agl_blockers_watch_new (
    AglService *service, const char *directory, gboolean subtree, AglBlockersFunc func, gpointer user_data);
void agl_blockers_watch_free (AglBlockersWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglBlockersWatch, agl_blockers_watch_free)
