/* SPDX-License-Identifier: MIT */
#include "core/told.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAGIC "AGLTOLD1"

typedef enum
{
  KIND_NONE,
  KIND_ACQUIRED,
  KIND_RELEASED
} Kind;

/* The file. Only processes of one build read each other's in practice; another layout has another size. */
typedef struct
{
  char magic[8];
  guint64 acquired;
  /* What is being sent, to the last who is to hear it: told if n_before and what the kernel took make up the
   * whole. @kind comes last when this is filled in, and goes first. */
  guint64 kind;
  guint64 id;
  guint64 n_total;
  guint64 n_before;
  struct mmsghdr message;
} Page;

struct _AglTold
{
  gatomicrefcount refs;
  Page *page;
  gboolean is_mapped;
  gboolean was_known;
  guint64 last_released;
  int is_stopped; /* atomic */
};

struct _AglNews
{
  int refs; /* atomic */
  AglTold *told;
  Kind kind;
  guint64 id;
  char *end_path;
};

/* A kill finds memory as it is between two instructions: it is the compiler alone that must not reorder. */
#define STEP() __atomic_signal_fence (__ATOMIC_SEQ_CST)

/* Filesystems on which a page that has been allocated can be written to, however full they are. (Those that
 * write it elsewhere each time, as btrfs does, may raise SIGBUS then.) */
static gboolean
keeps_room (int fd)
{
  static const guint32 magics[] = { 0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */, 0xef53 /* ext4 */,
                                    0x58465342 /* xfs */, 0x794c7630 /* overlayfs */ };
  struct statfs st;

  if (fstatfs (fd, &st) != 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (magics); i++)
    if ((guint32)st.f_type == magics[i])
      return TRUE;
  return FALSE;
}

static gboolean
is_ours (int fd)
{
  struct stat st;
  char magic[8];

  return fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_uid == geteuid () && st.st_nlink == 1
         && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 && st.st_size == sizeof (Page)
         && pread (fd, magic, sizeof magic, 0) == sizeof magic && memcmp (magic, MAGIC, sizeof magic) == 0;
}

