/* SPDX-License-Identifier: MIT */
#include "core/directory-private.h"

#include <gio/gio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "core/machine-view.h"
#include "core/proc-thread.h"

/* The text is read each time, the directory behind it looked at every so often: each walk through /proc/PID
 * costs the same 2.5 µs, and the text stays the same while the directory does not only for a process that
 * left, had its directory replaced and came back between two looks. */
#define CONFIRM_EVERY 4

typedef struct
{
  const AglDirectory *directory;
  const AglProcess *process;
  AglPatience patience;
  int proc;                             /* of /proc; -1: none */
  char link[AGL_PROC_FOLDER_BYTES + 8]; /* /proc/PID/cwd, or a thread's of it */
} Look;

/* What the link is called from look->proc. */
static const char *
get_name (const Look *look)
{
  return look->proc < 0 ? look->link : look->link + strlen ("/proc/");
}

void
agl_sighting_clear (AglSighting *sighting)
{
  g_free (sighting->text);
  g_free (sighting->moved_to);
  *sighting = (AglSighting){ .cwd = AGL_CWD_UNKNOWN };
}

static gboolean
would_block (const Look *look)
{
  return look->patience == AGL_PATIENCE_NONE && errno == EAGAIN;
}

static void
set_seen (AglSighting *sighting, const AglInode *inode)
{
  sighting->seen = inode->id;
  sighting->seen_born_nsec = inode->born_nsec;
}

/* Most of the time nothing has happened: the same text, and behind it the same directory. Only while it is
 * inside: what ends a lock is looked at in full each time. And not in a directory that was removed: its text
 * stays the same when those above it go too. The process need not be asked whether it still
 * lives: should another have its number now and work in the same place, "inside" releases nothing. */
static gboolean
is_unchanged (const Look *look, const AglSighting *last, const char *text)
{
  AglInode inode;
  const char *last_text;

  if (last == NULL || last->cwd != AGL_CWD_INSIDE || last->removed)
    return FALSE;
  last_text = last->at_path ? agl_directory_get_path (look->directory) : last->text;
  if (last_text == NULL || strcmp (last_text, text) != 0 || g_str_has_suffix (text, " (deleted)"))
    return FALSE;
  if (look->patience == AGL_PATIENCE_NONE && !last->seen_local)
    return FALSE;
  if (last->n_unconfirmed + 1 < CONFIRM_EVERY)
    return TRUE;
  return agl_inode_read (look->proc, get_name (look), look->patience, &inode)
         && agl_directory_id_equal (&inode.id, &last->seen) && inode.born_nsec == last->seen_born_nsec;
}

/* Opens what stands under @path in the view that @text is a path of: ours, or (@root) the machine's. */
static int
open_text (int root, const char *path)
{
  return root < 0
             ? agl_directory_open_path (path, AGL_PATIENCE_NONE)
             : agl_fd_open_directory (root, path, RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT, AGL_PATIENCE_NONE);
}

/* Following /proc/PID/cwd makes some filesystems ask their server (d_weak_revalidate of NFS), and
 * RESOLVE_CACHED never follows it. So look first what is mounted where the text leads to: TRUE when that is a
 * filesystem of this machine. A removed directory is judged by the nearest one above that is there. */
static gboolean
is_safe_to_follow (const Look *look, const char *text)
{
  g_autofree char *path = g_strdup (text);
  AGL_AUTO_FD int fd = -1;
  AGL_AUTO_FD int root = -1;
  gboolean same_mounts;
  AglInode inode;

  if (!agl_mounts_compare (agl_process_get_pid (look->process), &same_mounts))
    return FALSE;
  if (!same_mounts && agl_machine_view_is_of (agl_process_get_pid (look->process)))
    root = agl_machine_view_open_root ();
  if (!same_mounts && root < 0)
    return FALSE; /* the text means another place here */

  while ((fd = open_text (root, path)) < 0)
    {
      char *slash = strrchr (path, '/');

      if ((errno != ENOENT && errno != ENOTDIR) || slash == NULL || slash == path)
        return FALSE;
      *slash = '\0';
    }
  return agl_inode_read (fd, "", AGL_PATIENCE_NONE, &inode) && agl_inode_is_local (&inode);
}

/* Having climbed to the top without meeting the directory proves something only when this is the top of what
 * the process sees: a filesystem that was unmounted lazily has a top of its own, and what was above is lost.
 */
