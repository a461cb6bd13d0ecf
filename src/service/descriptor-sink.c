/* SPDX-License-Identifier: MIT */
#include "service/descriptor-sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* asm-generic/socket.h of Linux 6.16. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Of one user, so that another's are closed beside them. */
#define MAX_THREADS_PER_USER 2
#define MAX_THREADS          64

typedef struct
{
  int fd;
  uid_t uid;
} Item;

typedef struct
{
  guint n_items;   /* waiting or being closed */
  guint n_running; /* being closed */
} User;

/* pthread's, as in core/worker.c. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static GQueue waiting = G_QUEUE_INIT; /* Item */
static GHashTable *users;             /* uid → User, of those with items */
static guint n_threads;

static void
lock (void)
{
  int result = pthread_mutex_lock (&mutex);

  g_assert (result == 0);
}

static void
unlock (void)
{
  int result = pthread_mutex_unlock (&mutex);

  g_assert (result == 0);
}

static User *
get_user_locked (uid_t uid)
{
  return users == NULL ? NULL : g_hash_table_lookup (users, GUINT_TO_POINTER (uid));
}

static void
add_locked (Item *item)
{
  User *user = get_user_locked (item->uid);

  if (users == NULL)
    users = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  if (user == NULL)
    {
      user = g_new0 (User, 1);
      g_hash_table_insert (users, GUINT_TO_POINTER (item->uid), user);
    }
  user->n_items++;
  g_queue_push_tail (&waiting, item);
}

/* The next one to close; NULL: none, or only of users who have their share. */
static Item *
claim_locked (void)
{
  for (GList *l = waiting.head; l != NULL; l = l->next)
    {
      Item *item = l->data;
      User *user = get_user_locked (item->uid);

      if (user->n_running >= MAX_THREADS_PER_USER)
        continue;
      user->n_running++;
      g_queue_delete_link (&waiting, l);
      return item;
    }
  return NULL;
}

static void
done_locked (Item *item)
{
  User *user = get_user_locked (item->uid);

  user->n_running--;
  if (--user->n_items == 0)
    g_hash_table_remove (users, GUINT_TO_POINTER (item->uid));
  if (g_hash_table_size (users) == 0)
    g_clear_pointer (&users, g_hash_table_unref);
  g_free (item);
}

static gpointer
close_all (gpointer data)
{
  Item *item = data;

  while (item != NULL)
    {
      close (item->fd);
      lock ();
      done_locked (item);
      item = claim_locked ();
      if (item == NULL)
        n_threads--;
      unlock ();
    }
  return NULL;
}

/* Without a thread it waits for the next one that can be had. */
static void
start_thread (Item *item)
{
  GThread *thread = g_thread_try_new ("agl-sink", close_all, item, NULL);

  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }
  lock ();
  n_threads--;
  get_user_locked (item->uid)->n_running--;
  g_queue_push_head (&waiting, item);
  unlock ();
}

static void
close_elsewhere (int fd, uid_t uid)
{
  Item *item = g_new0 (Item, 1);

  item->fd = fd;
  item->uid = uid;
  lock ();
  add_locked (item);
  item = n_threads < MAX_THREADS ? claim_locked () : NULL;
  if (item != NULL)
    n_threads++;
  unlock ();
  if (item != NULL)
    start_thread (item);
}

/* What the kernel calls it; the path of a file begins with a slash, whoever named it. */
static gboolean
is_pidfd (int fd)
{
  char link[32];
  char text[32] = { 0 };

  g_snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  return readlink (link, text, sizeof text - 1) > 0
         && (g_str_has_prefix (text, "anon_inode:[pidfd]") || g_str_has_prefix (text, "pidfd:"));
}

gboolean
agl_descriptor_is_harmless (int fd)
{
  int flags = fcntl (fd, F_GETFL);
  struct statx stx;

  if (flags >= 0 && (flags & O_PATH) != 0)
    return TRUE;
  /* Directories have nothing to flush. Without AT_STATX_DONT_SYNC the question itself could wait. */
  if (statx (fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) == 0
      && (stx.stx_mask & STATX_TYPE) != 0 && S_ISDIR (stx.stx_mode))
    return TRUE;
  return is_pidfd (fd);
}

void
agl_descriptor_sink (int fd, uid_t uid)
{
  if (agl_descriptor_is_harmless (fd))
    close (fd);
  else
    close_elsewhere (fd, uid);
}

void
agl_descriptor_sink_socket (int fd, uid_t uid)
{
  int n_unread;

  /* ENOTCONN: the peer was quicker. From here on nothing can be sent to it. */
  (void)shutdown (fd, SHUT_RDWR);
  if (ioctl (fd, FIONREAD, &n_unread) == 0 && n_unread == 0)
    close (fd);
  else
    close_elsewhere (fd, uid);
}

gboolean
agl_descriptor_sink_bytes (int socket, void *buffer, gsize n_bytes, uid_t uid)
{
  union
  {
    char bytes[CMSG_SPACE (AGL_DESCRIPTOR_MAX_RECEIVED * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec vector = { buffer, n_bytes };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  gssize n = recvmsg (socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  gboolean is_plain = n == (gssize)n_bytes;

  for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c))
    {
      int fds[AGL_DESCRIPTOR_MAX_RECEIVED];
      gsize n_fds = (c->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      is_plain = FALSE;
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        continue;
      memcpy (fds, CMSG_DATA (c), n_fds * sizeof (int));
      for (gsize i = 0; i < n_fds; i++)
        agl_descriptor_sink (fds[i], uid);
    }
  return is_plain;
}

void
agl_descriptor_set_welcome (int socket, gboolean are_welcome)
{
  int value = are_welcome ? 1 : 0;

  if (setsockopt (socket, SOL_SOCKET, SO_PASSRIGHTS, &value, sizeof value) != 0)
    g_debug ("SO_PASSRIGHTS: %s", g_strerror (errno));
}

guint
agl_descriptor_sink_count (uid_t uid)
{
  const User *user;
  guint count;

  lock ();
  user = get_user_locked (uid);
  count = user == NULL ? 0 : user->n_items;
  unlock ();
  return count;
}
