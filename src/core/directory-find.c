/* SPDX-License-Identifier: MIT */
#include "core/directory-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"
#include "core/machine-view.h"
#include "core/proc-thread.h"

/* A lookup that is confined to a root must be retried when something was renamed or mounted meanwhile
 * (openat2(2), EAGAIN). */
#define MAX_RETRIES 16

#define ROOT_LINK_BYTES (AGL_PROC_FOLDER_BYTES + 8)

/* What was asked, and what has been seen so far. */
typedef struct
{
  const AglSubject *subject;
  const char *path;
  AglAccess access;
  AglPatience patience;
  int root; /* the root of the subject's view; AT_FDCWD where that is ours */

  int fd; /* the directory */
  AglInode inode;
  AglFilesystem filesystem;
  AglClimb climb;
  GArray *ancestors; /* AglDirectoryId */
} Search;

/* At which step the kernel said no. */
typedef enum
{
  STEP_NONE,
  STEP_OPEN,
  STEP_LOOK,
  STEP_ACCESS
} Step;

/* What to call the directory in messages. */
static char *
display_name (const char *path, int fd)
{
  g_autofree char *name = NULL;

  if (path != NULL && *path != '\0')
    return agl_text_escape (path, -1);
  name = agl_fd_dup_path (fd);
  return name != NULL ? agl_text_escape (name, -1) : g_strdup ("the given descriptor");
}

static gboolean
check_path (const char *path, GError **error)
{
  g_autofree char *name = NULL;

  if (path == NULL || *path == '\0')
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                   "The directory is empty: give an absolute path or directory-fd");
      return FALSE;
    }
  if (strlen (path) >= PATH_MAX)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                   "The directory's path has %" G_GSIZE_FORMAT
                   " bytes, at most %d are possible: open it step by step and give directory-fd",
                   strlen (path), PATH_MAX - 1);
      return FALSE;
    }
  if (*path != '/')
    {
      name = agl_text_escape (path, -1);
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                   "%s is a relative path: give it from / on, the service works elsewhere than its caller",
                   name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_link (const char *path, char *text, gsize size)
{
  ssize_t n = readlink (path, text, size - 1);

  if (n < 0)
    return FALSE;
  text[n] = '\0';
  return TRUE;
}

static void
set_view_error (GError **error, const char *path, const AglProcess *process, int code)
{
  g_autofree char *name = agl_text_escape (path, -1);
  int pid = agl_process_get_pid (process);

  if (!agl_process_is_alive (process))
    g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                 "%s cannot be looked up as process %d sees it: that process has ended", name, pid);
  else if (agl_error_is_shortage (code))
    agl_directory_set_open_error (error, name, code);
  else
    g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY,
                 "%s may mean another directory to process %d than to this service, which must not see that "
                 "process's root directory (%s): give the directory itself as directory-fd",
                 name, pid, g_strerror (code));
}

/* The inexpensive way to know a view for ours: the same mounts, and a root that reads "/" here. Follows no
 * link, since another's root may be on a server that does not answer. Not for a service that was itself given
 * a root of its own within these mounts: outside of it things read "/" too. */
static gboolean
has_our_root (pid_t pid)
{
  AglInode root;
  char link[32];
  char text[PATH_MAX];

  g_snprintf (link, sizeof link, "/proc/%d/root", (int)pid);
  return read_link (link, text, sizeof text) && strcmp (text, "/") == 0
         && agl_inode_read (AT_FDCWD, "/", AGL_PATIENCE_NONE, &root) && root.is_mount_root;
}

/* @link: where @pid's root can be followed. */
static gboolean
read_root (pid_t pid, char link[ROOT_LINK_BYTES], AglInode *inode)
{
  char folder[AGL_PROC_FOLDER_BYTES];

  g_snprintf (link, ROOT_LINK_BYTES, "/proc/%d/root", (int)pid);
  if (agl_inode_read (AT_FDCWD, link, AGL_PATIENCE_BLOCK, inode))
    return TRUE;
  if (errno != ENOENT || !agl_proc_find_thread (pid, folder))
    return FALSE;
  g_snprintf (link, ROOT_LINK_BYTES, "%s/root", folder);
  return agl_inode_read (AT_FDCWD, link, AGL_PATIENCE_BLOCK, inode);
}

