/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/process.h"

/* For whom a path is looked up and a permission judged. Immutable, atomically counted: workers use it.
 * @process: whose root directory and mounts paths are seen through.
 * @impersonate: whether the kernel is to judge as that user instead of as this service (a service of the
 * whole machine does; a user's own service has the same rights as its callers). */
typedef struct
{
  AglProcess *process;
  uid_t uid;
  gid_t gid;
  gid_t *groups;
  gsize n_groups;
  gboolean impersonate;
} AglSubject;

/* Takes references and copies. @groups: the supplementary groups. */
AglSubject *agl_subject_new (
    AglProcess *process, uid_t uid, gid_t gid, const gid_t *groups, gsize n_groups, gboolean impersonate);
AglSubject *agl_subject_ref (AglSubject *self);
void agl_subject_unref (AglSubject *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglSubject, agl_subject_unref)

/* Lays down, in the calling thread and in all that it starts, the capabilities that only acting for somebody
 * needs: they stay permitted, and come into effect between begin and end alone. For start-up, before there
 * are threads. Errors: AGL_ERROR_UNAVAILABLE. */
gboolean agl_subject_rest (GError **error);

/* Makes the calling thread, and no other, act on files with the subject's fsuid, fsgid and groups and with no
 * capability in effect, for root with those that let root into every directory, as far as this service has
 * them (setfsuid(2), capset(2); raw system calls, since the C library's apply to all
 * threads). Between the two nothing but file system calls, and no second begin. A thread that cannot be given
 * back its own rights aborts: it must not go on with another's. Errors of begin: AGL_ERROR_UNAVAILABLE;
 * nothing has changed then. Without @impersonate both do nothing. */
gboolean agl_subject_begin (const AglSubject *self, GError **error);
void agl_subject_end (const AglSubject *self);
