/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/private-folder.h"

/* Ids that grow and never repeat, also across crashes and reboots. The file `last-id` holds the highest id
 * that may have been given: it is moved ahead by a block, on disk for good, before the first of the block is
 * given, and back to the truth by a clean stop. A crash skips the rest of a block. */
typedef struct _AglIdCounter AglIdCounter;

/* @folder: durable; stays the caller's and must outlive this. @is_first_start: nothing was ever given, so a
 * missing file means 0. Otherwise a missing or damaged file means that nobody knows the last id: then ids go
 * on from the microseconds since the epoch, which no count from 1 catches up with. */
AglIdCounter *agl_id_counter_new (AglPrivateFolder *folder, gboolean is_first_start);
/* The clean stop. */
void agl_id_counter_free (AglIdCounter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglIdCounter, agl_id_counter_free)

/* @id was seen in use: what is given from now on is larger. */
void agl_id_counter_raise (AglIdCounter *self, guint64 id);

/* 0 with AGL_ERROR_UNAVAILABLE when a block cannot be reserved; the next call tries again. */
guint64 agl_id_counter_next (AglIdCounter *self, GError **error);
