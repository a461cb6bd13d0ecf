/* SPDX-License-Identifier: MIT */
#pragma once
#include <json-glib/json-glib.h>

#include "core/lock-file-name.h"
#include "core/lock.h"

/* What the file of a lock says (format: top of lock-file.c). No file is touched here. */

/* Far above what a lock needs (a path of PATH_MAX bytes with all its ancestors is a sixth of it), far below
 * what would cost memory. What cannot be read back is not written. */
#define AGL_MAX_LOCK_FILE_BYTES (1024 * 1024)

/* A lock as it was saved. */
typedef struct
{
  AglLock *lock;           /* holder not opened: token only; cwd unknown until it is sighted */
  gboolean same_world;     /* FALSE: of another boot or PID namespace, so its token means nothing here */
  gboolean same_boot;      /* FALSE: of an earlier boot, so its holder is dead for certain */
  gboolean over;           /* it ended, but nobody may have been told: @reason */
  AglReleaseReason reason; /* only with @over */
  gboolean untold;         /* nobody was told that it was granted */
  char *world;             /* within which its tokens mean something */
  GArray *supersedes;      /* element-type guint64: the locks that ended when this one was written */
} AglSavedLock;
void agl_saved_lock_free (AglSavedLock *saved);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglSavedLock, agl_saved_lock_free)

/* @world: agl_process_world(), or where @lock's tokens come from. @supersedes: element-type guint64 or NULL.
 * Errors: AGL_ERROR_UNAVAILABLE when @lock holds something that could not be read back. Caller frees. */
char *agl_lock_file_format (const AglLock *lock, const char *world, const GArray *supersedes, GError **error);

/* For load and for the fuzzer: NULL and G_IO_ERROR_INVALID_DATA with what is wrong. */
AglSavedLock *agl_saved_lock_parse (const char *data, gsize n_bytes, GError **error);
/* The same with a parser that is used again and again. */
AglSavedLock *agl_saved_lock_parse_with (JsonParser *parser, const char *data, gsize n_bytes, GError **error);
