/* SPDX-License-Identifier: MIT */
#include "service/peer-stream.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/descriptor-sink.h"

/* An operation of GDBus that is under way; never more than one each way. */
typedef struct
{
  GTask *task; /* NULL: none */
  guint8 *buffer;
  gsize n_bytes;
  GSource *source; /* while waiting for the socket */
} Operation;

struct _AglPeerStream
{
  GIOStream parent_instance;
  GInputStream *input;
  GOutputStream *output;
  AglPeerLedger *ledger;
  uid_t uid;

  GMutex lock; /* one thread shuts @fd down while another closes it */
  int fd;      /* -1: closed. Changed in GDBus' thread with @lock held */

  Operation reading, writing;
  gboolean is_paused;
  AglNews *news; /* what the message tells that is being written */
  gsize n_sent;  /* of that message */

  /* The message that is being read. */
  guint8 header[AGL_HEADER_BYTES];
  gsize n_read, n_total;
  GUnixFDList *fds;
};

#define AGL_TYPE_PEER_INPUT (agl_peer_input_get_type ())
G_DECLARE_FINAL_TYPE (AglPeerInput, agl_peer_input, AGL, PEER_INPUT, GInputStream)
struct _AglPeerInput
{
  GInputStream parent_instance;
  AglPeerStream *owner; /* outlives it: GDBus holds the owner */
};
G_DEFINE_FINAL_TYPE (AglPeerInput, agl_peer_input, G_TYPE_INPUT_STREAM)

#define AGL_TYPE_PEER_OUTPUT (agl_peer_output_get_type ())
G_DECLARE_FINAL_TYPE (AglPeerOutput, agl_peer_output, AGL, PEER_OUTPUT, GOutputStream)
struct _AglPeerOutput
{
  GOutputStream parent_instance;
  AglPeerStream *owner;
};
G_DEFINE_FINAL_TYPE (AglPeerOutput, agl_peer_output, G_TYPE_OUTPUT_STREAM)

G_DEFINE_FINAL_TYPE (AglPeerStream, agl_peer_stream, G_TYPE_IO_STREAM)

/* Operations */

static void
operation_begin (Operation *self, GTask *task, gconstpointer buffer, gsize n_bytes)
{
  self->task = task;
  self->buffer = (guint8 *)buffer;
  self->n_bytes = n_bytes;
}

static void
operation_stop_waiting (Operation *self)
{
  if (self->source == NULL)
    return;
  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
}

static void
operation_wait (Operation *self, int fd, GIOCondition condition, GUnixFDSourceFunc ready, gpointer user_data)
{
  GCancellable *cancellable = g_task_get_cancellable (self->task);

  operation_stop_waiting (self);
  self->source = g_unix_fd_source_new (fd, condition);
  g_source_set_callback (self->source, G_SOURCE_FUNC (ready), user_data, NULL);
  if (cancellable != NULL)
    {
      g_autoptr (GSource) child = g_cancellable_source_new (cancellable);

      g_source_set_dummy_callback (child);
      g_source_add_child_source (self->source, child);
    }
  g_source_attach (self->source, g_task_get_context (self->task));
}

/* @error: (transfer full). The task's callback may begin the next operation. */
static void
operation_end (Operation *self, gssize result, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  operation_stop_waiting (self);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, result);
}

static GError *
error_from_errno (const char *call, int number)
{
  return g_error_new (G_IO_ERROR, g_io_error_from_errno (number), "%s: %s", call, g_strerror (number));
}

/* Reading */

/* What stands in the place of a descriptor that cannot be kept: neither a directory nor a pidfd, as that was
 * neither, and so it ends in the same error. */
static int
replace_harmful (int fd, uid_t uid)
{
  if (agl_descriptor_is_harmless (fd))
    return fd;
  agl_descriptor_sink (fd, uid);
  return eventfd (0, EFD_CLOEXEC);
}

