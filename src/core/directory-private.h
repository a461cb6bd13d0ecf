/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/directory.h"

#include <limits.h>

#include "core/ancestry.h"
#include "core/filesystem.h"

/* A path has at most PATH_MAX / 2 components. */
#define AGL_MAX_ANCESTORS (PATH_MAX / 2)

/* The inside of AglDirectory, for the files of this noun and their tests. */

/* A file handle as it is kept: opaque outside, and of use on this machine only. @fsid is where it was read;
 * it takes no part in comparing, since it can be set anew (tune2fs -U). */
typedef struct
{
  guint64 fsid;
  gint32 type;
  guint32 n_bytes;
  guint8 bytes[128]; /* MAX_HANDLE_SZ */
} AglFileHandle;

/* One allocation each: ten thousand locks are ten thousand of these. */
struct _AglDirectory
{
  gatomicrefcount ref_count;
  gint32 handle_type;
  AglDirectoryId id;
  guint64 fsid;
  AglAncestry *ancestry;
  guint8 n_handle_bytes; /* 0: it has no handle */
  guint8 foreign;        /* a gboolean */
  guint8 bytes[];        /* of the handle, then of the path with its terminator */
};

AglDirectory *agl_directory_new (const AglDirectoryId *id,
                                 const AglFileHandle *handle, /* nullable */
                                 const char *path,
                                 gboolean foreign,
                                 const AglDirectoryId *ancestors,
                                 gsize n_ancestors);

/* FALSE when @self has no handle. */
gboolean agl_directory_read_handle (const AglDirectory *self, AglFileHandle *handle);

/* Reads the handle of @fd; FALSE with errno where there is none that lasts. */
gboolean agl_file_handle_read (int fd, const AglFilesystem *filesystem, AglFileHandle *handle);
gboolean agl_file_handle_equal (const AglFileHandle *a, const AglFileHandle *b);

/* Whether @fd, of which @inode was read, is @self. @filesystem: what was read of @fd too; NULL: it was not.
 * EAGAIN and any other errno: could not be told. */
typedef enum
{
  AGL_MATCH_UNKNOWN, /* errno */
  AGL_MATCH_SAME,
  AGL_MATCH_OTHER,  /* another directory */
  AGL_MATCH_REBORN, /* another directory with the inode number of this one, which is gone therefore */
} AglMatch;
AglMatch agl_directory_match (const AglDirectory *self,
                              int fd,
                              const AglInode *inode,
                              const AglFilesystem *filesystem,
                              AglPatience patience);

/* What stands under @path in the view of this service: its descriptor, or -1 with errno. */
int agl_directory_open_path (const char *path, AglPatience patience);

/* All about @fd, found elsewhere than where it was thought to be. NULL with errno. */
AglDirectory *agl_directory_describe (int fd, const AglInode *inode, AglPatience patience);

/* What the kernel's word means for who asked for a directory, and what to do about it. @name: for display. */
void agl_directory_set_would_block (GError **error);
void agl_directory_set_open_error (GError **error, const char *name, int code);
void agl_directory_set_access_error (GError **error, const char *name, AglAccess access, int code);
