/* SPDX-License-Identifier: MIT */
#include "service/bus-stream.h"

#include <errno.h>

struct _AglBusStream
{
  GUnixConnection parent_instance;
  GOutputStream *output;

  /* What is being written: GDBus writes one message after the other. */
  GTask *task;
  const guint8 *buffer;
  gsize n_bytes;
  gsize n_sent; /* of the message, before @buffer */
  AglNews *news;
};

#define AGL_TYPE_BUS_OUTPUT (agl_bus_output_get_type ())
G_DECLARE_FINAL_TYPE (AglBusOutput, agl_bus_output, AGL, BUS_OUTPUT, GOutputStream)
struct _AglBusOutput
{
  GOutputStream parent_instance;
  AglBusStream *owner; /* outlives it: GDBus holds the owner */
};
G_DEFINE_FINAL_TYPE (AglBusOutput, agl_bus_output, G_TYPE_OUTPUT_STREAM)
G_DEFINE_FINAL_TYPE (AglBusStream, agl_bus_stream, G_TYPE_UNIX_CONNECTION)

static GSocket *
get_socket (AglBusStream *self)
{
  return g_socket_connection_get_socket (G_SOCKET_CONNECTION (self));
}

/* @error: (transfer full). The task's callback may begin the next write. */
static void
end_write (AglBusStream *self, gssize result, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, result);
}

static void go_on_writing (AglBusStream *self);

static gboolean
on_writable (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  go_on_writing (user_data);
  return G_SOURCE_REMOVE;
}

static void
wait_for_room (AglBusStream *self)
{
  g_autoptr (GSource) source =
      g_socket_create_source (get_socket (self), G_IO_OUT, g_task_get_cancellable (self->task));

  g_source_set_callback (source, G_SOURCE_FUNC (on_writable), self, NULL);
  g_source_attach (source, g_task_get_context (self->task));
}

static void
go_on_writing (AglBusStream *self)
{
  GError *error = NULL;
  gssize n;

  if (g_cancellable_set_error_if_cancelled (g_task_get_cancellable (self->task), &error))
    {
      end_write (self, -1, error);
      return;
    }
  n = agl_told_send (g_socket_get_fd (get_socket (self)), self->buffer, self->n_bytes, self->n_sent,
                     &self->news);
  if (n < 0 && errno == EAGAIN)
    {
      wait_for_room (self);
      return;
    }
  if (n < 0)
    error = g_error_new (G_IO_ERROR, g_io_error_from_errno (errno), "sendmmsg: %s", g_strerror (errno));
  self->n_sent = n >= 0 && (gsize)n < self->n_bytes ? self->n_sent + (gsize)n : 0;
  end_write (self, n, error);
}

static void
agl_bus_output_write_async (GOutputStream *stream,
                            const void *buffer,
                            gsize count,
                            int io_priority,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  AglBusStream *self = AGL_BUS_OUTPUT (stream)->owner;

  g_return_if_fail (self->task == NULL);
  self->task = g_task_new (stream, cancellable, callback, user_data);
  self->buffer = buffer;
  self->n_bytes = count;
  go_on_writing (self);
}

static gssize
agl_bus_output_write_finish (GOutputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}

/* While GDBus authenticates. */
static gssize
agl_bus_output_write (
    GOutputStream *stream, const void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  return g_socket_send (get_socket (AGL_BUS_OUTPUT (stream)->owner), buffer, count, cancellable, error);
}

/* Nothing is kept back; the default would find that out in a thread. */
static void
agl_bus_output_flush_async (GOutputStream *stream,
                            int io_priority,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static gboolean
agl_bus_output_flush_finish (GOutputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
agl_bus_output_init (AglBusOutput *self)
{
}

static void
agl_bus_output_class_init (AglBusOutputClass *klass)
{
  GOutputStreamClass *stream_class = G_OUTPUT_STREAM_CLASS (klass);

  stream_class->write_fn = agl_bus_output_write;
  stream_class->write_async = agl_bus_output_write_async;
  stream_class->write_finish = agl_bus_output_write_finish;
  stream_class->flush_async = agl_bus_output_flush_async;
  stream_class->flush_finish = agl_bus_output_flush_finish;
}

GIOStream *
agl_bus_stream_new (GIOStream *stream)
{
  if (!G_IS_UNIX_CONNECTION (stream))
    return g_object_ref (stream);
  return g_object_new (AGL_TYPE_BUS_STREAM, "socket",
                       g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), NULL);
}

void
agl_bus_stream_tell (AglBusStream *self, AglNews *news)
{
  g_clear_pointer (&self->news, agl_news_unref);
  self->news = news;
}

static GOutputStream *
agl_bus_stream_get_output (GIOStream *stream)
{
  return AGL_BUS_STREAM (stream)->output;
}

static void
agl_bus_stream_finalize (GObject *object)
{
  AglBusStream *self = AGL_BUS_STREAM (object);

  g_clear_pointer (&self->news, agl_news_unref);
  g_object_unref (self->output);
  G_OBJECT_CLASS (agl_bus_stream_parent_class)->finalize (object);
}

static void
agl_bus_stream_init (AglBusStream *self)
{
  self->output = g_object_new (AGL_TYPE_BUS_OUTPUT, NULL);
  AGL_BUS_OUTPUT (self->output)->owner = self;
}

static void
agl_bus_stream_class_init (AglBusStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = agl_bus_stream_finalize;
  G_IO_STREAM_CLASS (klass)->get_output_stream = agl_bus_stream_get_output;
}