/* All descriptors that the kernel has given us are ours to close, wanted or not. */
static gboolean
take_fds (AglPeerStream *self, const int *fds, gsize n_fds, GError **error)
{
  gboolean taken = n_fds <= AGL_PEER_MAX_FDS;

  if (self->fds == NULL)
    self->fds = g_unix_fd_list_new ();
  for (gsize i = 0; i < n_fds; i++)
    {
      int fd = replace_harmful (fds[i], self->uid);

      /* There is no function that takes over one more. */
      taken = taken && fd >= 0 && g_unix_fd_list_append (self->fds, fd, error) >= 0;
      if (fd >= 0)
        close (fd);
    }
  return taken;
}

static gboolean
collect_fds (AglPeerStream *self, struct msghdr *message, GError **error)
{
  gboolean taken = TRUE;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c))
    {
      int fds[AGL_DESCRIPTOR_MAX_RECEIVED];
      gsize n_fds = (c->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        continue;
      g_assert (n_fds <= G_N_ELEMENTS (fds));
      memcpy (fds, CMSG_DATA (c), n_fds * sizeof (int));
      taken = take_fds (self, fds, n_fds, taken ? error : NULL) && taken;
    }
  if (taken && agl_descriptor_sink_count (self->uid) > AGL_DESCRIPTOR_SINK_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "user %u has sent more than %d descriptors that cannot be closed", (guint)self->uid,
                   AGL_DESCRIPTOR_SINK_MAX);
      return FALSE;
    }
  if (taken && (message->msg_flags & MSG_CTRUNC) == 0
      && (self->fds == NULL || g_unix_fd_list_get_length (self->fds) <= AGL_PEER_MAX_FDS))
    return TRUE;
  if (error == NULL || *error == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 "it sent more than %d descriptors in one message, or more than this process can open",
                 AGL_PEER_MAX_FDS);
  return FALSE;
}

/* Bytes read, 0 at the end, -1 and @error; -1 alone: nothing there yet. */
static gssize
receive (AglPeerStream *self, guint8 *buffer, gsize n_bytes, GError **error)
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
  gssize n;

  do
    n = recvmsg (self->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    {
      if (errno != EAGAIN)
        g_propagate_error (error, error_from_errno ("recvmsg", errno));
      return -1;
    }
  return collect_fds (self, &message, error) ? n : -1;
}

/* GDBus asks for the header first and then for exactly what the header says is left. The header is handed
 * over in one piece, since it may have to be altered. */
static gssize
read_header (AglPeerStream *self, GError **error)
{
  while (self->n_read < AGL_HEADER_BYTES)
    {
      gssize n = receive (self, self->header + self->n_read, AGL_HEADER_BYTES - self->n_read, error);

      if (n <= 0)
        return n;
      self->n_read += (gsize)n;
    }
  if (!agl_peer_ledger_begin (self->ledger, self->header, &self->n_total, error))
    return -1;
  memcpy (self->reading.buffer, self->header, AGL_HEADER_BYTES);
  return AGL_HEADER_BYTES;
}

static gssize
read_rest (AglPeerStream *self, GError **error)
{
  gssize n =
      receive (self, self->reading.buffer, MIN (self->reading.n_bytes, self->n_total - self->n_read), error);

  if (n <= 0)
    return n;
  self->n_read += (gsize)n;
  if (self->n_read == self->n_total)
    {
      agl_peer_ledger_end (self->ledger, g_steal_pointer (&self->fds));
      self->n_read = 0;
    }
  return n;
}

static void go_on_reading (AglPeerStream *self);

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  AglPeerStream *self = user_data;

  /* Without G_IO_IN nobody is there to wait for any longer: to a paused peer no answer can be given. */
  if (self->is_paused && (condition & (G_IO_HUP | G_IO_ERR)) != 0)
    operation_end (&self->reading, 0, NULL);
  else
    go_on_reading (self);
  return G_SOURCE_REMOVE;
}

