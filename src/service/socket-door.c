/* SPDX-License-Identifier: MIT */
#include "service/socket-door.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/descriptor-sink.h"
#include "service/gdbus-warnings.h"
#include "service/handshake.h"
#include "service/listen-socket.h"
#include "service/peer-stream.h"

#define DEFAULT_MAX_CONNECTIONS        4096
#define DEFAULT_MAX_QUEUED_MESSAGES    10000
#define DEFAULT_MAX_PENDING_CALLS      256
#define DEFAULT_HANDSHAKE_TIMEOUT_MSEC 5000

/* Twice what one argument of a command line can hold (MAX_ARG_STRLEN, execve(2)): whatever a person can say
 * to a client gets a proper answer. */
#define MAX_MESSAGE_BYTES (256 * 1024)
/* A message takes up to forty times its size once it is parsed; one connection may have this much unanswered.
 */
#define MAX_CALL_BYTES (256 * 1024)

/* All connections of one user may have so many calls unanswered; beyond it each of them these few. What GDBus
 * answers itself (properties, introspection) takes no turns, and every answer lies in memory until it is
 * sent. */
#define MAX_SHARED_CALLS 1024
#define MAX_SPARED_CALLS 4

/* New connections in one turn of the loop, so that a burst of them leaves others their turn. */
#define ACCEPTS_PER_TURN 16
/* Without descriptors accept(2) fails over and over, and the socket stays readable. */
#define ACCEPT_PAUSE_MSEC 500
/* A burst (a thousand locks that end together) is no fault of the reader: it is cut off when it has taken
 * nothing for this long, or at this many times the limit however it reads. */
#define STALL_USEC              (2 * G_USEC_PER_SEC)
#define HARD_LIMIT_FACTOR       4
#define COMPLAINT_INTERVAL_USEC G_USEC_PER_SEC

/* One who came: first in the handshake, then with a connection. */
typedef struct
{
  GList link;
  AglSocketDoor *door;
  uid_t uid;
  /* Handshake: */
  int fd;
  AglPeer *peer;
  AglHandshake *handshake;
  GSource *readable, *deadline;
  /* Then: */
  GDBusConnection *connection;
  gulong closed_id;
} Caller;

/* What a connection carries for as long as it lives, be it beyond its door. Counted. */
typedef struct
{
  AglPeer *peer;
  AglPeerStream *stream;
  guint max_queued_messages;
  guint32 written_serial; /* atomic: of the last message that was taken from the queue */
  /* While there is too much in the queue: what written_serial was, and since when. */
  guint32 stalled_serial;
  gint64 stalled_usec;
  gboolean is_cut_off;
} Channel;

struct _AglSocketDoor
{
  AglListenSocket *socket;
  AglDoorPolicy policy;
  AglDoorOpenedFunc opened;
  AglDoorClosedFunc closed;
  gpointer user_data;

  GMainContext *context;
  GSource *acceptor, *pause;
  char *guid;
  uid_t own_uid;
  GQueue callers;
  GHashTable *users;  /* uid → number of callers */
  GHashTable *shares; /* uid → AglPeerShare, of those who have callers */
  gint64 complained_usec;
  guint n_unsaid;
};

static G_DEFINE_QUARK (agl - channel, channel);

static void
channel_clear (gpointer data)
{
  Channel *self = data;

  agl_peer_free (self->peer);
  g_object_unref (self->stream);
}

static void
channel_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, channel_clear);
}

/* One line a second: whoever is turned away could come back at once to fill the log. */
static G_GNUC_PRINTF (3, 4) void complain (AglSocketDoor *self, uid_t uid, const char *format, ...)
{
  gint64 now_usec = g_get_monotonic_time ();
  g_autofree char *text = NULL;
  va_list arguments;

  if (self->complained_usec != 0 && now_usec - self->complained_usec < COMPLAINT_INTERVAL_USEC)
    {
      self->n_unsaid++;
      return;
    }
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_message ("User %u on the direct socket: %s (%u such messages left out)", (guint)uid, text,
             self->n_unsaid);
  self->complained_usec = now_usec;
  self->n_unsaid = 0;
}

/* Callers */

static guint
count_of_user (const AglSocketDoor *self, uid_t uid)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->users, GUINT_TO_POINTER (uid)));
}

static void
add_to_user (AglSocketDoor *self, uid_t uid, int change)
{
  guint count = count_of_user (self, uid) + (guint)change;

  if (count == 0)
    {
      g_hash_table_remove (self->users, GUINT_TO_POINTER (uid));
      g_hash_table_remove (self->shares, GUINT_TO_POINTER (uid));
    }
  else
    g_hash_table_insert (self->users, GUINT_TO_POINTER (uid), GUINT_TO_POINTER (count));
}

