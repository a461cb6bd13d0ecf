/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"

/* Locks found by directory and by holder, whatever their number: by identity, never by path. Locks of one
 * directory, and of one holder, are chained through the locks themselves, so that a lock costs two hash
 * entries and no allocation; what lies below a directory is only counted there, and looked for when a subtree
 * asks and the count is not zero. Holds no reference: who takes a lock in keeps it alive, and does not touch
 * its directory, holder and mode until it is out again. A lock stands in one index at a time. */
typedef struct _AglLockIndex AglLockIndex;

AglLockIndex *agl_lock_index_new (void);
void agl_lock_index_free (AglLockIndex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLockIndex, agl_lock_index_free)

/* O(depth of the directory). */
void agl_lock_index_add (AglLockIndex *self, AglLock *lock);
void agl_lock_index_remove (AglLockIndex *self, AglLock *lock);
gboolean agl_lock_index_is_empty (const AglLockIndex *self);

/* The first of the locks with the directory's number, on with ->next_there. The number may have gone to
 * another directory meanwhile: agl_directory_equal() has the last word. NULL: none. */
AglLock *agl_lock_index_first_there (const AglLockIndex *self, const AglDirectory *directory);
/* The first of the locks of @holder, on with ->next_own. @holder may be NULL, who has none. */
AglLock *agl_lock_index_first_own (const AglLockIndex *self, const AglProcess *holder);
/* @holder's own lock of @directory; NULL: none. */
AglLock *
agl_lock_index_find_own (const AglLockIndex *self, const AglProcess *holder, const AglDirectory *directory);

/* Adds to @found every other lock that may overlap with @lock: those of the same directory, the subtrees
 * above it and, when it is a subtree, those below it. Each once, in no order. agl_rules_overlap() has the
 * last word. */
void agl_lock_index_find_overlapping (const AglLockIndex *self, const AglLock *lock, GPtrArray *found);