static gboolean
is_real_top (const Look *look, const AglInode *top)
{
  AGL_AUTO_FD int fd = -1;
  g_auto (AglClimb) climb = { 0 };
  AglInode root;
  char link[AGL_PROC_FOLDER_BYTES + 8];

  if (agl_inode_read (AT_FDCWD, "/", look->patience, &root) && agl_inode_same_place (&root, top))
    return TRUE;
  if (agl_inode_read (AT_FDCWD, "/proc/1/root", look->patience, &root) && agl_inode_same_place (&root, top))
    return TRUE;
  if (look->patience == AGL_PATIENCE_NONE)
    {
      errno = EAGAIN;
      return FALSE;
    }
  g_snprintf (link, sizeof link, "%.*s/root", (int)(strrchr (look->link, '/') - look->link), look->link);
  fd = open (link, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || !agl_inode_read (fd, "", look->patience, &root))
    return FALSE;
  agl_climb_init (&climb, fd, &root, look->patience);
  while (agl_climb_next (&climb))
    ;
  return errno == 0 && agl_inode_same_place (&climb.at, top);
}

/* TRUE when @path leads to the directory in our view. errno otherwise. */
static gboolean
leads_here (const Look *look, const char *path)
{
  AGL_AUTO_FD int fd = agl_directory_open_path (path, look->patience);
  AglInode inode;

  if (fd < 0 || !agl_inode_read (fd, "", look->patience, &inode))
    return FALSE;
  errno = ENOENT;
  return agl_directory_match (look->directory, fd, &inode, NULL, look->patience) == AGL_MATCH_SAME;
}

/* What is known of the working directory itself, from where a climb starts. */
typedef struct
{
  const char *text; /* NULL: too long */
  AglFilesystem filesystem;
} Start;

/* @fd is the directory, reached from below. Another path is a move only when the old one does not lead here
 * any more: it may be reached through two mounts. FALSE: it would block. */
static gboolean
find_new_path (const Look *look, int fd, AglSighting *sighting)
{
  g_autofree char *now = agl_fd_dup_path (fd);

  if (look->directory->foreign || now == NULL || strcmp (now, agl_directory_get_path (look->directory)) == 0)
    return TRUE;
  if (leads_here (look, agl_directory_get_path (look->directory)))
    return TRUE;
  if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
    return !would_block (look);
  if (leads_here (look, now))
    sighting->moved_to = g_steal_pointer (&now);
  else if (would_block (look))
    return FALSE;
  return TRUE;
}

typedef enum
{
  MEETING_NONE,
  MEETING_HERE,
  MEETING_UNTOLD /* errno */
} Meeting;

/* Is the place that @climb has got to the directory? @start: NULL when it is not at its start any more. */
static Meeting
meet (const Look *look, const AglClimb *climb, const Start *start, AglSighting *sighting)
{
  AGL_AUTO_FD int opened = -1;
  int fd = climb->fd;

  if (!agl_directory_id_equal (&climb->at.id, &look->directory->id))
    return MEETING_NONE;
  if (start == NULL)
    fd = opened = agl_climb_open (climb);
  if (fd < 0)
    return MEETING_UNTOLD;
  switch (agl_directory_match (look->directory, fd, &climb->at, start != NULL ? &start->filesystem : NULL,
                               look->patience))
    {
    case AGL_MATCH_UNKNOWN:
      return MEETING_UNTOLD;
    case AGL_MATCH_OTHER:
      return MEETING_NONE;
    case AGL_MATCH_REBORN:
      sighting->removed = TRUE;
      return MEETING_NONE;
    case AGL_MATCH_SAME:
      break;
    }
  if (climb->at.n_links == 0)
    sighting->removed = TRUE;
  else if (start != NULL && g_strcmp0 (start->text, agl_directory_get_path (look->directory)) == 0)
    return MEETING_HERE; /* under the path that it had */
  else if (!find_new_path (look, fd, sighting))
    return MEETING_UNTOLD;
  return MEETING_HERE;
}

