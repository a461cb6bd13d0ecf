/* SPDX-License-Identifier: MIT */
#include "service/peer-stream.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What every message begins with (D-Bus specification, "Message Format"). */
#define HEADER_BYTES           16
#define HEADER_FLAGS           2
#define FLAG_NO_REPLY_EXPECTED 0x1

/* An operation of GDBus that is under way; never more than one each way. */
typedef struct
{
  GTask *task; /* NULL: none */
  guint8 *buffer;
  gsize n_bytes;
  GSource *source; /* while waiting for the socket */
} Operation;

/* A call that is not answered yet. */
typedef struct
{
  gsize n_bytes;
  guint n_fds;
  gboolean no_reply;
} Call;

/* The descriptors of a message that no filter has seen yet. */
typedef struct
{
  guint32 serial;
  GUnixFDList *fds;
} Luggage;

struct _AglPeerStream
{
  GIOStream parent_instance;
  GInputStream *input;
  GOutputStream *output;
  AglPeerLimits limits;

  GMutex lock; /* one thread shuts @fd down while another closes it */
  int fd;      /* -1: closed. Changed in GDBus' thread with @lock held */

  Operation reading, writing;
  gboolean is_paused;

  /* The message that is being read. */
  guint8 header[HEADER_BYTES];
  gsize n_read, n_total;
  guint32 serial;
  GUnixFDList *fds;

  GQueue luggage;
  GHashTable *calls; /* serial → Call */
  gsize call_bytes;
  guint call_fds;
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

static void
luggage_free (gpointer data)
{
  Luggage *luggage = data;

  g_object_unref (luggage->fds);
  g_free (luggage);
}

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

/* Messages */

static guint32
header_word (const AglPeerStream *self, gsize offset)
{
  guint32 word;

  memcpy (&word, self->header + offset, sizeof word);
  return self->header[0] == 'l' ? GUINT32_FROM_LE (word) : GUINT32_FROM_BE (word);
}

/* The header is complete: judges it before GDBus sees it and allocates what it says. */
static gboolean
begin_message (AglPeerStream *self, GError **error)
{
  guint64 n_body, n_fields, n_total;
  Call *call;

  if ((self->header[0] != 'l' && self->header[0] != 'B') || self->header[1] == 0 || self->header[3] != 1)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "what it sent is no D-Bus message");
      return FALSE;
    }
  n_body = header_word (self, 4);
  self->serial = header_word (self, 8);
  n_fields = header_word (self, 12);
  n_total = HEADER_BYTES + (n_fields + 7) / 8 * 8 + n_body;
  if (n_fields == 0 || self->serial == 0 || n_total > self->limits.max_message_bytes)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "it sent a message of %" G_GUINT64_FORMAT " bytes, over the limit of %" G_GSIZE_FORMAT
                   ", or one without fields or serial",
                   n_total, self->limits.max_message_bytes);
      return FALSE;
    }
  self->n_total = (gsize)n_total;
  if (self->header[1] != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return TRUE;

  if (g_hash_table_contains (self->calls, GUINT_TO_POINTER (self->serial)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "it sent two calls with the serial %u, the first unanswered", self->serial);
      return FALSE;
    }
  call = g_new0 (Call, 1);
  call->n_bytes = self->n_total;
  call->no_reply = (self->header[HEADER_FLAGS] & FLAG_NO_REPLY_EXPECTED) != 0;
  self->header[HEADER_FLAGS] &= ~FLAG_NO_REPLY_EXPECTED;
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (self->serial), call);
  self->call_bytes += call->n_bytes;
  return TRUE;
}

static void
end_message (AglPeerStream *self)
{
  self->n_read = 0;
  if (self->fds != NULL)
    {
      Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (self->serial));
      Luggage *luggage = g_new0 (Luggage, 1);

      if (call != NULL && self->header[1] == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        {
          call->n_fds = (guint)g_unix_fd_list_get_length (self->fds);
          self->call_fds += call->n_fds;
        }
      luggage->serial = self->serial;
      luggage->fds = g_steal_pointer (&self->fds);
      g_queue_push_tail (&self->luggage, luggage);
    }
}

static gboolean
may_begin_message (const AglPeerStream *self)
{
  return g_hash_table_size (self->calls) < self->limits.max_calls
         && self->call_bytes < self->limits.max_call_bytes && self->call_fds < self->limits.max_calls;
}

/* Reading */

