/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <gio/gunixconnection.h>

#include "core/told.h"

/* The stream between GDBus and the message bus: GIO's own, but for the writing, of which it is known how far
 * it has got when this service is killed (see told.h). Descriptors can be received, not sent.
 *
 * GDBus writes in one thread of its own, in which filters run as well. */
#define AGL_TYPE_BUS_STREAM (agl_bus_stream_get_type ())
G_DECLARE_FINAL_TYPE (AglBusStream, agl_bus_stream, AGL, BUS_STREAM, GUnixConnection)

/* @stream: connected. Returns such a stream on the same socket, or, where that is no UNIX socket, @stream. */
GIOStream *agl_bus_stream_new (GIOStream *stream);

/* To be called as a message is about to be written, in an outgoing filter: it tells @news (transfer full). */
void agl_bus_stream_tell (AglBusStream *self, AglNews *news);
