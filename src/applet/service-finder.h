/* SPDX-License-Identifier: MIT */
#pragma once
#include "client/service.h"

/* Finds an instance of the service, as the commands do, without making the main loop wait: what may block is
 * asked in a thread, and the connection is then made here, so that its signals arrive here. */

/* @start: start the user's instance where none runs. @where: copied. */
void agl_service_finder_find (const AglWhere *where,
                              gboolean start,
                              GCancellable *cancellable,
                              GAsyncReadyCallback done,
                              gpointer user_data);

/* Errors: AGL_EXIT_ERROR, translated, saying what was tried; G_IO_ERROR_CANCELLED. */
AglService *agl_service_finder_finish (GAsyncResult *result, GError **error);
