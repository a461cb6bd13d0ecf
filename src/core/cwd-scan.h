/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"
#include "core/proc-pass.h"

/* Whose working directory is a given one, or below it. */
typedef struct _AglCwdScan AglCwdScan;

typedef enum
{
  AGL_SCAN_EXACT, /* in the directory itself */
  AGL_SCAN_BELOW  /* there or anywhere below */
} AglScanDepth;

/* How it is known, process by process:
 *
 * - The directory itself by its identity: statx(2) through /proc/PID/cwd costs as much as readlink(2) and is
 *   right whatever the path is called, in other mount namespaces and under bind mounts too.
 * - What is below by a walk up "..", as that process's mounts lead, from one descriptor of where the process
 *   works: what is concluded is true of one moment, however often it changes its directory meanwhile. Each
 *   directory is walked from once per scan, whatever number of processes work there.
 * - Without patience, what agl_mount_guard_judge() forbids to touch is told by the text of the link alone,
 * and only in this process's own mount namespace, where the text is a path.
 *
 * @pass: borrowed. Scans in several threads may share one: together they meet each process once. */
AglCwdScan *
agl_cwd_scan_new (AglProcPass *pass, const AglDirectory *directory, AglScanDepth depth, AglPatience patience);
void agl_cwd_scan_free (AglCwdScan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglCwdScan, agl_cwd_scan_free)

/* The next process that is there, in the order of their numbers. *@process: a descriptor of its /proc/PID (or
 * a thread's, where the main thread has ended), the scan's own and good until the next call. FALSE at the
 * end, and with an error (AGL_ERROR_UNAVAILABLE) when descriptors or memory ran out: an answer with gaps is
 * none. */
gboolean agl_cwd_scan_next (AglCwdScan *self, pid_t *pid, int *process, GError **error);

/* Looks at the last one again: TRUE when it still lives and is still there. */
gboolean agl_cwd_scan_confirm (AglCwdScan *self);

/* How many could not be looked into so far: no permission, or a filesystem that may not answer. */
guint agl_cwd_scan_count_unreadable (const AglCwdScan *self);
