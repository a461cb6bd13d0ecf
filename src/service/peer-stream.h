/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

#include "core/told.h"
#include "service/peer-ledger.h"

/* The stream between GDBus and a peer that is not trusted. Given a GSocketConnection, GDBus reads whatever is
 * sent: messages of up to 128 MiB, each allocated before it has arrived, and calls without end, queued
 * faster than they are answered. This stream reads messages of a bounded size only, and stops reading while
 * the peer has too many calls unanswered: what it sends further waits in its own socket buffer, and then it
 * waits itself. That bounds the memory of a connection, and lets other connections have their turn.
 *
 * GDBus reads and writes in one thread of its own, in which filters run as well; all is
 * called there only, but for agl_peer_stream_abort and agl_peer_stream_has_hung_up. */
#define AGL_TYPE_PEER_STREAM (agl_peer_stream_get_type ())
G_DECLARE_FINAL_TYPE (AglPeerStream, agl_peer_stream, AGL, PEER_STREAM, GIOStream)

/* @fd: a connected UNIX socket, non-blocking, authenticated as @uid; taken over. Of descriptors that come
 * through it those that are neither directories nor pidfds are replaced by one that is neither (see
 * descriptor-sink.h). */
AglPeerStream *agl_peer_stream_new_take_fd (int fd, uid_t uid, const AglPeerLimits *limits);

/* To be called for each incoming message, in an incoming filter before any other: gives it its descriptors
 * (which GDBus does itself for a GSocketConnection only). @message: (transfer full). NULL: it was malformed,
 * and the connection is ending. */
GDBusMessage *agl_peer_stream_received (AglPeerStream *self, GDBusMessage *message);

/* To be called for each reply as it is written, in an outgoing filter: one call less. FALSE: the caller
 * wanted no reply, drop it. Every call must be replied to (this stream hides the flag that says otherwise,
 * so that GDBus does). */
gboolean agl_peer_stream_replied (AglPeerStream *self, guint32 reply_serial);

/* To be called as a message is about to be written, in an outgoing filter: it tells @news (transfer full). */
void agl_peer_stream_tell (AglPeerStream *self, AglNews *news);

/* Whether the peer has hung up, as the kernel knows it: GDBus learns of it when its thread comes to it. Any
 * thread. */
gboolean agl_peer_stream_has_hung_up (AglPeerStream *self);

/* Hangs up at once, also on a peer that does not read; GDBus then closes the connection. Any thread. */
void agl_peer_stream_abort (AglPeerStream *self);
