/* SPDX-License-Identifier: MIT */
#pragma once

/* Makes system calls fail on purpose. Preloaded (LD_PRELOAD=libagl-faults.so) into the daemon, or linked into
 * a unit test, it stands before the C library's functions of these names:
 *
 *   open openat creat write rename renameat renameat2 linkat unlink unlinkat mkdir mkdirat fsync fdatasync
 *   close epoll_ctl poll sendmmsg
 *
 * (The variants with 64 count as the plain ones.) Rules say which calls fail, one a line, four words each:
 *
 *   CALL PATTERN WHICH ACTION
 *
 *   CALL     one of the above
 *   PATTERN  fnmatch(3) on the call's path; of a call with two paths (rename, linkat) either may match; of a
 *            call on a descriptor (write, fsync) the path it was opened by, of one on a socket "socket:[N]".
 *            "*" matches what has no path too.
 *   WHICH    "3": the third matching call since the rules were read; "3+": that and all later; "*": every one
 *   ACTION   an error by name (EIO) or number; "short" (write only half of it), "late" (poll, in the main
 * thread: it has looked, and returns a moment after), "kill" (SIGKILL instead of the call), "kill-after"
 * (SIGKILL when the call has succeeded)
 *
 * The first rule that applies decides. "#" begins a comment.
 *
 * Where rules come from:
 *   AGENTCTL_LOCKS_FAULTS       rules, ";" between them
 *   AGENTCTL_LOCKS_FAULTS_FILE  a file of rules instead. Read again whenever it has been replaced or changed,
 *                               so a test can break and mend a running program. Absent: no rules.
 *                               Write it elsewhere and rename it into place.
 *   AGENTCTL_LOCKS_FAULTS_LOG   each failure is appended to this file: "CALL PATH ACTION"
 *
 * With the address sanitizer set ASAN_OPTIONS=verify_asan_link_order=0 for a preload. */

/* For tests that have it linked in: replaces the rules (";" or newlines between them), counts start anew.
 * NULL: no rules. Aborts when one cannot be understood. */
void agl_faults_set (const char *rules);
/* How many calls have failed since. */
unsigned agl_faults_count (void);
