/* SPDX-License-Identifier: MIT */
#include "core/process-watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/error.h"

/* Deaths told in one turn of the loop; what is left is still readable in the next. */
#define BATCH 128

/* One watched process. Counted, so that a batch can outlast what its callbacks remove. */
typedef struct
{
  AglProcess *process;
  guint n_watches; /* 0: no longer watched */
  guint ref_count;
} Watch;

struct _AglProcessWatch
{
  GHashTable *watches; /* set of Watch, by process; without values it takes a third less */
  GSource *source;
  int epoll_fd;
  gboolean dispatching;
  AglProcessDiedFunc died;
  gpointer user_data;
};

typedef struct
{
  GSource parent;
  AglProcessWatch *owner;
} DeathSource;

static guint
watch_hash (gconstpointer watch)
{
  return agl_process_hash (((const Watch *)watch)->process);
}

static gboolean
watch_equal (gconstpointer a, gconstpointer b)
{
  return agl_process_equal (((const Watch *)a)->process, ((const Watch *)b)->process);
}

static Watch *
find_watch (const AglProcessWatch *self, AglProcess *process)
{
  const Watch key = { .process = process };

  return g_hash_table_lookup (self->watches, &key);
}

static void
watch_unref (gpointer data)
{
  Watch *watch = data;

  if (--watch->ref_count > 0)
    return;
  agl_process_unref (watch->process);
  g_free (watch);
}

/* Out of the epoll set first: closing the pidfd would not take it out while the client that sent it keeps a
 * copy (epoll(7), question 6). */
static void
stop_watching (AglProcessWatch *self, Watch *watch)
{
  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_DEL, agl_process_get_pidfd (watch->process), NULL) != 0)
    g_warning ("Cannot stop watching process %d: %s", (int)agl_process_get_pid (watch->process),
               g_strerror (errno));
  watch->n_watches = 0;
  g_hash_table_remove (self->watches, watch);
}

/* How many there were; -1: that cannot be told now. */
static int
tell_some (AglProcessWatch *self)
{
  struct epoll_event events[BATCH];
  int n = epoll_wait (self->epoll_fd, events, BATCH, 0);

  if (n < 0)
    {
      if (errno != EINTR)
        g_critical ("Cannot ask which processes have ended: %s", g_strerror (errno));
      return -1;
    }

  /* A callback may remove any of them. */
  for (int i = 0; i < n; i++)
    ((Watch *)events[i].data.ptr)->ref_count++;
  self->dispatching = TRUE;
  for (int i = 0; i < n; i++)
    {
      Watch *watch = events[i].data.ptr;

      /* Only what the pidfd itself says proves a death. */
      if (watch->n_watches > 0 && !agl_process_is_alive (watch->process))
        {
          stop_watching (self, watch);
          self->died (watch->process, self->user_data);
        }
      watch_unref (watch);
    }
  self->dispatching = FALSE;
  return n;
}

static gboolean
tell_deaths (GSource *source, GSourceFunc callback, gpointer user_data)
{
  tell_some (((DeathSource *)source)->owner);
  return G_SOURCE_CONTINUE;
}

void
agl_process_watch_look (AglProcessWatch *self)
{
  /* A signal that comes in between, or a set that cannot be read: the loop will look again. */
  while (!self->dispatching && tell_some (self) == BATCH)
    continue;
}

static GSourceFuncs death_source_funcs = { .dispatch = tell_deaths };

AglProcessWatch *
agl_process_watch_new (GMainContext *context, AglProcessDiedFunc died, gpointer user_data, GError **error)
{
  AglProcessWatch *self;
  int epoll_fd = epoll_create1 (EPOLL_CLOEXEC);

  if (epoll_fd < 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot watch processes: %s", g_strerror (errno));
      return NULL;
    }

  self = g_new0 (AglProcessWatch, 1);
  self->watches = g_hash_table_new_full (watch_hash, watch_equal, watch_unref, NULL);
  self->epoll_fd = epoll_fd;
  self->died = died;
  self->user_data = user_data;
  self->source = g_source_new (&death_source_funcs, sizeof (DeathSource));
  ((DeathSource *)self->source)->owner = self;
  g_source_set_static_name (self->source, "agl-process-watch");
  /* Before the requests of the same turn; see agl_process_watch_look() for what comes after that has begun.
   */
  g_source_set_priority (self->source, G_PRIORITY_HIGH);
  g_source_add_unix_fd (self->source, epoll_fd, G_IO_IN);
  g_source_attach (self->source, context);
  return self;
}

void
agl_process_watch_free (AglProcessWatch *self)
{
  GHashTableIter iter;
  gpointer watch;

  g_return_if_fail (!self->dispatching);

  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_hash_table_iter_init (&iter, self->watches);
  while (g_hash_table_iter_next (&iter, &watch, NULL))
    epoll_ctl (self->epoll_fd, EPOLL_CTL_DEL, agl_process_get_pidfd (((Watch *)watch)->process), NULL);
  g_hash_table_unref (self->watches);
  close (self->epoll_fd);
  g_free (self);
}

gboolean
agl_process_watch_add (AglProcessWatch *self, AglProcess *process, GError **error)
{
  Watch *watch = find_watch (self, process);
  struct epoll_event event = { .events = EPOLLIN };

  if (watch != NULL)
    {
      watch->n_watches++;
      return TRUE;
    }

  watch = g_new0 (Watch, 1);
  watch->ref_count = 1;
  watch->process = agl_process_ref (process);
  watch->n_watches = 1;
  event.data.ptr = watch;
  if (epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, agl_process_get_pidfd (process), &event) != 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_UNAVAILABLE, "Cannot watch process %d: %s",
                   (int)agl_process_get_pid (process), g_strerror (errno));
      watch_unref (watch);
      return FALSE;
    }
  g_hash_table_add (self->watches, watch);
  return TRUE;
}

void
agl_process_watch_remove (AglProcessWatch *self, AglProcess *process)
{
  Watch *watch = find_watch (self, process);

  /* It died, and was told, before whoever watched it came to remove it. */
  if (watch == NULL)
    return;
  if (watch->n_watches > 1)
    watch->n_watches--;
  else
    stop_watching (self, watch);
}

guint
agl_process_watch_count (const AglProcessWatch *self)
{
  return g_hash_table_size (self->watches);
}
