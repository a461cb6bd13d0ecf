/* SPDX-License-Identifier: MIT */
#include "core/cwd-scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/error.h"
#include "core/command-line.h"
#include "core/filesystem.h"
#include "core/mount-guard.h"
#include "core/proc-thread.h"

/* A path is no deeper, and a walk that is has met a directory moved under its feet. */
#define MAX_DEPTH (PATH_MAX / 2)

/* So many places of a walk are remembered, from its start on: the depth of almost all paths. */
#define MAX_WAY 64

/* Numbers are dealt out in hands of so many: a process and its children are near each other, and whoever
 * gives every second number to a process and the next one to its thread must not have it all in one part. */
#define HAND 16

/* A directory as one mount shows it: what is above depends on the mount. */
typedef struct
{
  guint64 mount;
  AglDirectoryId id;
} Place;

typedef struct
{
  Place places[MAX_WAY];
  guint n_places;
} Way;

typedef enum
{
  THERE,
  ELSEWHERE,
  GONE, /* ended meanwhile */
  UNREADABLE,
  FAILED /* errno: not this process's fault */
} Finding;

struct _AglCwdScan
{
  AglDirectoryId id;
  const char *path; /* of the directory; NULL when it is none of this mount namespace */
  char *own_path;
  AglScanDepth depth;
  AglPatience patience;
  AglMountGuard *guard; /* NULL: patience */
  gboolean is_guarded;
  DIR *proc;
  int process; /* of the last one found; -1 */
  guint part, n_parts;
  GHashTable *places; /* Place → is it the directory or below */
  guint n_unreadable;
};

static guint
place_hash (gconstpointer data)
{
  const Place *place = data;

  return agl_directory_id_hash (&place->id) ^ (guint)place->mount;
}

static gboolean
place_equal (gconstpointer a, gconstpointer b)
{
  const Place *first = a;
  const Place *second = b;

  return first->mount == second->mount && agl_directory_id_equal (&first->id, &second->id);
}

AglCwdScan *
agl_cwd_scan_new (const AglDirectory *directory, AglScanDepth depth, AglPatience patience, GError **error)
{
  g_autoptr (AglCwdScan) self = g_new0 (AglCwdScan, 1);

  self->process = -1;
  self->n_parts = 1;
  self->id = *agl_directory_get_id (directory);
  self->own_path = g_strdup (agl_directory_get_path (directory));
  self->path = agl_directory_is_foreign (directory) ? NULL : self->own_path;
  self->depth = depth;
  self->patience = patience;
  self->places = g_hash_table_new_full (place_hash, place_equal, g_free, NULL);
  self->guard = agl_mount_guard_new ();
  self->is_guarded = patience == AGL_PATIENCE_NONE && agl_mount_guard_is_needed (self->guard);
  self->proc = opendir ("/proc");
  if (self->proc == NULL)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at the processes in /proc: %s",
                   g_strerror (errno));
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
agl_cwd_scan_set_part (AglCwdScan *self, guint part, guint n_parts)
{
  g_return_if_fail (part < n_parts);
  self->part = part;
  self->n_parts = n_parts;
}

static void
close_process (AglCwdScan *self)
{
  if (self->process >= 0)
    close (self->process);
  self->process = -1;
}

void
agl_cwd_scan_free (AglCwdScan *self)
{
  if (self == NULL)
    return;
  close_process (self);
  if (self->proc != NULL)
    closedir (self->proc);
  g_hash_table_unref (self->places);
  agl_mount_guard_free (self->guard);
  g_free (self->own_path);
  g_free (self);
}

guint
agl_cwd_scan_count_unreadable (const AglCwdScan *self)
{
  return self->n_unreadable;
}

static Finding
finding_of_errno (int error_number)
{
  switch (error_number)
    {
    case ENOENT: /* a zombie has no working directory any more */
    case ESRCH:
      return GONE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return FAILED;
    default:
      return UNREADABLE;
    }
}

