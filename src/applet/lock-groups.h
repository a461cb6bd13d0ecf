/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-entry.h"

/* A list of locks with those of one repository side by side, below a heading of their own where they are in
 * several directories (worktrees): a GListModel of AglLockEntry and AglLockGroup. A group stands where its
 * oldest lock would, so that rows stay where they are when others come and go. */
#define AGL_TYPE_LOCK_GROUPS (agl_lock_groups_get_type ())
G_DECLARE_FINAL_TYPE (AglLockGroups, agl_lock_groups, AGL, LOCK_GROUPS, GObject)

/* A heading. */
#define AGL_TYPE_LOCK_GROUP (agl_lock_group_get_type ())
G_DECLARE_FINAL_TYPE (AglLockGroup, agl_lock_group, AGL, LOCK_GROUP, GObject)

/* @locks: a list of AglLockEntry by id; referenced. */
AglLockGroups *agl_lock_groups_new (GListModel *locks);

/* Locks have learned which repository they belong to: soon the list shows it. */
void agl_lock_groups_regroup (AglLockGroups *self);

/* The repository's folder, raw. */
const char *agl_lock_group_get_repository (AglLockGroup *self);
