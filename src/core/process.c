/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"
#include "core/proc-text.h"

/* linux/magic.h since Linux 6.9. */
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif

/* linux/pidfd.h since Linux 6.9; fcntl(F_GETFL) shows it on the descriptor. */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* Trees of real processes are some dozen deep; whoever builds a deeper one shall not hold up the main loop.
 */
#define MAX_ANCESTORS 256

struct _AglProcess
{
  gatomicrefcount ref_count;
  int pidfd;
  AglProcessToken token;
};

static gboolean
pidfs_is_disabled (void)
{
  static gsize state = 0;

  if (g_once_init_enter (&state))
    g_once_init_leave (&state, g_strcmp0 (g_getenv (AGL_DISABLE_PIDFS_ENV), "1") == 0 ? 2 : 1);
  return state == 2;
}

/* Of an error number that tells nothing about any process. */
static void
set_unavailable (GError **error, int error_number, const char *what, pid_t pid)
{
  g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot %s process %d: %s", what, (int)pid,
               g_strerror (error_number));
}

static void
set_dead (GError **error, pid_t pid)
{
  g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, "There is no process %d, or it has ended",
               (int)pid);
}

static gboolean
pidfd_is_dead (int pidfd)
{
  struct pollfd set = { .fd = pidfd, .events = POLLIN };
  int n;

  do
    n = poll (&set, 1, 0);
  while (n < 0 && errno == EINTR);

  /* A poll that fails has not seen a death. */
  return n > 0 && (set.revents & (POLLIN | POLLHUP)) != 0;
}

/* /proc/PID/NAME of the process behind @pidfd: read by number, and the number was still its own if the
 * process is not dead afterwards. */
static gboolean
read_proc (
    pid_t pid, int pidfd, const char *name, char text[AGL_PROC_TEXT_BYTES], gsize *n_bytes, GError **error)
{
  char path[64];
  gboolean ok;
  int saved_errno;

  g_snprintf (path, sizeof path, "/proc/%d/%s", (int)pid, name);
  ok = agl_proc_read_text (path, text, n_bytes);
  saved_errno = errno;

  if (pidfd_is_dead (pidfd))
    {
      set_dead (error, pid);
      return FALSE;
    }
  if (ok)
    return TRUE;

  /* proc(5), hidepid=2: other users' processes seem not to be there. */
  if (saved_errno == EACCES || saved_errno == EPERM || saved_errno == ENOENT || saved_errno == ESRCH)
    g_set_error (error, AGL_ERROR, AGL_ERROR_NOT_PERMITTED,
                 "%s of process %d cannot be read: %s; is /proc mounted with hidepid?", path, (int)pid,
                 g_strerror (saved_errno));
  else
    set_unavailable (error, saved_errno, "read about", pid);
  return FALSE;
}

static gboolean
read_start_time (pid_t pid, int pidfd, AglProcessToken *token, GError **error)
{
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  guint64 start_time;

  if (!read_proc (pid, pidfd, "stat", text, &n_bytes, error))
    return FALSE;
  if (!agl_process_parse_stat (text, n_bytes, NULL, &start_time))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "/proc/%d/stat is not of a known form", (int)pid);
      return FALSE;
    }
  *token = (AglProcessToken){ .kind = AGL_TOKEN_START_TIME, .pid = pid, .value = start_time };
  return TRUE;
}

/* A 32-bit kernel shows only half of pidfs's 64-bit inode number (fs/pidfs.c), and halves repeat. */
static gboolean
is_on_pidfs (int pidfd, gboolean *on_pidfs)
{
  struct statfs fs;

  *on_pidfs = FALSE;
  if (sizeof (long) < 8 || pidfs_is_disabled ())
    return TRUE;
  if (fstatfs (pidfd, &fs) != 0)
    return FALSE;
  *on_pidfs = fs.f_type == PID_FS_MAGIC;
  return TRUE;
}

static gboolean
read_token (pid_t pid, int pidfd, AglProcessToken *token, GError **error)
{
  gboolean on_pidfs;
  struct stat st;

  if (!is_on_pidfs (pidfd, &on_pidfs))
    {
      set_unavailable (error, errno, "identify", pid);
      return FALSE;
    }
  if (!on_pidfs)
    return read_start_time (pid, pidfd, token, error);

  if (fstat (pidfd, &st) != 0)
    {
      set_unavailable (error, errno, "identify", pid);
      return FALSE;
    }
  *token = (AglProcessToken){ .kind = AGL_TOKEN_PIDFS, .pid = pid, .value = st.st_ino };
  return TRUE;
}

