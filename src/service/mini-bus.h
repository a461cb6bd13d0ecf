/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* Makes a direct connection look like a message bus with two names on it, the peer's and ours, so that
 * ordinary bus clients (busctl --address, gdbus call --dest, dbus-next, GJS) work where no bus daemon runs.
 * Answers the calls of org.freedesktop.DBus that such clients open with: Hello, AddMatch, RemoveMatch,
 * GetNameOwner, NameHasOwner, ListNames, ListActivatableNames, GetId, GetConnectionCredentials,
 * GetConnectionUnixProcessID, GetConnectionUnixUser, StartServiceByName, RequestName (refused), Peer.Ping and
 * Introspect; anything else is org.freedesktop.DBus.Error.UnknownMethod. Once a peer has said Hello, what we
 * send it carries a sender and its unique name, and of our signals it gets those that one of its match rules
 * asks for, as on a bus; a peer that never does (peer-to-peer GDBus, dbus-send --peer) gets plain messages
 * and every signal. Until it has said its first word, or been silent for a quarter of a second, signals are
 * held back: no bus client takes one before the answer to its Hello. There is nobody else on this bus: no
 * rule or name leads to another connection. */

/* To be called before message processing starts. Lives with the connection. */
void agl_mini_bus_attach (GDBusConnection *connection);

/* Our own unique name on every such bus. */
#define AGL_MINI_BUS_OWN_NAME ":1.0"
