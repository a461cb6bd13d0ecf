/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

/* The directories above a directory, nearest first. Neighbours have the same ones, and where many work there
 * are many neighbours: equal ones are one object. Immutable, counted, for any thread. NULL stands for none.
 */
typedef struct _AglAncestry AglAncestry;

AglAncestry *agl_ancestry_get (const AglDirectoryId *ids, gsize n_ids); /* (transfer full) */
void agl_ancestry_unref (AglAncestry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglAncestry, agl_ancestry_unref)

const AglDirectoryId *agl_ancestry_get_ids (const AglAncestry *self, gsize *n_ids);
