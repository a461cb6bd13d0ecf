/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What one sender on a message bus may have unanswered. GDBus takes in whatever comes, and queues it for the
 * main loop: a sender that wants no replies is stopped by no limit of the bus either (dbus-daemon counts
 * replies that are due). Beyond this a call is refused as soon as it is read, in GDBus' thread, with
 * org.freedesktop.DBus.Error.LimitsExceeded, and costs the main loop nothing. */
#define AGL_BUS_MAX_UNANSWERED 256

/* All senders together: beyond it a sender may have no more than the few below. A user has as many
 * connections as the bus lets him (256 by default), and what GDBus answers itself (properties, introspection)
 * takes no turns. */
#define AGL_BUS_MAX_UNANSWERED_OF_ALL 1024
#define AGL_BUS_SPARED_UNANSWERED     8

/* To be called before anything is exported on @connection. Lives with the connection. */
void agl_bus_throttle_attach (GDBusConnection *connection);
