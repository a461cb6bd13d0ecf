/* SPDX-License-Identifier: MIT */
#include "service/peer-ledger.h"

#include <string.h>

/* Where in the header what is. */
#define HEADER_ORDER        0
#define HEADER_TYPE         1
#define HEADER_FLAGS        2
#define HEADER_VERSION      3
#define HEADER_BODY_BYTES   4
#define HEADER_SERIAL       8
#define HEADER_FIELDS_BYTES 12

#define FLAG_NO_REPLY_EXPECTED 0x1

typedef struct
{
  gsize n_bytes;
  guint n_fds;
  gboolean no_reply;
} Call;

/* The descriptors of a message that nobody has claimed yet. */
typedef struct
{
  guint32 serial;
  GUnixFDList *fds;
} Luggage;

struct _AglPeerLedger
{
  AglPeerLimits limits;
  GHashTable *calls; /* serial → Call */
  gsize call_bytes;
  guint call_fds;
  GQueue luggage;

  /* The message that is being read. */
  guint32 serial;
  Call *call; /* NULL: no call */
};

static void
luggage_free (gpointer data)
{
  Luggage *luggage = data;

  g_object_unref (luggage->fds);
  g_free (luggage);
}

AglPeerShare *
agl_peer_share_of (GHashTable *shares, uid_t uid)
{
  AglPeerShare *share = g_hash_table_lookup (shares, GUINT_TO_POINTER (uid));

  if (share == NULL)
    {
      share = g_atomic_rc_box_new0 (AglPeerShare);
      g_hash_table_insert (shares, GUINT_TO_POINTER (uid), share);
    }
  return share;
}

AglPeerLedger *
agl_peer_ledger_new (const AglPeerLimits *limits)
{
  AglPeerLedger *self = g_new0 (AglPeerLedger, 1);

  self->limits = *limits;
  if (limits->share != NULL)
    g_atomic_rc_box_acquire (limits->share);
  self->calls = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return self;
}

void
agl_peer_ledger_free (AglPeerLedger *self)
{
  if (self == NULL)
    return;
  if (self->limits.share != NULL)
    {
      g_atomic_int_add (&self->limits.share->n_calls, -(int)g_hash_table_size (self->calls));
      g_atomic_rc_box_release (self->limits.share);
    }
  g_hash_table_unref (self->calls);
  g_queue_clear_full (&self->luggage, luggage_free);
  g_free (self);
}

static gboolean
has_its_part (const AglPeerLedger *self)
{
  const AglPeerLimits *limits = &self->limits;

  return limits->share != NULL && g_atomic_int_get (&limits->share->n_calls) >= (int)limits->max_shared_calls
         && g_hash_table_size (self->calls) >= limits->max_spared_calls;
}

gboolean
agl_peer_ledger_may_begin (const AglPeerLedger *self)
{
  return !has_its_part (self) && g_hash_table_size (self->calls) < self->limits.max_calls
         && self->call_bytes < self->limits.max_call_bytes && self->call_fds < self->limits.max_calls;
}

static guint32
word_at (const guint8 *header, gsize offset)
{
  guint32 word;

  memcpy (&word, header + offset, sizeof word);
  return header[HEADER_ORDER] == 'l' ? GUINT32_FROM_LE (word) : GUINT32_FROM_BE (word);
}

static gboolean
measure (const AglPeerLedger *self, const guint8 *header, gsize *n_bytes, GError **error)
{
  /* In 64 bits none of the sums can overflow. */
  guint64 n_body = word_at (header, HEADER_BODY_BYTES);
  guint64 n_fields = word_at (header, HEADER_FIELDS_BYTES);
  guint64 n_total = AGL_HEADER_BYTES + (n_fields + 7) / 8 * 8 + n_body;

  if ((header[HEADER_ORDER] != 'l' && header[HEADER_ORDER] != 'B') || header[HEADER_TYPE] == 0
      || header[HEADER_VERSION] != 1 || n_fields == 0 || word_at (header, HEADER_SERIAL) == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "what it sent is no D-Bus message");
      return FALSE;
    }
  if (n_total > self->limits.max_message_bytes)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "it sent a message of %" G_GUINT64_FORMAT " bytes, over the limit of %" G_GSIZE_FORMAT,
                   n_total, self->limits.max_message_bytes);
      return FALSE;
    }
  *n_bytes = (gsize)n_total;
  return TRUE;
}

gboolean
agl_peer_ledger_begin (AglPeerLedger *self, guint8 *header, gsize *n_bytes, GError **error)
{
  if (!measure (self, header, n_bytes, error))
    return FALSE;
  self->serial = word_at (header, HEADER_SERIAL);
  self->call = NULL;
  if (header[HEADER_TYPE] != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return TRUE;

  if (g_hash_table_contains (self->calls, GUINT_TO_POINTER (self->serial)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "it sent two calls with the serial %u, the first of them unanswered", self->serial);
      return FALSE;
    }
  self->call = g_new0 (Call, 1);
  self->call->n_bytes = *n_bytes;
  self->call->no_reply = (header[HEADER_FLAGS] & FLAG_NO_REPLY_EXPECTED) != 0;
  header[HEADER_FLAGS] &= (guint8)~FLAG_NO_REPLY_EXPECTED;
  self->call_bytes += *n_bytes;
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (self->serial), self->call);
  if (self->limits.share != NULL)
    g_atomic_int_inc (&self->limits.share->n_calls);
  return TRUE;
}

void
agl_peer_ledger_end (AglPeerLedger *self, GUnixFDList *fds)
{
  Luggage *luggage;

  if (fds == NULL)
    return;
  if (self->call != NULL)
    {
      self->call->n_fds = (guint)g_unix_fd_list_get_length (fds);
      self->call_fds += self->call->n_fds;
    }
  luggage = g_new0 (Luggage, 1);
  luggage->serial = self->serial;
  luggage->fds = fds;
  g_queue_push_tail (&self->luggage, luggage);
}

gboolean
agl_peer_ledger_claim_fds (AglPeerLedger *self, GDBusMessage *message, GUnixFDList **fds)
{
  Luggage *luggage = g_queue_peek_head (&self->luggage);
  guint32 n_fds = 0;

  *fds = NULL;
  if (luggage != NULL && luggage->serial == g_dbus_message_get_serial (message))
    {
      g_queue_pop_head (&self->luggage);
      n_fds = (guint32)g_unix_fd_list_get_length (luggage->fds);
      *fds = g_object_ref (luggage->fds);
      luggage_free (luggage);
    }
  return n_fds == g_dbus_message_get_num_unix_fds (message);
}

gboolean
agl_peer_ledger_settle (AglPeerLedger *self, guint32 serial)
{
  const Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));
  gboolean is_wanted;

  if (call == NULL)
    return TRUE;
  is_wanted = !call->no_reply;
  self->call_bytes -= call->n_bytes;
  self->call_fds -= call->n_fds;
  g_hash_table_remove (self->calls, GUINT_TO_POINTER (serial));
  if (self->limits.share != NULL)
    g_atomic_int_add (&self->limits.share->n_calls, -1);
  return is_wanted;
}