/* From the working directory up. FALSE: errno. */
static gboolean
climb_from (const Look *look, int fd, const AglInode *inode, const Start *start, AglSighting *sighting)
{
  g_auto (AglClimb) climb = { 0 };

  agl_climb_init (&climb, fd, inode, look->patience);
  do
    switch (meet (look, &climb, start, sighting))
      {
      case MEETING_HERE:
        sighting->cwd = AGL_CWD_INSIDE;
        return TRUE;
      case MEETING_UNTOLD:
        return FALSE;
      case MEETING_NONE:
        start = NULL;
        break;
      }
  while (agl_climb_next (&climb));

  if (errno != 0 || !is_real_top (look, &climb.at))
    return FALSE;
  sighting->cwd = AGL_CWD_OUTSIDE;
  return TRUE;
}

/* @text: NULL when it is too long to be told. FALSE: errno. */
static gboolean
look_into (const Look *look, const char *text, AglSighting *sighting)
{
  AGL_AUTO_FD int fd = -1;
  AglInode inode;
  Start start = { .text = text };

  if (look->patience == AGL_PATIENCE_NONE && (text == NULL || !is_safe_to_follow (look, text)))
    {
      errno = EAGAIN;
      return FALSE;
    }
  fd = openat (look->proc, get_name (look), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || !agl_inode_read (fd, "", look->patience, &inode)
      || !agl_filesystem_read (fd, &inode, look->patience, &start.filesystem))
    return FALSE;
  set_seen (sighting, &inode);
  sighting->seen_local = start.filesystem.is_local;
  return climb_from (look, fd, &inode, &start, sighting);
}

/* What the process's cwd link reads, zero-terminated; its length, or -1 with errno. */
static ssize_t
read_cwd (Look *look, char text[PATH_MAX])
{
  pid_t pid = agl_process_get_pid (look->process);
  char folder[AGL_PROC_FOLDER_BYTES];
  ssize_t n;

  look->proc = agl_proc_get_folder ();
  g_snprintf (look->link, sizeof look->link, "/proc/%d/cwd", (int)pid);
  n = readlinkat (look->proc, get_name (look), text, PATH_MAX - 1);
  if (n < 0 && errno == ENOENT && agl_proc_find_thread (pid, folder))
    {
      g_snprintf (look->link, sizeof look->link, "%s/cwd", folder);
      n = readlinkat (look->proc, get_name (look), text, PATH_MAX - 1);
    }
  if (n >= 0)
    text[n] = '\0';
  return n;
}

/* What went wrong is that it has no working directory any more. */
static gboolean
is_ending (const Look *look, int error_number)
{
  char folder[AGL_PROC_FOLDER_BYTES];

  return error_number == ENOENT && !agl_proc_find_thread (agl_process_get_pid (look->process), folder)
         && errno == ENOENT;
}

gboolean
agl_directory_sight (const AglDirectory *self,
                     const AglProcess *process,
                     const AglSighting *last,
                     AglPatience patience,
                     AglSighting *sighting,
                     GError **error)
{
  Look look = { .directory = self, .process = process, .patience = patience };
  g_auto (AglSighting) found = { .cwd = AGL_CWD_UNKNOWN };
  char text[PATH_MAX];
  ssize_t n;

  *sighting = (AglSighting){ .cwd = AGL_CWD_UNKNOWN };
  n = read_cwd (&look, text);
  if (n < 0 && errno != ENAMETOOLONG)
    {
      sighting->ending = is_ending (&look, errno);
      return TRUE;
    }
  if (n >= 0)
    found.at_path = strcmp (text, agl_directory_get_path (self)) == 0;

  if (n >= 0 && is_unchanged (&look, last, text))
    {
      found.cwd = AGL_CWD_INSIDE;
      found.seen = last->seen;
      found.seen_born_nsec = last->seen_born_nsec;
      found.seen_local = last->seen_local;
      found.n_unconfirmed = (last->n_unconfirmed + 1) % CONFIRM_EVERY;
      found.moved_to = g_strdup (last->moved_to);
    }
  else if (!look_into (&look, n >= 0 ? text : NULL, &found))
    {
      if (would_block (&look))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                       "Where process %d works cannot be looked at without waiting",
                       (int)agl_process_get_pid (process));
          return FALSE;
        }
      sighting->trouble = errno;
      sighting->ending = is_ending (&look, errno);
      return TRUE;
    }
  else if (!agl_process_is_alive (process))
    return TRUE; /* the number may have been another's by then */

  if (n >= 0 && !found.at_path)
    found.text = g_strdup (text);
  *sighting = found;
  found = (AglSighting){ .cwd = AGL_CWD_UNKNOWN };
  return TRUE;
}