/* All descriptors that the kernel has given us are ours to close, wanted or not. */
static gboolean
collect_fds (AglPeerStream *self, struct msghdr *message, GError **error)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c))
    {
      int fds[AGL_PEER_MAX_FDS];
      gsize n_fds = (c->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        continue;
      g_assert (n_fds <= G_N_ELEMENTS (fds));
      memcpy (fds, CMSG_DATA (c), n_fds * sizeof (int));
      if (self->fds == NULL)
        self->fds = g_unix_fd_list_new ();
      for (gsize i = 0; i < n_fds; i++)
        {
          /* There is no function that takes over one more. */
          if (g_unix_fd_list_append (self->fds, fds[i], error) < 0)
            {
              for (; i < n_fds; i++)
                close (fds[i]);
              return FALSE;
            }
          close (fds[i]);
        }
    }
  if ((message->msg_flags & MSG_CTRUNC) != 0
      || (self->fds != NULL && g_unix_fd_list_get_length (self->fds) > AGL_PEER_MAX_FDS))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "it sent more than %d descriptors in one message, or more than this process can open",
                   AGL_PEER_MAX_FDS);
      return FALSE;
    }
  return TRUE;
}

/* Bytes read, 0 at the end, -1 and @error; -1 alone: nothing there yet. */
static gssize
receive (AglPeerStream *self, guint8 *buffer, gsize n_bytes, GError **error)
{
  union
  {
    char bytes[CMSG_SPACE (AGL_PEER_MAX_FDS * sizeof (int))];
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
  while (self->n_read < HEADER_BYTES)
    {
      gssize n = receive (self, self->header + self->n_read, HEADER_BYTES - self->n_read, error);

      if (n <= 0)
        return n;
      self->n_read += (gsize)n;
    }
  if (!begin_message (self, error))
    return -1;
  memcpy (self->reading.buffer, self->header, HEADER_BYTES);
  return HEADER_BYTES;
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
    end_message (self);
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
  self->is_paused = self->n_read == 0 && !may_begin_message (self);
  if (self->is_paused)
    {
      operation_wait (&self->reading, self->fd, G_IO_HUP | G_IO_ERR, on_readable, self);
      return;
    }

  if (self->n_read < HEADER_BYTES)
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
  g_return_if_fail (count >= HEADER_BYTES || self->n_read >= HEADER_BYTES);
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
  do
    n = send (self->fd, self->writing.buffer, self->writing.n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    {
      operation_wait (&self->writing, self->fd, G_IO_OUT, on_writable, self);
      return;
    }
  if (n < 0)
    error = error_from_errno ("send", errno);
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
agl_peer_stream_new_take_fd (int fd, const AglPeerLimits *limits)
{
  AglPeerStream *self = g_object_new (AGL_TYPE_PEER_STREAM, NULL);

  self->fd = fd;
  self->limits = *limits;
  return self;
}

GDBusMessage *
agl_peer_stream_received (AglPeerStream *self, GDBusMessage *message)
{
  Luggage *luggage = g_queue_peek_head (&self->luggage);
  guint32 n_fds = g_dbus_message_get_num_unix_fds (message);
  GDBusMessage *complete = message;

  if (luggage == NULL || luggage->serial != g_dbus_message_get_serial (message))
    luggage = NULL;
  else
    g_queue_pop_head (&self->luggage);

  if (n_fds != (luggage != NULL ? (guint32)g_unix_fd_list_get_length (luggage->fds) : 0))
    {
      agl_peer_stream_abort (self);
      g_clear_object (&complete);
    }
  else if (luggage != NULL)
    {
      /* GDBus has locked the message. */
      complete = g_dbus_message_copy (message, NULL);
      g_object_unref (message);
      g_dbus_message_set_unix_fd_list (complete, luggage->fds);
    }
  g_clear_pointer (&luggage, luggage_free);
  return complete;
}

gboolean
agl_peer_stream_replied (AglPeerStream *self, guint32 reply_serial)
{
  const Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (reply_serial));
  gboolean is_wanted;

  if (call == NULL)
    return TRUE;
  is_wanted = !call->no_reply;
  self->call_bytes -= call->n_bytes;
  self->call_fds -= call->n_fds;
  g_hash_table_remove (self->calls, GUINT_TO_POINTER (reply_serial));

  if (self->is_paused && self->reading.task != NULL && may_begin_message (self))
    {
      self->is_paused = FALSE;
      operation_wait (&self->reading, self->fd, G_IO_IN, on_readable, self);
    }
  return is_wanted;
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

static gboolean
agl_peer_stream_close (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  AglPeerStream *self = AGL_PEER_STREAM (stream);

  g_mutex_lock (&self->lock);
  if (self->fd >= 0)
    close (self->fd);
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
  g_queue_clear_full (&self->luggage, luggage_free);
  g_hash_table_unref (self->calls);
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
  self->calls = g_hash_table_new_full (NULL, NULL, NULL, g_free);
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
