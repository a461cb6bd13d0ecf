/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>
#include <sys/types.h>

/* The server's part of D-Bus authentication (D-Bus specification, "Authentication Protocol"), as a state
 * machine that is fed bytes and does no input or output itself. Written anew here because GDBus runs it in
 * one thread of GTask's pool for each connection, without a time limit: ten peers that say nothing would stop
 * every other task of the process. The only mechanism is EXTERNAL: the kernel has said who it is, the peer
 * may agree or say nothing. */
typedef struct _AglHandshake AglHandshake;

typedef enum
{
  AGL_HANDSHAKE_MORE,  /* feed it what comes next */
  AGL_HANDSHAKE_DONE,  /* authenticated: the next byte belongs to a message */
  AGL_HANDSHAKE_FAILED /* hang up */
} AglHandshakeState;

/* TRUE when the peer may call itself @claimed. */
typedef gboolean (*AglHandshakeJudge) (uid_t claimed, gpointer user_data);

/* @guid: of the server, from g_dbus_generate_guid(). */
AglHandshake *agl_handshake_new (const char *guid, AglHandshakeJudge judge, gpointer user_data);
void agl_handshake_free (AglHandshake *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglHandshake, agl_handshake_free)

/* @n_used: how many of @bytes were the handshake's: all of them, except when it is DONE.
 * @answer: what to send is appended, also when it FAILED. Not to be called again after DONE or FAILED. */
AglHandshakeState
agl_handshake_feed (AglHandshake *self, const char *bytes, gsize n_bytes, gsize *n_used, GString *answer);
