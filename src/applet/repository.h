/* SPDX-License-Identifier: MIT */
#pragma once
#include "applet/lock-model.h"

/* Which repository a directory belongs to: what all worktrees of one Git repository have in common
 * (gitrepository-layout(5): the folder that "commondir" names). Git itself is not run. */

/* The folder that holds the repository (of "project/.git" that is "project", of a bare one itself),
 * canonical; NULL: none that can be told. Touches the filesystem and may block: for threads. Caller frees. */
char *agl_repository_find (const char *directory);

/* Tells each lock of a model its repository, in its own time, and emits "found" when it has told one. A
 * directory that never answers (a dead network filesystem) costs a thread of a few, and its lock has none. */
#define AGL_TYPE_REPOSITORY_FINDER (agl_repository_finder_get_type ())
G_DECLARE_FINAL_TYPE (AglRepositoryFinder, agl_repository_finder, AGL, REPOSITORY_FINDER, GObject)

/* @model: referenced. */
AglRepositoryFinder *agl_repository_finder_new (AglLockModel *model);
