/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

/* Tells when any of the watched directories has been removed, where agl_directory_probe() cannot tell that
 * from a move for want of privilege. One inotify(7) descriptor for all; a watch keeps no filesystem from
 * being unmounted.
 *
 * IN_DELETE_SELF is proof: the kernel sends it when a directory without a name loses its last user. So it
 * covers every removal made on this machine, also after any number of renames. It does not cover: a removal
 * while the service was down; a directory that a process still works in or has open (told when that ends; the
 * probe finds those who work in it); one removed by another machine on a network filesystem; one that was
 * unmounted meanwhile (agl_removal_watch_is_watching() says FALSE then); one that this service may not read.
 * What is not covered stays silent.
 *
 * A watch is counted: adding twice needs two removals. Main thread only. */
typedef struct _AglRemovalWatch AglRemovalWatch;

/* Called from the watch's context once for each removed directory; it is no longer watched then, whatever the
 * count. Never called from within the functions below. The callee may add and remove watches. */
typedef void (*AglRemovedFunc) (AglDirectory *directory, gpointer user_data);

/* @context: NULL for the default one. Errors: AGL_ERROR_UNAVAILABLE. */
AglRemovalWatch *
agl_removal_watch_new (GMainContext *context, AglRemovedFunc removed, gpointer user_data, GError **error);
void agl_removal_watch_free (AglRemovalWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglRemovalWatch, agl_removal_watch_free)

/* Opens it by its path for the moment. On any error nothing is watched or counted.
 * Errors: AGL_ERROR_INVALID_DIRECTORY when it is not (or not to be found) under its path;
 * AGL_ERROR_NOT_PERMITTED when this service may not read it; AGL_ERROR_UNAVAILABLE (out of descriptors,
 * memory or inotify watches); G_IO_ERROR_WOULD_BLOCK. */
gboolean
agl_removal_watch_add (AglRemovalWatch *self, AglDirectory *directory, AglPatience patience, GError **error);
void agl_removal_watch_remove (AglRemovalWatch *self, AglDirectory *directory);
/* FALSE when it was never added, or the watch was lost with the filesystem: to be removed and added anew. */
gboolean agl_removal_watch_is_watching (const AglRemovalWatch *self, const AglDirectory *directory);
guint agl_removal_watch_count (const AglRemovalWatch *self); /* different directories, lost ones included */