static void
go_on_reading (AglPeerStream *self)
{
  GError *error = NULL;
  gssize n;

  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (self->reading.task), &error))
    {
      operation_end (&self->reading, -1, error);
      return;
    }
  self->is_paused = self->n_read == 0 && !agl_peer_ledger_may_begin (self->ledger);
  if (self->is_paused)
    {
      operation_wait (&self->reading, self->fd, G_IO_HUP | G_IO_ERR, on_readable, self);
      return;
    }

  if (self->n_read < AGL_HEADER_BYTES)
    n = read_header (self, &error);
  else
    n = read_rest (self, &error);
  if (n < 0 && error == NULL)
    operation_wait (&self->reading, self->fd, G_IO_IN, on_readable, self);
  else
    operation_end (&self->reading, n, error);
}

static void
agl_peer_input_read_async (GInputStream *stream,
                           void *buffer,
                           gsize count,
                           int io_priority,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  AglPeerStream *self = AGL_PEER_INPUT (stream)->owner;
  GTask *task = g_task_new (stream, cancellable, callback, user_data);

  g_return_if_fail (self->reading.task == NULL && self->fd >= 0);
  g_return_if_fail (count >= AGL_HEADER_BYTES || self->n_read >= AGL_HEADER_BYTES);
  operation_begin (&self->reading, task, buffer, count);
  go_on_reading (self);
}

static gssize
agl_peer_input_read_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static void
agl_peer_input_init (AglPeerInput *self)
{
}

static void
agl_peer_input_class_init (AglPeerInputClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  stream_class->read_async = agl_peer_input_read_async;
  stream_class->read_finish = agl_peer_input_read_finish;
}

/* Writing */

static void go_on_writing (AglPeerStream *self);

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  go_on_writing (user_data);
  return G_SOURCE_REMOVE;
}

static void
go_on_writing (AglPeerStream *self)
{
  GError *error = NULL;
  gssize n;

  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (self->writing.task), &error))
    {
      operation_end (&self->writing, -1, error);
      return;
    }
  n = agl_told_send (self->fd, self->writing.buffer, self->writing.n_bytes, self->n_sent, &self->news);
  if (n < 0 && errno == EAGAIN)
    {
      operation_wait (&self->writing, self->fd, G_IO_OUT, on_writable, self);
      return;
    }
  if (n < 0)
    error = error_from_errno ("sendmmsg", errno);
  self->n_sent = n >= 0 && (gsize)n < self->writing.n_bytes ? self->n_sent + (gsize)n : 0;
  operation_end (&self->writing, n, error);
}

static void
agl_peer_output_write_async (GOutputStream *stream,
                             const void *buffer,
                             gsize count,
                             int io_priority,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  AglPeerStream *self = AGL_PEER_OUTPUT (stream)->owner;
  GTask *task = g_task_new (stream, cancellable, callback, user_data);

  g_return_if_fail (self->writing.task == NULL && self->fd >= 0);
  operation_begin (&self->writing, task, buffer, count);
  go_on_writing (self);
}

