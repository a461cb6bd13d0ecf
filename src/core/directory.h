/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/subject.h"

/* Which directory, whatever it is called. Device and inode name a directory while it exists; the file handle
 * (name_to_handle_at(2)), where the filesystem gives one, carries the inode's generation and so tells a
 * directory from a later one with the same inode number. */
typedef struct
{
  guint64 dev;
  guint64 ino;
} AglDirectoryId;

/* A directory as it was found. Immutable, atomically counted. No descriptor is kept: that would keep its
 * filesystem from being unmounted. */
typedef struct _AglDirectory AglDirectory;

/* Whether a call may wait for a disk or a server. The first answers only what the kernel has in memory
 * (openat2(2) RESOLVE_CACHED, statx(2) AT_STATX_DONT_SYNC) on a filesystem of this machine, and ends in
 * G_IO_ERROR_WOULD_BLOCK otherwise: for the main loop. The second is for worker threads. */
typedef enum
{
  AGL_PATIENCE_NONE,
  AGL_PATIENCE_BLOCK
} AglPatience;

/* What the subject must be allowed on the directory itself, as the kernel judges. */
typedef enum
{
  AGL_ACCESS_REACH,  /* nothing but to get there */
  AGL_ACCESS_SEARCH, /* x */
  AGL_ACCESS_WRITE   /* w and x */
} AglAccess;

/* Finds the directory @path in @subject's view: absolute, at most PATH_MAX - 1 bytes; symlinks are followed.
 * With @fd >= 0 that descriptor decides (O_PATH will do; stays the caller's) and @path is not looked at.
 * Errors: AGL_ERROR_INVALID_DIRECTORY (relative, empty, missing, no directory, too long, not reachable);
 * AGL_ERROR_NOT_PERMITTED (@access refused); AGL_ERROR_UNAVAILABLE; G_IO_ERROR_WOULD_BLOCK (see AglPatience).
 */
AglDirectory *agl_directory_find (const AglSubject *subject,
                                  const char *path,
                                  int fd,
                                  AglAccess access,
                                  AglPatience patience,
                                  GError **error);

/* From saved facts, unverified. @handle: NULL where there was none. @ancestors: nearest first. */
AglDirectory *agl_directory_new_saved (const AglDirectoryId *id,
                                       GBytes *handle,
                                       const char *path,
                                       gboolean foreign,
                                       const AglDirectoryId *ancestors,
                                       gsize n_ancestors);

AglDirectory *agl_directory_ref (AglDirectory *self);
void agl_directory_unref (AglDirectory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglDirectory, agl_directory_unref)

const AglDirectoryId *agl_directory_get_id (const AglDirectory *self);
/* The file handle in a form of our own, for agl_directory_new_saved() on this machine. (transfer full); NULL
 * where the filesystem gives none that lasts. */
GBytes *agl_directory_dup_handle (const AglDirectory *self);
/* Canonical, symlinks resolved, raw bytes as in any Unix path. */
const char *agl_directory_get_path (const AglDirectory *self);
/* TRUE when the path is one of another mount view (a container) and cannot be looked up in ours. */
gboolean agl_directory_is_foreign (const AglDirectory *self);
/* Nearest first, up to the root of the view it was found in, as far as the subject could see. */
const AglDirectoryId *agl_directory_get_ancestors (const AglDirectory *self, gsize *n_ancestors);

gboolean agl_directory_id_equal (gconstpointer a, gconstpointer b);
guint agl_directory_id_hash (gconstpointer id);
/* The same directory: ids equal, and handles too where both have one. For GHashTable, as is _hash. */
gboolean agl_directory_equal (gconstpointer a, gconstpointer b);
guint agl_directory_hash (gconstpointer self);
/* TRUE when @self lies below @ancestor (strictly), as found. */
gboolean agl_directory_is_below (const AglDirectory *self, const AglDirectory *ancestor);

/* Does it still exist? */
typedef enum
{
  AGL_EXISTENCE_UNKNOWN, /* proves nothing */
  AGL_EXISTENCE_THERE,
  AGL_EXISTENCE_REMOVED /* proven: its inode is gone or has no name any more */
} AglExistence;

/* Looks for it under its path and, where that now leads elsewhere or nowhere, by its handle.
 * open_by_handle_at(2) needs CAP_DAC_READ_SEARCH: without it a directory that was moved away and one that was
 * removed look alike, and the answer is UNKNOWN unless another directory has its inode number or a process
 * still works in it. AglRemovalWatch tells what this cannot.
 * @moved: (out) (optional) (nullable): the same directory with what is known of it now, when it was found
 * under another path, or on the same filesystem under another device number (after a reboot).
 * Errors: only G_IO_ERROR_WOULD_BLOCK, with AGL_PATIENCE_NONE. */
AglExistence
agl_directory_probe (const AglDirectory *self, AglPatience patience, AglDirectory **moved, GError **error);

/* Where a process works, seen from this directory. */
typedef enum
{
  AGL_CWD_INSIDE,  /* in it or below */
  AGL_CWD_OUTSIDE, /* proven elsewhere */
  AGL_CWD_UNKNOWN, /* not to be told: no permission, a filesystem that does not answer */
  AGL_CWD_IGNORED  /* not looked at */
} AglCwd;

/* "inside", "outside", "unknown", "ignored". Static. */
const char *agl_cwd_to_string (AglCwd cwd);
gboolean agl_cwd_parse (const char *text, AglCwd *cwd);

/* Small, since each lock keeps one. */
typedef struct
{
  AglDirectoryId seen; /* the working directory itself; 0, 0 when unknown */
  char *text;          /* its path as the kernel gives it; NULL when unknown or at_path; freed with _clear */
  char *moved_to;      /* this directory's own path now when it is no longer get_path(); else NULL */
  int trouble;         /* errno of what kept it from being told; 0: nothing that is known */
  AglCwd cwd : 8;
  guint removed : 1; /* proven by what was seen: this directory has no name any more */
  guint at_path : 1; /* its path as the kernel gives it is this directory's own, get_path() */
  guint ending : 1;  /* proven: the process works nowhere any more, since it is about to be dead */

  /* For the next sighting: */
  guint seen_local : 1;    /* it is on a filesystem of this machine alone */
  guint n_unconfirmed : 4; /* how many sightings ago it was looked at itself, not only its path */
  gint64 seen_born_nsec;   /* birth time of the working directory: inode numbers are used again at once */
} AglSighting;
void agl_sighting_clear (AglSighting *sighting);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AglSighting, agl_sighting_clear)

/* Where @process works. A dead process is UNKNOWN: its death is told elsewhere.
 * @last: (nullable): the previous sighting of the same pair; where the process was inside and nothing
 * changed since, this is one readlink(2) and, every fourth time, one statx(2). Errors: only
 * G_IO_ERROR_WOULD_BLOCK, with AGL_PATIENCE_NONE; *@sighting is UNKNOWN then. */
gboolean agl_directory_sight (const AglDirectory *self,
                              const AglProcess *process,
                              const AglSighting *last,
                              AglPatience patience,
                              AglSighting *sighting,
                              GError **error);