/* The same for certain. -1: errno. */
static int
compare_roots (pid_t pid, char root_link[ROOT_LINK_BYTES])
{
  AglInode ours;
  AglInode theirs;

  if (!agl_inode_read (AT_FDCWD, "/", AGL_PATIENCE_BLOCK, &ours) || !read_root (pid, root_link, &theirs))
    return -1;
  return agl_inode_same_place (&ours, &theirs);
}

/* Through whose root the path is to be read. A process that may not be looked into (another user's, or one
 * that is not dumpable) could be in a container, whoever it belongs to: taking its path for one of ours could
 * grant the wrong directory. Such a caller can always hand over a descriptor. */
static gboolean
choose_view (Search *search, GError **error)
{
  const AglProcess *process = search->subject->process;
  gboolean same_mounts;
  char root_link[ROOT_LINK_BYTES];
  int same_root;

  if (process == NULL || agl_process_get_pid (process) == getpid ())
    return TRUE;
  if (!agl_mounts_compare (agl_process_get_pid (process), &same_mounts))
    {
      set_view_error (error, search->path, process, errno);
      return FALSE;
    }
  if (search->patience == AGL_PATIENCE_NONE)
    {
      if (!same_mounts && agl_machine_view_is_of (agl_process_get_pid (process)))
        search->root = agl_machine_view_open_root ();
      else if (!same_mounts || !has_our_root (agl_process_get_pid (process)))
        search->root = -1;
      if (search->root == -1)
        {
          agl_directory_set_would_block (error);
          return FALSE;
        }
    }
  else
    {
      same_root = compare_roots (agl_process_get_pid (process), root_link);
      if (same_root == 0)
        search->root = open (root_link, O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (same_root < 0 || (same_root == 0 && search->root < 0))
        {
          set_view_error (error, search->path, process, errno);
          return FALSE;
        }
    }
  /* The number could have come to mean another process in between. */
  if (!agl_process_is_alive (process))
    {
      set_view_error (error, search->path, process, ESRCH);
      return FALSE;
    }
  return TRUE;
}

static int
open_in_view (const Search *search)
{
  guint64 resolve = RESOLVE_NO_MAGICLINKS;
  int fd = -1;

  if (search->root == AT_FDCWD)
    return agl_directory_open_path (search->path, search->patience);
  for (guint i = 0; i < MAX_RETRIES; i++)
    {
      fd = agl_fd_open_directory (search->root, search->path, resolve | RESOLVE_IN_ROOT, search->patience);
      if (fd >= 0 || errno != EAGAIN || search->patience == AGL_PATIENCE_NONE)
        break;
    }
  return fd;
}

static gboolean
is_permitted (int fd, AglAccess access)
{
  int mode = 0;

  switch (access)
    {
    case AGL_ACCESS_REACH:
      return TRUE;
    case AGL_ACCESS_SEARCH:
      mode = X_OK;
      break;
    case AGL_ACCESS_WRITE:
      mode = W_OK | X_OK;
      break;
    }
  /* AT_EACCESS: with the credentials in effect, which are the subject's; without it access(2) would go back
   * to this thread's real user and its permitted capabilities. */
  return syscall (SYS_faccessat2, fd, "", mode, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

static void
collect_ancestors (Search *search)
{
  while (search->ancestors->len < AGL_MAX_ANCESTORS && agl_climb_next (&search->climb))
    g_array_append_val (search->ancestors, search->climb.at.id);
}

/* Everything that is done with the subject's rights; sets errno. */
static Step
look (Search *search)
{
  if (search->fd < 0)
    {
      search->fd = open_in_view (search);
      if (search->fd < 0)
        return STEP_OPEN;
    }
  if (!agl_inode_read (search->fd, "", search->patience, &search->inode))
    return STEP_LOOK;
  if (!search->inode.is_directory)
    {
      errno = ENOTDIR;
      return STEP_LOOK;
    }
  if (!agl_filesystem_read (search->fd, &search->inode, search->patience, &search->filesystem))
    return STEP_LOOK;
  if (!is_permitted (search->fd, search->access))
    return STEP_ACCESS;

  agl_climb_init (&search->climb, search->fd, &search->inode, search->patience);
  collect_ancestors (search);
  return STEP_NONE;
}

/* Whether @path leads to the directory in our own view too. -1: cannot be told now. */
static int
is_ours (const Search *search, const char *path)
{
  AGL_AUTO_FD int fd = agl_directory_open_path (path, search->patience);
  AglInode inode;

  if (fd >= 0 && agl_inode_read (fd, "", search->patience, &inode))
    return agl_directory_id_equal (&inode.id, &search->inode.id);
  return search->patience == AGL_PATIENCE_NONE && errno == EAGAIN ? -1 : FALSE;
}

static AglDirectory *
conclude (Search *search, gboolean named_by_fd, GError **error)
{
  g_autofree char *path = NULL;
  AglFileHandle handle;
  gboolean has_handle;
  int ours = TRUE;

  path = agl_fd_dup_path (search->fd);
  if (path == NULL || search->inode.n_links == 0)
    {
      int code = errno;
      g_autofree char *name = display_name (search->path, search->fd);

      if (search->inode.n_links == 0)
        g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_DIRECTORY, "%s: the directory has been removed",
                     name);
      else
        agl_directory_set_open_error (error, name, code);
      return NULL;
    }

  if (named_by_fd || search->root != AT_FDCWD)
    ours = is_ours (search, path);
  if (ours < 0)
    {
      agl_directory_set_would_block (error);
      return NULL;
    }

  has_handle = agl_file_handle_read (search->fd, &search->filesystem, &handle);
  return agl_directory_new (&search->inode.id, has_handle ? &handle : NULL, path, !ours,
                            (const AglDirectoryId *)(gpointer)search->ancestors->data,
                            search->ancestors->len);
}

static AglDirectory *
run_search (Search *search, gboolean named_by_fd, GError **error)
{
  g_autofree char *name = NULL;
  Step step;
  int code;

  if (!agl_subject_begin (search->subject, error))
    return NULL;
  step = look (search);
  code = errno;
  agl_subject_end (search->subject);

  switch (step)
    {
    case STEP_NONE:
      break;
    case STEP_OPEN:
    case STEP_LOOK:
    case STEP_ACCESS:
      if (code == EAGAIN && search->patience == AGL_PATIENCE_NONE)
        {
          agl_directory_set_would_block (error);
          return NULL;
        }
      name = display_name (search->path, search->fd);
      if (step == STEP_ACCESS)
        agl_directory_set_access_error (error, name, search->access, code);
      else
        agl_directory_set_open_error (error, name, code);
      return NULL;
    }

  /* What lies above decides who conflicts with whom, so it should be known even where the subject may not
   * look (it came by a descriptor) but this service may. */
  if (code == EACCES)
    {
      collect_ancestors (search);
      code = errno;
    }
  if (code == EAGAIN && search->patience == AGL_PATIENCE_NONE)
    {
      agl_directory_set_would_block (error);
      return NULL;
    }
  return conclude (search, named_by_fd, error);
}

AglDirectory *
agl_directory_find (const AglSubject *subject,
                    const char *path,
                    int fd,
                    AglAccess access,
                    AglPatience patience,
                    GError **error)
{
  g_autoptr (GArray) ancestors = g_array_sized_new (FALSE, FALSE, sizeof (AglDirectoryId), 16);
  Search search = {
    .subject = subject,
    .path = fd < 0 ? path : NULL,
    .access = access,
    .patience = patience,
    .root = AT_FDCWD,
    .fd = fd,
    .ancestors = ancestors,
  };
  AglDirectory *self;

  g_return_val_if_fail (subject != NULL, NULL);

  if (fd < 0 && (!check_path (path, error) || !choose_view (&search, error)))
    {
      agl_fd_clear (&search.root);
      return NULL;
    }
  self = run_search (&search, fd >= 0, error);
  agl_climb_clear (&search.climb);
  agl_fd_clear (&search.root); /* AT_FDCWD is negative */
  if (fd < 0)
    agl_fd_clear (&search.fd);
  return self;
}
