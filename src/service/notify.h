/* SPDX-License-Identifier: MIT */
#pragma once

/* Tells whoever started us how we are (sd_notify(3): a datagram to $NOTIFY_SOCKET): "READY=1", "STOPPING=1",
 * "RELOADING=1". Does nothing where nobody asked. */
void agl_notify (const char *state);
