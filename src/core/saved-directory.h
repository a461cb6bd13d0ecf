/* SPDX-License-Identifier: MIT */
#pragma once
#include <json-glib/json-glib.h>

#include "core/directory.h"

/* A directory within the file of a lock (format: top of lock-file.c). */

/* What keeps @directory from being read back; NULL: nothing. Static. */
const char *agl_saved_directory_find_fault (const AglDirectory *directory);

/* Caller owns it. */
JsonObject *agl_saved_directory_to_json (const AglDirectory *directory);

/* Errors: G_IO_ERROR_INVALID_DATA. */
AglDirectory *agl_saved_directory_from_json (JsonObject *object, GError **error);