static gssize
agl_peer_output_write_finish (GOutputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

static void
agl_peer_output_init (AglPeerOutput *self)
{
}

static void
agl_peer_output_class_init (AglPeerOutputClass *klass)
{
  GOutputStreamClass *stream_class = G_OUTPUT_STREAM_CLASS (klass);

  stream_class->write_async = agl_peer_output_write_async;
  stream_class->write_finish = agl_peer_output_write_finish;
}

/* Both together */

AglPeerStream *
agl_peer_stream_new_take_fd (int fd, uid_t uid, const AglPeerLimits *limits)
{
  AglPeerStream *self = g_object_new (AGL_TYPE_PEER_STREAM, NULL);

  self->fd = fd;
  self->uid = uid;
  self->ledger = agl_peer_ledger_new (limits);
  return self;
}

GDBusMessage *
agl_peer_stream_received (AglPeerStream *self, GDBusMessage *message)
{
  g_autoptr (GUnixFDList) fds = NULL;
  GDBusMessage *complete;

  if (!agl_peer_ledger_claim_fds (self->ledger, message, &fds))
    {
      agl_peer_stream_abort (self);
      g_object_unref (message);
      return NULL;
    }
  if (fds == NULL)
    return message;

  /* GDBus has locked it. A copy fails only for want of descriptors, and it has none yet. */
  complete = g_dbus_message_copy (message, NULL);
  g_dbus_message_set_unix_fd_list (complete, fds);
  g_object_unref (message);
  return complete;
}

gboolean
agl_peer_stream_replied (AglPeerStream *self, guint32 reply_serial)
{
  gboolean is_wanted = agl_peer_ledger_settle (self->ledger, reply_serial);

  if (self->is_paused && self->reading.task != NULL && agl_peer_ledger_may_begin (self->ledger))
    {
      self->is_paused = FALSE;
      operation_wait (&self->reading, self->fd, G_IO_IN, on_readable, self);
    }
  return is_wanted;
}

void
agl_peer_stream_tell (AglPeerStream *self, AglNews *news)
{
  g_clear_pointer (&self->news, agl_news_unref);
  self->news = news;
}

void
agl_peer_stream_abort (AglPeerStream *self)
{
  g_mutex_lock (&self->lock);
  /* ENOTCONN: the peer was quicker. Nothing else can fail. */
  if (self->fd >= 0)
    (void)shutdown (self->fd, SHUT_RDWR);
  g_mutex_unlock (&self->lock);
}

gboolean
agl_peer_stream_has_hung_up (AglPeerStream *self)
{
  struct pollfd peer = { .events = POLLRDHUP };

  g_mutex_lock (&self->lock);
  peer.fd = self->fd;
  if (peer.fd >= 0 && poll (&peer, 1, 0) < 0)
    peer.revents = 0; /* not to be told, for want of memory */
  g_mutex_unlock (&self->lock);
  return peer.fd < 0 || (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static gboolean
agl_peer_stream_close (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  AglPeerStream *self = AGL_PEER_STREAM (stream);

  g_mutex_lock (&self->lock);
  if (self->fd >= 0)
    agl_descriptor_sink_socket (self->fd, self->uid);
  self->fd = -1;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* The default would do it in a thread. */
static void
agl_peer_stream_close_async (GIOStream *stream,
                             int io_priority,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  agl_peer_stream_close (stream, NULL, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
agl_peer_stream_close_finish (GIOStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GInputStream *
agl_peer_stream_get_input (GIOStream *stream)
{
  return AGL_PEER_STREAM (stream)->input;
}

static GOutputStream *
agl_peer_stream_get_output (GIOStream *stream)
{
  return AGL_PEER_STREAM (stream)->output;
}

static void
agl_peer_stream_finalize (GObject *object)
{
  AglPeerStream *self = AGL_PEER_STREAM (object);

  agl_peer_stream_close (G_IO_STREAM (self), NULL, NULL);
  g_object_unref (self->input);
  g_object_unref (self->output);
  g_clear_object (&self->fds);
  g_clear_pointer (&self->news, agl_news_unref);
  g_clear_pointer (&self->ledger, agl_peer_ledger_free);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (agl_peer_stream_parent_class)->finalize (object);
}

static void
agl_peer_stream_init (AglPeerStream *self)
{
  self->fd = -1;
  self->input = g_object_new (AGL_TYPE_PEER_INPUT, NULL);
  AGL_PEER_INPUT (self->input)->owner = self;
  self->output = g_object_new (AGL_TYPE_PEER_OUTPUT, NULL);
  AGL_PEER_OUTPUT (self->output)->owner = self;
  g_mutex_init (&self->lock);
}

static void
agl_peer_stream_class_init (AglPeerStreamClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = agl_peer_stream_finalize;
  stream_class->get_input_stream = agl_peer_stream_get_input;
  stream_class->get_output_stream = agl_peer_stream_get_output;
  stream_class->close_fn = agl_peer_stream_close;
  stream_class->close_async = agl_peer_stream_close_async;
  stream_class->close_finish = agl_peer_stream_close_finish;
}
