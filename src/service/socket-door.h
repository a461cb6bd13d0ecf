/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <sys/types.h>

#include "service/peer.h"

/* A direct socket: peer-to-peer D-Bus with no bus daemon in between. Accepts connections, knows from the
 * kernel who is at the other end before a byte is read, authenticates (EXTERNAL; the claimed uid must be the
 * kernel's, or what that is called in the peer's user namespace), keeps the bounds, and hands over
 * connections that are ready to have objects exported on them. */
typedef struct _AglSocketDoor AglSocketDoor;

typedef struct
{
  /* Whom to let in: only @own_uid and root (a user's instance), or everybody. */
  gboolean everybody;
  guint max_connections_per_user; /* handshakes included; more are closed at once, with a log line */
  guint max_connections;          /* of all users together; 0: 4096 */
  /* Towards a peer that does not read: with more it is cut off once it has taken none for two seconds, and at
   * four times as many in any case. 0: 10 000. */
  guint max_queued_messages;
  /* Calls of one connection that are not answered yet: no more are read from it meanwhile. A call that waits
   * for a lock counts as one, and as one for each descriptor sent with it: so more than twice the waiters
   * that a user may have, or a full connection could not cancel. 0: 256. */
  guint max_pending_calls;
  guint handshake_timeout_msec; /* 0: 5000 */
} AglDoorPolicy;

/* @connection: authenticated, message processing not started: the callee exports its objects and then calls
 * g_dbus_connection_start_message_processing. Referenced by the door until it closes. */
typedef void (*AglDoorOpenedFunc) (GDBusConnection *connection, gpointer user_data);
/* The peer hung up, was cut off, or the door closed. Once for each opened. */
typedef void (*AglDoorClosedFunc) (GDBusConnection *connection, gpointer user_data);

/* Listens on @address: "unix:path=…", "unix:abstract=…" or "unix:tmpdir=…"/"unix:dir=…" as D-Bus addresses
 * go. A stale socket file is replaced; the caller has made sure that no other instance serves it. @mode: of
 * the socket file (0600, 0666). Errors: any GIOError, prefixed with the address. */
AglSocketDoor *agl_socket_door_new (const char *address,
                                    mode_t mode,
                                    const AglDoorPolicy *policy,
                                    AglDoorOpenedFunc opened,
                                    AglDoorClosedFunc closed,
                                    gpointer user_data,
                                    GError **error);
/* Stops listening, removes the socket file, closes every connection. */
void agl_socket_door_free (AglSocketDoor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglSocketDoor, agl_socket_door_free)

const char *agl_socket_door_get_address (const AglSocketDoor *self); /* as clients should connect */
guint agl_socket_door_count (const AglSocketDoor *self); /* open connections, handshakes included */

/* To be called after signals were sent: cuts @connection off when its peer leaves them unread
 * (see max_queued_messages). FALSE: it has been. Does nothing to a connection that did not come through a
 * socket door. From the thread that sent them. */
gboolean agl_socket_door_check_backlog (GDBusConnection *connection);

/* Messages from the calling thread that the peer has not taken yet: a service should answer at length only to
 * those who read. 0 for a connection that did not come through a socket door. */
guint agl_socket_door_get_backlog (GDBusConnection *connection);

/* NULL when @connection did not come through a socket door: a message bus. */
const AglPeer *agl_socket_door_get_peer (GDBusConnection *connection);
