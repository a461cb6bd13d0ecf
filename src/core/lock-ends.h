/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock.h"
#include "core/private-folder.h"

/* The locks whose end is on disk, until their files are gone. The end of one that was superseded stands in
 * the file of its successor until its own file says so too ("marked"): so long the successor's file must
 * name it whenever it is written, and must stay. What fails here is tried again with later calls. */
typedef struct _AglLockEnds AglLockEnds;

AglLockEnds *agl_lock_ends_new (void);
void agl_lock_ends_free (AglLockEnds *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglLockEnds, agl_lock_ends_free)

/* Its file in @folder, which must outlive this, has the name of an ended one. */
void agl_lock_ends_add (AglLockEnds *self, guint64 id, AglPrivateFolder *folder, AglReleaseReason reason);

/* Its successor's file names it as stolen; its own has the name of a held one and is renamed now. */
void
agl_lock_ends_add_superseded (AglLockEnds *self, guint64 id, AglPrivateFolder *folder, guint64 successor);

/* Appends the ids that @successor's file must name. */
void agl_lock_ends_collect (AglLockEnds *self, guint64 successor, GArray *ids);

/* The path of the file that says that @id ended, when it can go as soon as everybody was told: nothing else
 * on disk depends on it. Else NULL. Caller frees. */
char *agl_lock_ends_dup_path (AglLockEnds *self, guint64 id);

/* Nobody needs the file of @id any more: removes it, now or as soon as that works. Unknown ids are passed
 * over. */
void agl_lock_ends_remove (AglLockEnds *self, guint64 id);

/* Tries again what failed, a bounded part of it. */
void agl_lock_ends_retry (AglLockEnds *self);