/* Whether /proc says that @pid is a thread of another process, the only other thing that a number can be. */
static gboolean
is_thread (pid_t pid)
{
  char path[64];
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  gint64 tgid;

  g_snprintf (path, sizeof path, "/proc/%d/status", (int)pid);
  return agl_proc_read_text (path, text, &n_bytes) && agl_proc_parse_line (text, "Tgid", &tgid, 1)
         && tgid != pid;
}

static int
open_pidfd (pid_t pid, GError **error)
{
  int pidfd;

  if (pid <= 0)
    {
      set_dead (error, pid);
      return -1;
    }
  pidfd = (int)syscall (SYS_pidfd_open, pid, 0);
  if (pidfd >= 0)
    return pidfd;

  if (errno == ESRCH)
    {
      set_dead (error, pid);
      return -1;
    }
  /* What the kernel says to the number of a thread: EINVAL, since Linux 6.15 ENOENT. */
  if ((errno == EINVAL || errno == ENOENT) && is_thread (pid))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
                   "%d is the number of a thread, not of a process; name the process that it belongs to",
                   (int)pid);
      return -1;
    }
  set_unavailable (error, errno, "open", pid);
  return -1;
}

static AglProcess *
process_new (int pidfd, const AglProcessToken *token)
{
  AglProcess *self = g_new (AglProcess, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->pidfd = pidfd;
  self->token = *token;
  return self;
}

/* @pidfd: closed on failure. */
static AglProcess *
new_from_pidfd (pid_t pid, int pidfd, GError **error)
{
  AglProcessToken token;

  if (pidfd_is_dead (pidfd))
    set_dead (error, pid);
  else if (read_token (pid, pidfd, &token, error))
    {
      return process_new (pidfd, &token);
    }
  close (pidfd);
  return NULL;
}

AglProcess *
agl_process_open (pid_t pid, GError **error)
{
  int pidfd = open_pidfd (pid, error);

  if (pidfd < 0)
    return NULL;
  return new_from_pidfd (pid, pidfd, error);
}

/* The number of the process or thread behind @pidfd, which is proven not to be reaped by there being one. */
static gboolean
read_pid_of_pidfd (int pidfd, pid_t *pid, GError **error)
{
  char path[64];
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  gint64 number;

  g_snprintf (path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  if (!agl_proc_read_text (path, text, &n_bytes))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot read %s: %s", path, g_strerror (errno));
      return FALSE;
    }
  if (!agl_proc_parse_line (text, "Pid", &number, 1) || number > G_MAXINT)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "The descriptor given is no pidfd");
      return FALSE;
    }
  if (number > 0)
    {
      *pid = (pid_t)number;
      return TRUE;
    }

  if (number == 0)
    g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
                 "The pidfd given is of a process in a PID namespace that this service cannot see into");
  else
    g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS, "The process of the pidfd given has ended");
  return FALSE;
}

/* A lock belongs to a process, so a pidfd of one of its threads (Linux 6.9 and later) stands for the whole:
 * its own would poll readable when that thread ends. @thread_fd stays the caller's. */
static AglProcess *
open_process_of_thread (int thread_fd, pid_t tid, GError **error)
{
  g_autoptr (AglProcess) self = NULL;
  char path[64];
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  gint64 tgid;
  pid_t tid_now;

  g_snprintf (path, sizeof path, "/proc/%d/status", (int)tid);
  if (!agl_proc_read_text (path, text, &n_bytes) || !agl_proc_parse_line (text, "Tgid", &tgid, 1))
    {
      int saved_errno = errno;

      if (read_pid_of_pidfd (thread_fd, &tid_now, error))
        set_unavailable (error, saved_errno, "read about", tid);
      return NULL;
    }
  self = agl_process_open ((pid_t)tgid, error);
  /* Both numbers meant this thread and its process if the thread is still there. */
  if (self == NULL || !read_pid_of_pidfd (thread_fd, &tid_now, error))
    return NULL;
  return g_steal_pointer (&self);
}

AglProcess *
agl_process_new_take_pidfd (int pidfd, GError **error)
{
  AglProcess *self;
  AglProcessToken token;
  pid_t pid;
  int flags = pidfd >= 0 ? fcntl (pidfd, F_GETFL) : -1;

  if (flags < 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "The descriptor given is not open");
      return NULL;
    }
  if (!read_pid_of_pidfd (pidfd, &pid, error))
    return NULL;

  if ((flags & PIDFD_THREAD) != 0)
    {
      self = open_process_of_thread (pidfd, pid, error);
      if (self != NULL)
        close (pidfd);
      return self;
    }

  if (pidfd_is_dead (pidfd))
    {
      set_dead (error, pid);
      return NULL;
    }
  if (!read_token (pid, pidfd, &token, error))
    return NULL;
  if (fcntl (pidfd, F_SETFD, FD_CLOEXEC) != 0)
    {
      set_unavailable (error, errno, "keep", pid);
      return NULL;
    }
  return process_new (pidfd, &token);
}