static void
destroy_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
caller_end_handshake (Caller *self)
{
  destroy_source (&self->readable);
  destroy_source (&self->deadline);
  g_clear_pointer (&self->handshake, agl_handshake_free);
}

static void
caller_remove (Caller *self)
{
  AglSocketDoor *door = self->door;

  g_queue_unlink (&door->callers, &self->link);
  add_to_user (door, self->uid, -1);
  caller_end_handshake (self);
  if (self->fd >= 0)
    agl_descriptor_sink_socket (self->fd, self->uid);
  g_clear_pointer (&self->peer, agl_peer_free);
  if (self->connection != NULL)
    {
      Channel *channel = g_object_get_qdata (G_OBJECT (self->connection), channel_quark ());

      g_signal_handler_disconnect (self->connection, self->closed_id);
      /* GDBus keeps the socket until the last reference goes, and somebody may have one. */
      agl_peer_stream_abort (channel->stream);
      door->closed (self->connection, door->user_data);
      g_object_unref (self->connection);
    }
  g_free (self);
}

static void
on_closed (GDBusConnection *connection, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  Caller *self = user_data;

  /* NULL: hung up in good order. */
  if (error != NULL)
    g_debug ("User %u on the direct socket: closed: %s", (guint)self->uid, error->message);
  caller_remove (self);
}

