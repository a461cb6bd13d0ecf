/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

/* The questions about directories that have to be put to the kernel with care, since a path or a descriptor
 * may lead to a server that never answers. Each fails with errno; with AGL_PATIENCE_NONE EAGAIN says that it
 * could not be told without the risk of waiting. */

/* Closes the descriptor at the end of its scope, errno untouched; -1 is none. */
/* Set to 1 this makes mounts be looked up in mountinfo although the kernel has statmount(2): for tests. Read
 * once. */
#define AGL_DISABLE_STATMOUNT_ENV "AGENTCTL_LOCKS_DISABLE_STATMOUNT"

#define AGL_AUTO_FD __attribute__ ((cleanup (agl_fd_clear)))
void agl_fd_clear (int *fd);

/* What statx(2) says of a directory. */
typedef struct
{
  AglDirectoryId id;
  gint64 born_nsec; /* birth time since the epoch; 0 where the filesystem keeps none */
  guint64 mount_id;
  guint32 n_links; /* 0: it has been removed. (The reverse does not hold: overlayfs says 1 even then.) */
  guint is_directory : 1;
  guint is_mount_root : 1;
} AglInode;

/* @path: "" for @at itself. With AGL_PATIENCE_NONE no server is asked, but a @path that is not "" is
 * resolved: the caller knows that this cannot block. */
gboolean agl_inode_read (int at, const char *path, AglPatience patience, AglInode *inode);
/* The same directory seen through the same mount. */
gboolean agl_inode_same_place (const AglInode *a, const AglInode *b);

/* An O_PATH descriptor. @resolve: RESOLVE_* of openat2(2). Without openat2 (before Linux 5.6, or filtered
 * away) only @resolve without RESOLVE_IN_ROOT works, and only with AGL_PATIENCE_BLOCK. */
int agl_fd_open_directory (int at, const char *path, guint64 resolve, AglPatience patience);

/* The path by which the kernel knows @fd, in the view of this service; caller frees. */
char *agl_fd_dup_path (int fd);

/* Whether process @pid is in the mount namespace of this service. Reads links of /proc alone, so it never
 * waits; FALSE with errno when it may not be looked into or is gone. */
gboolean agl_mounts_compare (pid_t pid, gboolean *same);

/* What matters about the kind of filesystem something is on. */
typedef struct
{
  guint64 fsid;           /* as statfs(2) gives it; 0 where there is none */
  gboolean is_local;      /* it answers from this machine alone */
  gboolean keeps_handles; /* a directory's file handle stays the same, and ESTALE means that it is gone */
} AglFilesystem;

/* TRUE when @inode is on a filesystem that answers from this machine alone. FALSE with EAGAIN. */
gboolean agl_inode_is_local (const AglInode *inode);

/* @inode: what was read from @fd. */
gboolean agl_filesystem_read (int fd, const AglInode *inode, AglPatience patience, AglFilesystem *filesystem);

/* From a directory up to the root of its mount view. */
typedef struct
{
  AglInode at; /* where it has got to */
  int fd;
  guint n_up; /* `at` is that many levels above `fd` */
  gboolean owned;
  AglPatience patience;
} AglClimb;

/* @fd: stays the caller's and open meanwhile. @inode: what was read from it, on a local filesystem with
 * AGL_PATIENCE_NONE. */
void agl_climb_init (AglClimb *self, int fd, const AglInode *inode, AglPatience patience);
void agl_climb_clear (AglClimb *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglClimb, agl_climb_clear)
/* One level. FALSE with errno 0 at the top, or with what stopped it. After EACCES it may be tried again with
 * other rights. */
gboolean agl_climb_next (AglClimb *self);
/* A descriptor of where it has got to. */
int agl_climb_open (const AglClimb *self);
