/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/service-link.h"

/* What a person can ask of the service. Errors: those of the service (AGL_ERROR), G_IO_ERROR_NOT_CONNECTED
 * when it is away; agl_trouble_describe() puts them into words. Polkit may ask the person meanwhile. */

/* @force: though its holder lives. */
void agl_lock_calls_release (AglServiceLink *link,
                             guint64 id,
                             gboolean force,
                             GCancellable *cancellable,
                             GAsyncReadyCallback done,
                             gpointer user_data);
gboolean agl_lock_calls_release_finish (AglServiceLink *link, GAsyncResult *result, GError **error);

/* A manual lock. @directory: any bytes. @reason: NULL or "" for none. @ttl_sec: 0 for until it is released.
 */
void agl_lock_calls_claim (AglServiceLink *link,
                           const char *directory,
                           const char *reason,
                           guint32 ttl_sec,
                           GCancellable *cancellable,
                           GAsyncReadyCallback done,
                           gpointer user_data);
/* The id; 0 with @error. */
guint64 agl_lock_calls_claim_finish (AglServiceLink *link, GAsyncResult *result, GError **error);
