/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* A folder of small files that are this service's own: each is whole or absent, whatever happens while it is
 * written. Everything goes by the folder's descriptor, and no link is followed, so that nobody can swap a
 * path under it.
 * Errors, where nothing else is said: AGL_ERROR_UNAVAILABLE with what was tried, the file, and the system's
 * word for it; nothing on disk has changed then. */
typedef struct _AglPrivateFolder AglPrivateFolder;

/* @path: made with its parents where it is missing. It must be a folder of this user (or root) that nobody
 * else can write to, unless it is sticky as /tmp is. @durable: what is written must outlive a power cut
 * (fsync(2) of file and folder). */
AglPrivateFolder *agl_private_folder_open (const char *path, gboolean durable, GError **error);

/* The folder @name in @self, mode 0700; it must be this user's own. @created: (out) (optional). */
AglPrivateFolder *
agl_private_folder_open_child (AglPrivateFolder *self, const char *name, gboolean *created, GError **error);
void agl_private_folder_free (AglPrivateFolder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglPrivateFolder, agl_private_folder_free)

const char *agl_private_folder_get_path (const AglPrivateFolder *self);

/* Writes NAME.tmp and renames it to @name, replacing what was there. */
gboolean agl_private_folder_write (
    AglPrivateFolder *self, const char *name, const char *data, gsize n_bytes, GError **error);

/* Into @contents, whatever it held before. Never blocks on a FIFO, never follows a link.
 * Errors: G_IO_ERROR_NOT_FOUND; G_IO_ERROR_INVALID_DATA when the fault is the file's (no regular file, not
 * this user's, writable for others, longer than @max_bytes, unreadable); AGL_ERROR_UNAVAILABLE when it is
 * not. */
gboolean agl_private_folder_read (
    AglPrivateFolder *self, const char *name, gsize max_bytes, GString *contents, GError **error);

/* @from must be there (else G_IO_ERROR_NOT_FOUND); replaces @to. */
gboolean agl_private_folder_rename (AglPrivateFolder *self, const char *from, const char *to, GError **error);

/* Well too when it is gone already. Not synced: should a power cut bring it back, it is removed again. */
gboolean agl_private_folder_remove (AglPrivateFolder *self, const char *name, GError **error);

/* Renames to NAME.bad, or NAME.bad.1 and so on, so that nothing is lost, and logs a warning with @why. */
void agl_private_folder_set_aside (AglPrivateFolder *self, const char *name, const char *why);
gboolean agl_private_folder_is_set_aside (const char *name); /* is that such a name? */
gboolean agl_private_folder_is_temporary (const char *name); /* a leftover of an interrupted write? */

/* The names in it, in no order, without "." and "..". (element-type filename) */
GPtrArray *agl_private_folder_list (AglPrivateFolder *self, GError **error);
