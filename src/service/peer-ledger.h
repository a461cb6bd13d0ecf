/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* What one peer has asked for and not been answered yet, and the bounds on it. Judges each message by the
 * sixteen bytes it begins with, before any more of it is read. No input or output; one thread. */
typedef struct _AglPeerLedger AglPeerLedger;

/* What every message begins with (D-Bus specification, "Message Format"). */
#define AGL_HEADER_BYTES 16

/* Descriptors in one message. The interface has methods that take two. */
#define AGL_PEER_MAX_FDS 4

/* What all connections of one user have unanswered together. A g_atomic_rc_box. */
typedef struct
{
  int n_calls; /* atomic */
} AglPeerShare;

/* That of @uid in @shares (uid → AglPeerShare), which is made when there is none. (transfer none) */
AglPeerShare *agl_peer_share_of (GHashTable *shares, uid_t uid);

typedef struct
{
  gsize max_message_bytes; /* a larger message ends the connection */
  gsize max_call_bytes;    /* not more of unanswered calls together: no reading until some are answered */
  guint max_calls;         /* the same by number, and by descriptors sent with them */
  AglPeerShare *share;     /* referenced; NULL: nobody else has a part in it */
  guint max_shared_calls;  /* beyond that no reading from whoever of them has max_spared_calls */
  guint max_spared_calls;  /* at least 1: an answer is what lets a connection go on */
} AglPeerLimits;

AglPeerLedger *agl_peer_ledger_new (const AglPeerLimits *limits);
void agl_peer_ledger_free (AglPeerLedger *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglPeerLedger, agl_peer_ledger_free)

/* FALSE: nothing more is to be read for now. */
gboolean agl_peer_ledger_may_begin (const AglPeerLedger *self);

/* @header: AGL_HEADER_BYTES. The flag that no reply is expected is cleared in it and kept here, so that every
 * call is replied to and the ledger learns of it. @n_bytes: of the whole message.
 * Errors: G_IO_ERROR_INVALID_DATA: the connection is to be closed. */
gboolean agl_peer_ledger_begin (AglPeerLedger *self, guint8 *header, gsize *n_bytes, GError **error);
/* The message has been read. @fds: (nullable) (transfer full): what came with it. */
void agl_peer_ledger_end (AglPeerLedger *self, GUnixFDList *fds);

/* To be called for each message in the order of their ends. @fds: (transfer full): what came with it, NULL
 * for nothing. FALSE: not as many as its header says. */
gboolean agl_peer_ledger_claim_fds (AglPeerLedger *self, GDBusMessage *message, GUnixFDList **fds);

/* The call with this serial is answered. FALSE: it wanted no answer. */
gboolean agl_peer_ledger_settle (AglPeerLedger *self, guint32 serial);
