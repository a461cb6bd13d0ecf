/* SPDX-License-Identifier: MIT */
#include "core/cwd-scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
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

/* A directory as one mount shows it: what is above depends on the mount. (Before Linux 5.8 there is no
 * telling mounts apart, and all count as one.) */
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
  AglProcPass *pass;
  pid_t hand[AGL_PROC_HAND]; /* taken from it */
  int n_hand, next;          /* next: index into it */
  int process;               /* of the last one found; -1 */
  gboolean is_among_them;    /* the last one was there, and so probably is the next one */
  GHashTable *places;        /* Place → is it the directory or below */
  gboolean expects_known;    /* the last one's place was among them, and so probably is the next one's */
  GHashTable *mounts;        /* id (gint64) → is it of this machine alone */
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
agl_cwd_scan_new (AglProcPass *pass, const AglDirectory *directory, AglScanDepth depth, AglPatience patience)
{
  AglCwdScan *self = g_new0 (AglCwdScan, 1);

  self->pass = pass;
  self->process = -1;
  self->id = *agl_directory_get_id (directory);
  self->own_path = g_strdup (agl_directory_get_path (directory));
  self->path = agl_directory_is_foreign (directory) ? NULL : self->own_path;
  self->depth = depth;
  self->patience = patience;
  self->places = g_hash_table_new_full (place_hash, place_equal, g_free, NULL);
  self->mounts = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  self->guard = agl_mount_guard_new ();
  self->is_guarded = patience == AGL_PATIENCE_NONE && agl_mount_guard_is_needed (self->guard);
  return self;
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
  g_hash_table_unref (self->places);
  g_hash_table_unref (self->mounts);
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

/* Asks no server, whoever is asked. */
static gboolean
read_inode (int folder, const char *name, AglInode *inode, Place *place)
{
  if (!agl_inode_read (folder, name, AGL_PATIENCE_NONE, inode))
    return FALSE;
  *place = (Place){ .mount = inode->mount_id, .id = inode->id };
  return TRUE;
}

static gboolean
is_known (const AglCwdScan *self, const Place *place, gboolean *is_there)
{
  gpointer known;

  if (!g_hash_table_lookup_extended (self->places, place, NULL, &known))
    return FALSE;
  *is_there = GPOINTER_TO_INT (known);
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

/* Whether what is above @at, of which @inode was read, can be asked for by name. That needs search permission
 * there, for which a filesystem may ask its server; and the root of a mount leads into another one. */
static gboolean
may_peek (AglCwdScan *self, const AglInode *inode)
{
  gpointer is_local;

  if (self->patience == AGL_PATIENCE_BLOCK)
    return TRUE;
  if (inode->is_mount_root || inode->mount_id == 0)
    return FALSE;
  if (!g_hash_table_lookup_extended (self->mounts, &inode->mount_id, NULL, &is_local))
    {
      is_local = GINT_TO_POINTER (agl_inode_is_local (inode));
      g_hash_table_insert (self->mounts, g_memdup2 (&inode->mount_id, sizeof inode->mount_id), is_local);
    }
  return GPOINTER_TO_INT (is_local);
}

/* From the directory @at, which is closed, up to its root. A step up stays in the same process's mounts: ".."
 * of a mount's root is the parent of the mount point. The walk goes on from a directory that was removed, for
 * the kernel still knows where it was. Mostly the place above is known already: looking at it through @at
 * is half of what opening it costs. Where that may not be, it is opened from memory alone; without patience
 * what is not there ends in EAGAIN, and the text has to do. */
static Finding
walk_up (AglCwdScan *self, int at)
{
  Finding finding = UNREADABLE;
  Place last = { 0 };
  Way way;

  way.n_places = 0; /* a thousand times a pass: no more of it is cleared */
  for (guint depth = 0; at >= 0 && depth < MAX_DEPTH; depth++)
    {
      AglInode inode;
      Place place, above;
      gboolean is_there = FALSE;
      int up;

      if (!read_inode (at, "", &inode, &place))
        break;
      if (depth == 0)
        self->expects_known = g_hash_table_contains (self->places, &place);
      /* The root is its own parent. */
      if (is_known (self, &place, &is_there) || (depth > 0 && place_equal (&place, &last)))
        {
          finding = remember (self, &way, is_there);
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
      if (may_peek (self, &inode) && read_inode (at, "..", &inode, &above)
          && is_known (self, &above, &is_there))
        {
          finding = remember (self, &way, is_there);
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

/* By identity, wherever that is: the working directory behind @link. Many processes work in few places, and a
 * place that is known takes no more than one question; where it is not, that one is in vain. What the last
 * one was tells which is likelier. */
static Finding
look_up (AglCwdScan *self, int folder, const char *link)
{
  AglInode inode;
  Place place;
  gboolean is_there;
  int at;

  if (self->expects_known)
    {
      if (!read_inode (folder, link, &inode, &place))
        return finding_of_errno (errno);
      if (is_known (self, &place, &is_there))
        return is_there ? THERE : ELSEWHERE;
    }
  at = openat (folder, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return at < 0 ? finding_of_errno (errno) : walk_up (self, at);
}

/* Is it exactly in the directory? */
static Finding
look_at_place (const AglCwdScan *self, int folder, const char *link)
{
  AglInode inode;
  Place place;

  if (!read_inode (folder, link, &inode, &place))
    return finding_of_errno (errno);
  return agl_directory_id_equal (&place.id, &self->id) ? THERE : ELSEWHERE;
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
  Finding finding;

  if (self->depth == AGL_SCAN_BELOW && verdict == AGL_MOUNTS_ANYWHERE)
    return look_up (self, process, "cwd");
  finding = look_at_place (self, process, "cwd");
  return finding == ELSEWHERE && self->depth == AGL_SCAN_BELOW ? UNREADABLE : finding;
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
is_elsewhere (AglCwdScan *self, int proc, pid_t pid)
{
  char link[32];
  char folder[AGL_PROC_FOLDER_BYTES];
  Finding finding;

  g_snprintf (link, sizeof link, "%d/cwd", (int)pid);
  finding = self->depth == AGL_SCAN_BELOW ? look_up (self, proc, link) : look_at_place (self, proc, link);
  if (finding == THERE)
    self->expects_known = TRUE; /* who is looked at more closely is so here */
  return finding == ELSEWHERE || (finding == GONE && !agl_proc_find_thread (pid, folder));
}

static Finding
open_and_look (AglCwdScan *self, int proc, pid_t pid)
{
  char folder[AGL_PROC_FOLDER_BYTES];
  Finding finding;

  close_process (self);
  self->process = agl_command_line_open (proc, pid);
  if (self->process < 0)
    return finding_of_errno (errno);
  finding = look_at (self, self->process);
  if (finding != GONE || !agl_proc_find_thread (pid, folder))
    return finding;
  close_process (self);
  self->process = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return self->process < 0 ? finding_of_errno (errno) : look_at (self, self->process);
}

/* Whoever is there is looked at through a descriptor of the process; where one is, the next ones often are
 * too. */
static Finding
examine (AglCwdScan *self, pid_t pid)
{
  int proc = agl_proc_pass_get_folder (self->pass);
  Finding finding;

  if (!self->is_guarded && !self->is_among_them && is_elsewhere (self, proc, pid))
    return ELSEWHERE;
  finding = open_and_look (self, proc, pid);
  self->is_among_them = finding == THERE;
  return finding;
}

gboolean
agl_cwd_scan_next (AglCwdScan *self, pid_t *pid, int *process, GError **error)
{
  for (;;)
    {
      if (self->next == self->n_hand)
        {
          self->next = 0;
          self->n_hand = agl_proc_pass_take (self->pass, self->hand);
        }
      if (self->n_hand <= 0)
        break;
      *pid = self->hand[self->next++];
      switch (examine (self, *pid))
        {
        case THERE:
          *process = self->process;
          return TRUE;
        case ELSEWHERE:
        case GONE:
          break;
        case UNREADABLE:
          self->n_unreadable++;
          break;
        case FAILED:
          g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at process %d: %s", (int)*pid,
                       g_strerror (errno));
          return FALSE;
        }
    }
  if (self->n_hand < 0)
    g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot look at the processes in /proc: %s",
                 g_strerror (errno));
  self->n_hand = self->next = 0;
  return FALSE;
}

gboolean
agl_cwd_scan_confirm (AglCwdScan *self)
{
  return self->process >= 0 && look_at (self, self->process) == THERE;
}