/* In GDBus' thread. */
static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming, gpointer user_data)
{
  Channel *channel = user_data;
  GDBusMessageType type = g_dbus_message_get_message_type (message);
  guint32 reply_serial = g_dbus_message_get_reply_serial (message);

  if (is_incoming)
    {
      message = agl_peer_stream_received (channel->stream, message);
      /* We call no peer and listen to none: neither replies nor signals are of use. */
      if (message != NULL && type != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
        g_clear_object (&message);
      return message;
    }

  g_atomic_int_set (&channel->written_serial, g_dbus_message_get_serial (message));
  if (reply_serial != 0 && !agl_peer_stream_replied (channel->stream, reply_serial))
    g_clear_object (&message);
  return message;
}

static void
caller_open (Caller *self)
{
  AglSocketDoor *door = self->door;
  const AglPeerLimits limits = {
    .max_message_bytes = MAX_MESSAGE_BYTES,
    .max_call_bytes = MAX_CALL_BYTES,
    .max_calls = door->policy.max_pending_calls,
    .share = agl_peer_share_of (door->shares, self->uid),
    .max_shared_calls = MAX_SHARED_CALLS,
    .max_spared_calls = MAX_SPARED_CALLS,
  };
  Channel *channel = g_atomic_rc_box_new0 (Channel);
  g_autoptr (GError) error = NULL;

  caller_end_handshake (self);
  channel->stream = agl_peer_stream_new_take_fd (self->fd, self->uid, &limits);
  self->fd = -1;
  channel->peer = g_steal_pointer (&self->peer);
  channel->max_queued_messages = door->policy.max_queued_messages;

  /* Does no input or output: it is for GDBus to authenticate that there is an asynchronous one. */
  self->connection =
      g_dbus_connection_new_sync (G_IO_STREAM (channel->stream), NULL,
                                  G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING, NULL, NULL, &error);
  if (self->connection == NULL)
    {
      complain (door, self->uid, "cannot connect: %s", error->message);
      channel_unref (channel);
      caller_remove (self);
      return;
    }
  g_object_set_qdata_full (G_OBJECT (self->connection), channel_quark (), channel, channel_unref);
  g_dbus_connection_add_filter (self->connection, on_message, g_atomic_rc_box_acquire (channel),
                                channel_unref);
  self->closed_id = g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  door->opened (self->connection, door->user_data);
}

/* Handshakes */

static gboolean
is_called (uid_t claimed, gpointer user_data)
{
  const Caller *self = user_data;

  return agl_peer_is_called (self->peer, claimed);
}

/* Takes what has arrived, and not a byte of what follows the handshake: that is for GDBus to read. */
static AglHandshakeState
caller_shake_hands (Caller *self)
{
  char bytes[512];
  g_autoptr (GString) answer = g_string_new (NULL);
  AglHandshakeState state;
  gsize n_used;
  gssize n = recv (self->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return AGL_HANDSHAKE_MORE;
  if (n <= 0)
    return AGL_HANDSHAKE_FAILED;

  state = agl_handshake_feed (self->handshake, bytes, (gsize)n, &n_used, answer);
  /* Nobody sends descriptors before he is let in. */
  if (!agl_descriptor_sink_bytes (self->fd, bytes, n_used, self->uid))
    return AGL_HANDSHAKE_FAILED;
  if (strstr (answer->str, "AGREE_UNIX_FD") != NULL)
    agl_descriptor_set_welcome (self->fd, TRUE);
  /* A peer for whose answers the socket has no room left has never read one. */
  if (answer->len > 0
      && send (self->fd, answer->str, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL) != (gssize)answer->len)
    return AGL_HANDSHAKE_FAILED;
  return state;
}

static void
caller_go_on (Caller *self)
{
  switch (caller_shake_hands (self))
    {
    case AGL_HANDSHAKE_MORE:
      return;
    case AGL_HANDSHAKE_DONE:
      caller_open (self);
      return;
    case AGL_HANDSHAKE_FAILED:
      caller_remove (self);
      return;
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  caller_go_on (user_data);
  /* It has destroyed this source when it was done with it. */
  return G_SOURCE_CONTINUE;
}

static gboolean
on_deadline (gpointer user_data)
{
  Caller *self = user_data;

  complain (self->door, self->uid, "no authentication within %u ms, hung up",
            self->door->policy.handshake_timeout_msec);
  caller_remove (self);
  return G_SOURCE_REMOVE;
}

static gboolean
may_enter (AglSocketDoor *self, const AglPeer *peer)
{
  if (!self->policy.everybody && peer->uid != 0 && peer->uid != self->own_uid)
    {
      complain (self, peer->uid, "refused, this is the service of user %u", (guint)self->own_uid);
      return FALSE;
    }
  if (count_of_user (self, peer->uid) >= self->policy.max_connections_per_user)
    {
      complain (self, peer->uid, "refused, has %u connections already",
                self->policy.max_connections_per_user);
      return FALSE;
    }
  if (agl_descriptor_sink_count (peer->uid) > AGL_DESCRIPTOR_SINK_MAX)
    {
      complain (self, peer->uid, "refused, has handed over more than %d descriptors that cannot be closed",
                AGL_DESCRIPTOR_SINK_MAX);
      return FALSE;
    }
  if (self->callers.length >= self->policy.max_connections)
    {
      complain (self, peer->uid, "refused, there are %u connections already", self->policy.max_connections);
      return FALSE;
    }
  return TRUE;
}

/* @fd: taken over. */
static void
admit (AglSocketDoor *self, int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AglPeer) peer = agl_peer_new_from_socket (fd, &error);
  Caller *caller;

  if (peer == NULL || !may_enter (self, peer))
    {
      if (peer == NULL)
        g_message ("Cannot tell who connected to %s: %s", agl_socket_door_get_address (self), error->message);
      agl_descriptor_sink_socket (fd, peer != NULL ? peer->uid : self->own_uid);
      return;
    }

  caller = g_new0 (Caller, 1);
  caller->door = self;
  caller->uid = peer->uid;
  caller->peer = g_steal_pointer (&peer);
  caller->fd = fd;
  caller->handshake = agl_handshake_new (self->guid, is_called, caller);
  caller->link.data = caller;
  g_queue_push_tail_link (&self->callers, &caller->link);
  add_to_user (self, caller->uid, 1);

  caller->readable = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (caller->readable, G_SOURCE_FUNC (on_readable), caller, NULL);
  g_source_attach (caller->readable, self->context);
  caller->deadline = g_timeout_source_new (self->policy.handshake_timeout_msec);
  g_source_set_callback (caller->deadline, on_deadline, caller, NULL);
  g_source_attach (caller->deadline, self->context);

  /* Clients write as soon as they are connected. */
  caller_go_on (caller);
}

/* Listening */

static void start_accepting (AglSocketDoor *self);

static gboolean
on_pause_over (gpointer user_data)
{
  AglSocketDoor *self = user_data;

  destroy_source (&self->pause);
  start_accepting (self);
  return G_SOURCE_REMOVE;
}

static void
pause_accepting (AglSocketDoor *self, int number)
{
  g_warning ("Cannot accept connections on %s for the moment: %s", agl_socket_door_get_address (self),
             g_strerror (number));
  destroy_source (&self->acceptor);
  self->pause = g_timeout_source_new (ACCEPT_PAUSE_MSEC);
  g_source_set_callback (self->pause, on_pause_over, self, NULL);
  g_source_attach (self->pause, self->context);
}

static gboolean
on_connect (int listening_fd, GIOCondition condition, gpointer user_data)
{
  AglSocketDoor *self = user_data;

  for (guint i = 0; i < ACCEPTS_PER_TURN; i++)
    {
      int fd = accept4 (listening_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

      if (fd >= 0)
        admit (self, fd);
      else if (errno == EAGAIN)
        break;
      else if (errno != EINTR && errno != ECONNABORTED)
        {
          pause_accepting (self, errno);
          break;
        }
    }
  return G_SOURCE_CONTINUE;
}

static void
start_accepting (AglSocketDoor *self)
{
  self->acceptor = g_unix_fd_source_new (agl_listen_socket_get_fd (self->socket), G_IO_IN);
  g_source_set_callback (self->acceptor, G_SOURCE_FUNC (on_connect), self, NULL);
  g_source_attach (self->acceptor, self->context);
}

static guint
or_default (guint value, guint fallback)
{
  return value != 0 ? value : fallback;
}

AglSocketDoor *
agl_socket_door_new (const char *address,
                     mode_t mode,
                     const AglDoorPolicy *policy,
                     AglDoorOpenedFunc opened,
                     AglDoorClosedFunc closed,
                     gpointer user_data,
                     GError **error)
{
  AglListenSocket *socket = agl_listen_socket_new (address, mode, error);
  AglSocketDoor *self;

  if (socket == NULL)
    return NULL;

  agl_gdbus_warnings_quieten ();
  self = g_new0 (AglSocketDoor, 1);
  self->socket = socket;
  self->policy = *policy;
  self->policy.max_connections = or_default (policy->max_connections, DEFAULT_MAX_CONNECTIONS);
  self->policy.max_queued_messages = or_default (policy->max_queued_messages, DEFAULT_MAX_QUEUED_MESSAGES);
  self->policy.max_pending_calls = or_default (policy->max_pending_calls, DEFAULT_MAX_PENDING_CALLS);
  self->policy.handshake_timeout_msec =
      or_default (policy->handshake_timeout_msec, DEFAULT_HANDSHAKE_TIMEOUT_MSEC);
  self->opened = opened;
  self->closed = closed;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->guid = g_dbus_generate_guid ();
  self->own_uid = geteuid ();
  self->users = g_hash_table_new (NULL, NULL);
  self->shares = g_hash_table_new_full (NULL, NULL, NULL, g_atomic_rc_box_release);
  start_accepting (self);
  return self;
}

void
agl_socket_door_free (AglSocketDoor *self)
{
  GList *link;

  if (self == NULL)
    return;
  destroy_source (&self->acceptor);
  destroy_source (&self->pause);
  g_clear_pointer (&self->socket, agl_listen_socket_free);
  while ((link = g_queue_peek_head_link (&self->callers)) != NULL)
    caller_remove (link->data);
  g_hash_table_unref (self->users);
  g_hash_table_unref (self->shares);
  g_main_context_unref (self->context);
  g_free (self->guid);
  g_free (self);
}

const char *
agl_socket_door_get_address (const AglSocketDoor *self)
{
  return agl_listen_socket_get_address (self->socket);
}

guint
agl_socket_door_count (const AglSocketDoor *self)
{
  return self->callers.length;
}

/* Connections */

/* A serial is given to a message when it is queued, counting up, and seen again when the message is about to
 * be written: the difference is the queue, those included that GDBus itself sends. */
guint
agl_socket_door_get_backlog (GDBusConnection *connection)
{
  Channel *channel = g_object_get_qdata (G_OBJECT (connection), channel_quark ());
  gint32 n_queued;

  if (channel == NULL)
    return 0;
  n_queued = (gint32)(g_dbus_connection_get_last_serial (connection)
                      - (guint32)g_atomic_int_get (&channel->written_serial));
  return (guint)MAX (n_queued, 0);
}

static gboolean
has_left_too_much (Channel *self, guint n_queued)
{
  guint32 written_serial = (guint32)g_atomic_int_get (&self->written_serial);
  gint64 now_usec;

  if (n_queued <= self->max_queued_messages)
    {
      self->stalled_usec = 0;
      return FALSE;
    }
  now_usec = g_get_monotonic_time ();
  if (self->stalled_usec == 0 || self->stalled_serial != written_serial)
    {
      self->stalled_serial = written_serial;
      self->stalled_usec = now_usec;
    }
  return now_usec - self->stalled_usec > STALL_USEC
         || n_queued / HARD_LIMIT_FACTOR > self->max_queued_messages;
}

gboolean
agl_socket_door_check_backlog (GDBusConnection *connection)
{
  Channel *channel = g_object_get_qdata (G_OBJECT (connection), channel_quark ());
  guint n_queued;

  if (channel == NULL)
    return TRUE;
  if (channel->is_cut_off)
    return FALSE;
  n_queued = agl_socket_door_get_backlog (connection);
  if (!has_left_too_much (channel, n_queued))
    return TRUE;

  channel->is_cut_off = TRUE;
  g_message ("User %u on the direct socket: cut off, has left %u messages unread", (guint)channel->peer->uid,
             n_queued);
  agl_peer_stream_abort (channel->stream);
  return FALSE;
}

const AglPeer *
agl_socket_door_get_peer (GDBusConnection *connection)
{
  Channel *channel = g_object_get_qdata (G_OBJECT (connection), channel_quark ());

  return channel != NULL ? channel->peer : NULL;
}