/* @known: whether it is what a service before us left. */
static int
open_file (const char *path, gboolean *known)
{
  int fd = open (path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int code;

  *known = fd >= 0 && is_ours (fd);
  if (*known)
    return fd;
  if (fd >= 0)
    close (fd);
  if ((unlinkat (AT_FDCWD, path, 0) != 0 && errno != ENOENT))
    return -1;
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  code = fd < 0 || !keeps_room (fd) ? EINVAL : posix_fallocate (fd, 0, sizeof (Page));
  if (code == 0)
    return fd;
  if (fd >= 0)
    {
      close (fd);
      unlinkat (AT_FDCWD, path, 0);
    }
  return -1;
}

static gboolean
map_file (AglTold *self, const char *path)
{
  int fd = open_file (path, &self->was_known);
  void *page;

  if (fd < 0)
    return FALSE;
  page = mmap (NULL, sizeof (Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  if (page == MAP_FAILED)
    return FALSE;
  self->page = page;
  self->is_mapped = TRUE;
  return TRUE;
}

/* What was under way when the service before us ended. */
static void
take_over (AglTold *self)
{
  Page *page = self->page;

  if (page->n_before + page->message.msg_len != page->n_total)
    return;
  if (page->kind == KIND_ACQUIRED)
    page->acquired = MAX (page->acquired, page->id);
  else if (page->kind == KIND_RELEASED)
    self->last_released = page->id;
}

AglTold *
agl_told_open (const char *path)
{
  AglTold *self = g_new0 (AglTold, 1);

  g_atomic_ref_count_init (&self->refs);
  if (!map_file (self, path))
    {
      g_debug ("%s cannot be used: after a kill it is not known what was told", path);
      self->was_known = FALSE;
      self->page = g_new0 (Page, 1);
    }
  if (self->was_known)
    take_over (self);
  self->page->kind = KIND_NONE;
  memcpy (self->page->magic, MAGIC, sizeof self->page->magic);
  return self;
}

AglTold *
agl_told_ref (AglTold *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
agl_told_unref (AglTold *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->is_mapped)
    munmap (self->page, sizeof (Page));
  else
    g_free (self->page);
  g_free (self);
}

gboolean
agl_told_get_acquired (AglTold *self, guint64 *id)
{
  *id = __atomic_load_n (&self->page->acquired, __ATOMIC_RELAXED);
  return self->was_known;
}

void
agl_told_set_acquired (AglTold *self, guint64 id)
{
  guint64 before = __atomic_load_n (&self->page->acquired, __ATOMIC_RELAXED);

  while (before < id
         && !__atomic_compare_exchange_n (&self->page->acquired, &before, id, TRUE, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED))
    continue;
}

guint64
agl_told_get_last_released (AglTold *self)
{
  return self->last_released;
}

void
agl_told_stop (AglTold *self)
{
  g_atomic_int_set (&self->is_stopped, TRUE);
}

/* News. */

static AglNews *
news_new (AglTold *told, Kind kind, guint64 id, char *end_path, guint n_listeners)
{
  AglNews *self = g_new0 (AglNews, 1);

  self->refs = (int)n_listeners;
  self->told = agl_told_ref (told);
  self->kind = kind;
  self->id = id;
  self->end_path = end_path;
  return self;
}

AglNews *
agl_news_new_acquired (AglTold *told, guint64 id, guint n_listeners)
{
  return news_new (told, KIND_ACQUIRED, id, NULL, n_listeners);
}

AglNews *
agl_news_new_released (AglTold *told, guint64 id, char *end_path, guint n_listeners)
{
  return news_new (told, KIND_RELEASED, id, end_path, n_listeners);
}

static void
note (AglNews *self)
{
  if (self->kind == KIND_ACQUIRED)
    agl_told_set_acquired (self->told, self->id);
  /* Should it fail, the main loop finds the file there and says so. */
  else if (self->end_path != NULL && unlinkat (AT_FDCWD, self->end_path, 0) != 0)
    g_debug ("%s stays for the moment: %s", self->end_path, g_strerror (errno));
}

static void
news_free (AglNews *self)
{
  agl_told_unref (self->told);
  g_free (self->end_path);
  g_free (self);
}

void
agl_news_unref (AglNews *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  if (!g_atomic_int_get (&self->told->is_stopped))
    note (self);
  news_free (self);
}

/* Sending. All connections are written to by one and the same thread, so that one thing is sent at a time. */

static gssize
send_mmsg (int fd, struct mmsghdr *message)
{
  int n;

  do
    n = sendmmsg (fd, message, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -1 : (gssize)message->msg_len;
}

static gssize
send_to_the_last (int fd, struct iovec *vector, gsize n_sent, AglNews *news)
{
  Page *page = news->told->page;
  gssize n;

  page->message = (struct mmsghdr){ .msg_hdr = { .msg_iov = vector, .msg_iovlen = 1 } };
  page->id = news->id;
  page->n_before = n_sent;
  page->n_total = n_sent + vector->iov_len;
  STEP ();
  page->kind = news->kind;
  STEP ();
  n = send_mmsg (fd, &page->message);
  if (n == (gssize)vector->iov_len)
    note (news);
  STEP ();
  page->kind = KIND_NONE;
  STEP ();
  return n;
}

gssize
agl_told_send (int fd, gconstpointer data, gsize n_bytes, gsize n_sent, AglNews **news)
{
  struct iovec vector = { (void *)data, n_bytes };
  struct mmsghdr message = { .msg_hdr = { .msg_iov = &vector, .msg_iovlen = 1 } };
  gboolean is_last = *news != NULL && g_atomic_int_get (&(*news)->refs) == 1;
  gssize n = is_last ? send_to_the_last (fd, &vector, n_sent, *news) : send_mmsg (fd, &message);

  if (n != (gssize)n_bytes || *news == NULL)
    return n;
  if (is_last)
    news_free (g_steal_pointer (news));
  else
    agl_news_unref (g_steal_pointer (news));
  return n;
}