static gboolean
read_place (int folder, const char *name, int flags, Place *place)
{
  struct statx stx;

  if (statx (folder, name, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &stx) < 0)
    return FALSE;
  /* Without the mount (before Linux 5.8) all count as one. */
  place->mount = (stx.stx_mask & STATX_MNT_ID) != 0 ? stx.stx_mnt_id : 0;
  place->id.dev = makedev (stx.stx_dev_major, stx.stx_dev_minor);
  place->id.ino = stx.stx_ino;
  return TRUE;
}

/* Remembers what all the places of @way turned out to be. */
static Finding
remember (AglCwdScan *self, const Way *way, gboolean is_there)
{
  for (guint i = 0; i < way->n_places; i++)
    g_hash_table_replace (self->places, g_memdup2 (&way->places[i], sizeof (Place)),
                          GINT_TO_POINTER (is_there));
  return is_there ? THERE : ELSEWHERE;
}

/* From the directory behind @link, which is that of a process, up to its root. A step needs search
 * permission, for which FUSE may ask its server; without patience that ends in EAGAIN, and the text has to
 * do. A step up stays in the same process's mounts: ".." of a mount's root is the parent of the mount point.
 * The walk goes on from a directory that was removed, for the kernel still knows where it was. */
static Finding
walk_up (AglCwdScan *self, int folder, const char *link)
{
  int at = openat (folder, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
  Finding finding = at < 0 ? finding_of_errno (errno) : UNREADABLE;
  Place last = { 0 };
  Way way;

  way.n_places = 0; /* a thousand times a pass: no more of it is cleared */
  for (guint depth = 0; at >= 0 && depth < MAX_DEPTH; depth++)
    {
      Place place;
      gpointer known;
      int up;

      if (!read_place (at, "", AT_EMPTY_PATH, &place))
        break;
      if (g_hash_table_lookup_extended (self->places, &place, NULL, &known))
        {
          finding = remember (self, &way, GPOINTER_TO_INT (known));
          break;
        }
      /* The root is its own parent. */
      if (depth > 0 && place_equal (&place, &last))
        {
          finding = remember (self, &way, FALSE);
          break;
        }
      last = place;
      if (way.n_places < MAX_WAY)
        way.places[way.n_places++] = place;
      if (agl_directory_id_equal (&place.id, &self->id))
        {
          finding = remember (self, &way, TRUE);
          break;
        }
      up = agl_fd_open_directory (at, "..", 0, self->patience);
      if (up < 0)
        finding = finding_of_errno (errno) == FAILED ? FAILED : UNREADABLE;
      close (at);
      at = up;
    }
  if (at >= 0)
    close (at);
  return finding;
}

/* Zero-terminated; FALSE with errno. */
static gboolean
read_text (int folder, const char *name, char text[PATH_MAX])
{
  gssize n = readlinkat (folder, name, text, PATH_MAX - 1);

  text[MAX (n, 0)] = '\0';
  return n > 0;
}

static Finding
compare_text (const AglCwdScan *self, const char *text)
{
  gsize length = strlen (self->path);

  if (strncmp (text, self->path, length) != 0)
    return ELSEWHERE;
  if (text[length] == '\0')
    return THERE;
  if (self->depth == AGL_SCAN_EXACT)
    return ELSEWHERE;
  return text[length] == '/' || strcmp (self->path, "/") == 0 ? THERE : ELSEWHERE;
}

/* By the text alone: where identity must not or cannot be asked (FUSE shows a mount to its own user only). */
static Finding
look_at_text (const AglCwdScan *self, int process)
{
  char text[PATH_MAX];

  if (!read_text (process, "cwd", text))
    return finding_of_errno (errno);
  if (self->path == NULL || text[0] != '/' || !agl_mount_guard_is_same_view (self->guard, process))
    return UNREADABLE;
  return compare_text (self, text);
}

static Finding
look_at_identity (AglCwdScan *self, int process, AglMountVerdict verdict)
{
  Place place;
  gpointer known;

  if (!read_place (process, "cwd", 0, &place))
    return finding_of_errno (errno);
  if (agl_directory_id_equal (&place.id, &self->id))
    return THERE;
  if (self->depth == AGL_SCAN_EXACT)
    return ELSEWHERE;
  if (verdict != AGL_MOUNTS_ANYWHERE)
    return UNREADABLE;
  if (g_hash_table_lookup_extended (self->places, &place, NULL, &known))
    return GPOINTER_TO_INT (known) ? THERE : ELSEWHERE;
  return walk_up (self, process, "cwd");
}

static Finding
look_at (AglCwdScan *self, int process)
{
  AglMountVerdict verdict = AGL_MOUNTS_ANYWHERE;
  Finding finding = UNREADABLE;

  if (self->is_guarded)
    {
      char text[PATH_MAX];
      gboolean same_view;

      if (!read_text (process, "cwd", text))
        return finding_of_errno (errno);
      verdict = agl_mount_guard_judge (self->guard, process, text, &same_view);
    }
  if (verdict != AGL_MOUNTS_MAY_WAIT)
    finding = look_at_identity (self, process, verdict);
  return finding == UNREADABLE ? look_at_text (self, process) : finding;
}

/* The cheap way for almost all of them, without a descriptor of the process: FALSE when it takes a closer
 * look. */
static gboolean
is_elsewhere (AglCwdScan *self, int proc, const char *name)
{
  char link[64];
  char folder[AGL_PROC_FOLDER_BYTES];
  Place place;
  Finding finding;

  if (self->is_guarded)
    return FALSE;
  g_snprintf (link, sizeof link, "%s/cwd", name);
  if (self->depth == AGL_SCAN_BELOW)
    finding = walk_up (self, proc, link);
  else if (!read_place (proc, link, 0, &place))
    finding = finding_of_errno (errno);
  else
    finding = agl_directory_id_equal (&place.id, &self->id) ? THERE : ELSEWHERE;
  return finding == ELSEWHERE || (finding == GONE && !agl_proc_find_thread (atoi (name), folder));
}

static Finding
open_and_look (AglCwdScan *self, pid_t pid)
{
  char folder[AGL_PROC_FOLDER_BYTES];
  Finding finding;

  close_process (self);
  self->process = agl_command_line_open (dirfd (self->proc), pid);
  if (self->process < 0)
    return finding_of_errno (errno);
  finding = look_at (self, self->process);
  if (finding != GONE || !agl_proc_find_thread (pid, folder))
    return finding;
  close_process (self);
  self->process = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return self->process < 0 ? finding_of_errno (errno) : look_at (self, self->process);
}

gboolean
agl_cwd_scan_next (AglCwdScan *self, pid_t *pid, int *process, GError **error)
{
  const struct dirent *entry;

  while ((entry = readdir (self->proc)) != NULL)
    {
      gint64 number;

      if (!g_ascii_isdigit (entry->d_name[0]))
        continue;
      number = g_ascii_strtoll (entry->d_name, NULL, 10);
      if (number / HAND % self->n_parts != self->part
          || is_elsewhere (self, dirfd (self->proc), entry->d_name))
        continue;
      switch (open_and_look (self, (pid_t)number))
        {
        case THERE:
          *pid = (pid_t)number;
          *process = self->process;
          return TRUE;
        case ELSEWHERE:
        case GONE:
          break;
        case UNREADABLE:
          self->n_unreadable++;
          break;
        case FAILED:
          g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at process %s: %s",
                       entry->d_name, g_strerror (errno));
          return FALSE;
        }
    }
  return FALSE;
}

gboolean
agl_cwd_scan_confirm (AglCwdScan *self)
{
  return self->process >= 0 && look_at (self, self->process) == THERE;
}
