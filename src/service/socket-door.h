/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <sys/types.h>

/* A direct socket: peer-to-peer D-Bus with no bus daemon in between. Accepts connections, knows from the
 * kernel who is at the other end before a byte is read, authenticates (EXTERNAL; the claimed uid must be the
 * kernel's), keeps the bounds, and hands over connections that are ready to have objects exported on them. */
typedef struct _AglSocketDoor AglSocketDoor;

/* Who connected, as the kernel said at accept(2): SO_PEERCRED, SO_PEERPIDFD (Linux 6.5), SO_PEERGROUPS
 * (4.13). */
typedef struct
{
  uid_t uid;
  gid_t gid;
  pid_t pid; /* 0: of a PID namespace that this service cannot see into */
  int pidfd; /* -1 where the kernel has no SO_PEERPIDFD; owned by the connection */
  gid_t *groups;
  gsize n_groups;
} AglPeer;

typedef struct
{
  /* Whom to let in: only @own_uid and root (a user's instance), or everybody. */
  gboolean everybody;
  guint max_connections_per_user; /* more are closed at once, with a log line */
  guint max_queued_messages;      /* towards a peer that does not read: more, and it is cut off */
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

/* NULL when @connection did not come through a socket door: a message bus. */
const AglPeer *agl_socket_door_get_peer (GDBusConnection *connection);
