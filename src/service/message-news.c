/* SPDX-License-Identifier: MIT */
#include "service/message-news.h"

#include "service/bus-stream.h"
#include "service/peer-stream.h"

#define KEY "agl-news"

void
agl_message_set_news (GDBusMessage *message, AglNews *news)
{
  g_object_set_data_full (G_OBJECT (message), KEY, news, (GDestroyNotify)agl_news_unref);
}

void
agl_message_move_news (GDBusMessage *from, GDBusMessage *to)
{
  AglNews *news = g_object_steal_data (G_OBJECT (from), KEY);

  if (news != NULL)
    agl_message_set_news (to, news);
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer unused)
{
  AglNews *news = is_incoming ? NULL : g_object_steal_data (G_OBJECT (message), KEY);
  GIOStream *stream;

  if (news == NULL)
    return message;
  stream = g_dbus_connection_get_stream (connection);
  if (AGL_IS_BUS_STREAM (stream))
    agl_bus_stream_tell (AGL_BUS_STREAM (stream), news);
  else if (AGL_IS_PEER_STREAM (stream))
    agl_peer_stream_tell (AGL_PEER_STREAM (stream), news);
  else
    agl_news_unref (news);
  return message;
}

void
agl_message_news_attach (GDBusConnection *connection)
{
  g_dbus_connection_add_filter (connection, on_message, NULL, NULL);
}
