/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* A listening UNIX socket at a D-Bus address, and its file. */
typedef struct _AglListenSocket AglListenSocket;

/* @address: "unix:path=…", "unix:abstract=…", "unix:dir=…" or "unix:tmpdir=…" (D-Bus specification, "Unix
 * Domain Sockets"); one only. @mode: of the socket file. The file appears under its name with the mode set
 * and connections accepted, in place of one left over. Errors: any GIOError, prefixed with the address. */
AglListenSocket *agl_listen_socket_new (const char *address, mode_t mode, GError **error);
/* Stops listening, removes the file unless somebody else has put theirs there since. */
void agl_listen_socket_free (AglListenSocket *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglListenSocket, agl_listen_socket_free)

int agl_listen_socket_get_fd (const AglListenSocket *self);              /* non-blocking */
const char *agl_listen_socket_get_address (const AglListenSocket *self); /* as clients should connect */
