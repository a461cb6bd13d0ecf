/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-file.h"
#include "core/told.h"

/* What survives the service itself: one small JSON file per lock (format: top of lock-file.c), private to
 * this service. Locks of processes live in the runtime folder, which a reboot empties, as it ends the
 * processes; manual locks live in the state folder and are fsynced. Every write goes to a temporary name and
 * is renamed, so a file is whole or absent. */
typedef struct _AglLockStore AglLockStore;

/* Creates `locks` below @runtime_dir and `claims` below @state_dir, 0700 each.
 * Errors: AGL_ERROR_UNAVAILABLE, naming the folder. */
AglLockStore *agl_lock_store_new (const char *runtime_dir, const char *state_dir, GError **error);
void agl_lock_store_free (AglLockStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLockStore, agl_lock_store_free)

/* On return the lock is on disk as it is now, replacing what was there under its id. The same rename ends the
 * @superseded ones (element-type AglLock; NULL: none): their own files are removed after it, and should the
 * service die in between, agl_lock_store_load knows them for stolen.
 * Errors: AGL_ERROR_UNAVAILABLE; then nothing on disk has changed. */
gboolean agl_lock_store_save (AglLockStore *self, const AglLock *lock, GPtrArray *superseded, GError **error);

/* The lock is over for @reason: on return it is no longer held on disk, but the fact that its end must still
 * be announced is, until agl_lock_store_announced(). Errors: AGL_ERROR_UNAVAILABLE: then it is still held on
 * disk; try again. */
gboolean
agl_lock_store_forget (AglLockStore *self, const AglLock *lock, AglReleaseReason reason, GError **error);
void agl_lock_store_announced (AglLockStore *self, guint64 id);
/* What has been told of locks, by this service and by the one before it. (transfer none) */
AglTold *agl_lock_store_get_told (AglLockStore *self);
/* What agl_lock_store_announced() would remove, for somebody who knows sooner than the main loop that it was
 * announced, and may do so in any thread. NULL: leave it to that. Caller frees. */
char *agl_lock_store_dup_end_path (AglLockStore *self, guint64 id);

/* The next id: larger than any ever given, also across restarts and reboots.
 * 0 with AGL_ERROR_UNAVAILABLE when a new block of ids cannot be reserved on disk. */
guint64 agl_lock_store_next_id (AglLockStore *self, GError **error);

/* Everything saved (element-type AglSavedLock), ordered by id. Damaged, foreign, half-written or future files
 * are renamed to NAME.bad and logged with what is wrong; leftovers of interrupted writes are removed, and
 * ends that were told. A folder that cannot be read is AGL_ERROR_UNAVAILABLE: a service that does not know
 * its locks must not start.
 */
GPtrArray *agl_lock_store_load (AglLockStore *self, GError **error);

/* How many files were set aside since start, for the doctor. */
guint agl_lock_store_count_bad (const AglLockStore *self);
