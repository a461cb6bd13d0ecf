/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* Whether another process's working directory may be asked for its identity without waiting.
 *
 * statx(2) with AT_STATX_DONT_SYNC asks no server, yet the way to it through the link /proc/PID/cwd lets some
 * network filesystems check their memory first (d_weak_revalidate: NFS, 9p), and on others the call itself
 * may wait for a lock of the cluster. What filesystem it is could be asked only in the same way. So:
 *
 * - While no type that may wait is known to the kernel (/proc/filesystems: a module that is not loaded serves
 *   no mount), every process may be asked: the usual case, at the price of one small file per pass.
 * - Else by the text of the link, which readlink(2) gives without a question, and the mounts of that
 * process's mount namespace. FUSE counts as no such type: there statx answers from memory (measured with a
 * server that sleeps).
 *
 * Good for one pass over /proc: it remembers mounts. */
typedef struct _AglMountGuard AglMountGuard;

AglMountGuard *agl_mount_guard_new (void);
void agl_mount_guard_free (AglMountGuard *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglMountGuard, agl_mount_guard_free)

/* FALSE: all may be asked, and agl_mount_guard_judge() need not be. */
gboolean agl_mount_guard_is_needed (const AglMountGuard *self);

typedef enum
{
  AGL_MOUNTS_MAY_WAIT, /* touch nothing */
  AGL_MOUNTS_HERE,     /* the directory itself may be asked; above it may be a mount that waits */
  AGL_MOUNTS_ANYWHERE  /* nor is there any such mount in its namespace */
} AglMountVerdict;

/* Of the working directory @cwd (as readlink(2) gives it) of the process whose directory is @process.
 * @same_view: (out) it has this process's own mount namespace, so that @cwd is a path here too. */
AglMountVerdict
agl_mount_guard_judge (AglMountGuard *self, int process, const char *cwd, gboolean *same_view);

/* TRUE when @process has this process's own mount namespace. FALSE also when it cannot be told. */
gboolean agl_mount_guard_is_same_view (const AglMountGuard *self, int process);

/* For tests, which have no network filesystem: mounts of @type count as ones that may wait (static; NULL: no
 * more). */
void agl_mount_guard_distrust (const char *type);

/* The mounts of @mountinfo (proc_pid_mountinfo(5)) judge @path. For agl_mount_guard_judge and the fuzzer. */
AglMountVerdict agl_mount_guard_parse (const char *mountinfo, const char *path);