AglProcess *
agl_process_reopen (const AglProcessToken *token, GError **error)
{
  g_autoptr (AglProcess) self = NULL;
  AglProcessToken now;

  g_return_val_if_fail (token->kind != AGL_TOKEN_NONE, NULL);

  self = agl_process_open (token->pid, error);
  if (self == NULL)
    return NULL;

  now = self->token;
  /* Saved before pidfs was there to ask: the start time still is. */
  if (token->kind == AGL_TOKEN_START_TIME && now.kind != AGL_TOKEN_START_TIME
      && !read_start_time (token->pid, self->pidfd, &now, error))
    return NULL;
  if (now.kind != token->kind)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE,
                   "Process %d cannot be compared with the one that was saved: this kernel does not tell its "
                   "pidfs inode number",
                   (int)token->pid);
      return NULL;
    }
  if (!agl_process_token_equal (&now, token))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_NO_SUCH_PROCESS,
                   "The process that had the number %d has ended; another one has it now", (int)token->pid);
      return NULL;
    }
  return g_steal_pointer (&self);
}

AglProcess *
agl_process_ref (AglProcess *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
agl_process_unref (AglProcess *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  close (self->pidfd);
  g_free (self);
}

pid_t
agl_process_get_pid (const AglProcess *self)
{
  return self->token.pid;
}

int
agl_process_get_pidfd (const AglProcess *self)
{
  return self->pidfd;
}

const AglProcessToken *
agl_process_get_token (const AglProcess *self)
{
  return &self->token;
}

gboolean
agl_process_equal (gconstpointer a, gconstpointer b)
{
  const AglProcess *one = a;
  const AglProcess *other = b;

  return one == other || agl_process_token_equal (&one->token, &other->token);
}

guint
agl_process_hash (gconstpointer self)
{
  return g_int_hash (&((const AglProcess *)self)->token.pid);
}

gboolean
agl_process_is_alive (const AglProcess *self)
{
  return !pidfd_is_dead (self->pidfd);
}

gboolean
agl_process_read_status (const AglProcess *self, AglProcessStatus *status, GError **error)
{
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;
  gint64 parent;
  gint64 uids[3]; /* real, effective, saved */
  gint64 gids[2];

  if (!read_proc (self->token.pid, self->pidfd, "status", text, &n_bytes, error))
    return FALSE;
  if (!agl_proc_parse_line (text, "PPid", &parent, 1) || !agl_proc_parse_line (text, "Uid", uids, 3)
      || !agl_proc_parse_line (text, "Gid", gids, 2))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "/proc/%d/status is not of a known form",
                   (int)self->token.pid);
      return FALSE;
    }
  *status = (AglProcessStatus){
    .real_uid = (uid_t)uids[0],
    .effective_uid = (uid_t)uids[1],
    .saved_uid = (uid_t)uids[2],
    .effective_gid = (gid_t)gids[1],
    .parent = (pid_t)parent,
  };
  return TRUE;
}

char *
agl_process_dup_command (const AglProcess *self)
{
  char text[AGL_PROC_TEXT_BYTES];
  gsize n_bytes = 0;

  if (!read_proc (self->token.pid, self->pidfd, "comm", text, &n_bytes, NULL))
    return g_strdup ("");
  if (n_bytes > 0 && text[n_bytes - 1] == '\n')
    n_bytes--;
  return agl_text_escape (text, (gssize)n_bytes);
}

/* The parent of @self, NULL when there is none to be seen or it changed meanwhile. Between two looks that
 * both name the number, the number was opened, and its process lives on afterwards: so it was the parent. (A
 * child whose parent dies has another one before the number is free: exit_notify() in Linux' kernel/exit.c.)
 */
static AglProcess *
open_parent (const AglProcess *self)
{
  g_autoptr (AglProcess) parent = NULL;
  AglProcessStatus before;
  AglProcessStatus after;

  if (!agl_process_read_status (self, &before, NULL) || before.parent <= 0)
    return NULL;
  parent = agl_process_open (before.parent, NULL);
  if (parent == NULL || !agl_process_read_status (self, &after, NULL) || after.parent != before.parent
      || !agl_process_is_alive (parent))
    return NULL;
  return g_steal_pointer (&parent);
}

gboolean
agl_process_is_self_or_descendant_of (const AglProcess *self, const AglProcess *ancestor)
{
  g_autoptr (AglProcess) at = NULL;

  if (agl_process_equal (self, ancestor))
    return TRUE;
  at = open_parent (self);
  for (guint i = 0; at != NULL && i < MAX_ANCESTORS; i++)
    {
      AglProcess *parent;

      if (agl_process_equal (at, ancestor))
        return TRUE;
      parent = open_parent (at);
      agl_process_unref (at);
      at = parent;
    }
  return FALSE;
}
