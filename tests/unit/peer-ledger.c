/* SPDX-License-Identifier: MIT */
#include "service/peer-ledger.h"

#include <string.h>
#include <unistd.h>

static const AglPeerLimits limits = { .max_message_bytes = 1000, .max_call_bytes = 1500, .max_calls = 4 };

/* As a little-endian peer sends it. */
static void
make_header (guint8 *header, guint8 type, guint8 flags, guint32 serial, guint32 n_fields, guint32 n_body)
{
  const guint32 words[] = { GUINT32_TO_LE (n_body), GUINT32_TO_LE (serial), GUINT32_TO_LE (n_fields) };

  header[0] = 'l';
  header[1] = type;
  header[2] = flags;
  header[3] = 1;
  memcpy (header + 4, words, sizeof words);
}

static gsize
assert_begins (AglPeerLedger *ledger, guint8 *header)
{
  g_autoptr (GError) error = NULL;
  gsize n_bytes = 0;

  g_assert_true (agl_peer_ledger_begin (ledger, header, &n_bytes, &error));
  g_assert_no_error (error);
  return n_bytes;
}

static void
assert_refused (AglPeerLedger *ledger, guint8 *header)
{
  g_autoptr (GError) error = NULL;
  gsize n_bytes;

  g_assert_false (agl_peer_ledger_begin (ledger, header, &n_bytes, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static void
begin_call (AglPeerLedger *ledger, guint32 serial, guint32 n_body)
{
  guint8 header[AGL_HEADER_BYTES];

  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, serial, 8, n_body);
  assert_begins (ledger, header);
}

static void
test_size (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  guint8 header[AGL_HEADER_BYTES];
  const guint32 big_endian[] = { GUINT32_TO_BE (5), GUINT32_TO_BE (3), GUINT32_TO_BE (9) };

  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 1, 1, 0);
  g_assert_cmpuint (assert_begins (ledger, header), ==, 16 + 8);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 2, 8, 3);
  g_assert_cmpuint (assert_begins (ledger, header), ==, 16 + 8 + 3);
  header[0] = 'B';
  memcpy (header + 4, big_endian, sizeof big_endian);
  g_assert_cmpuint (assert_begins (ledger, header), ==, 16 + 16 + 5);

  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 4, 8, 1000 - 24);
  g_assert_cmpuint (assert_begins (ledger, header), ==, 1000);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 5, 8, 1000 - 23);
  assert_refused (ledger, header);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 5, 8, G_MAXUINT32);
  assert_refused (ledger, header);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 5, G_MAXUINT32, 0);
  assert_refused (ledger, header);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 5, G_MAXUINT32, G_MAXUINT32);
  assert_refused (ledger, header);
}

static void
test_malformed (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  guint8 header[AGL_HEADER_BYTES];
  static const struct
  {
    gsize offset;
    guint8 value;
  } damages[] = { { 0, 'L' }, { 0, 0 }, { 1, 0 }, { 3, 0 }, { 3, 2 }, { 8, 0 }, { 12, 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 1, 8, 0);
      header[damages[i].offset] = damages[i].value;
      assert_refused (ledger, header);
    }
  /* And the undamaged one is none. */
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 1, 8, 0);
  assert_begins (ledger, header);
}

static void
test_number_of_calls (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  guint8 header[AGL_HEADER_BYTES];

  for (guint32 serial = 1; serial <= 4; serial++)
    {
      g_assert_true (agl_peer_ledger_may_begin (ledger));
      begin_call (ledger, serial, 0);
    }
  g_assert_false (agl_peer_ledger_may_begin (ledger));
  /* A reply to something else is none of these. */
  g_assert_true (agl_peer_ledger_settle (ledger, 99));
  g_assert_false (agl_peer_ledger_may_begin (ledger));
  g_assert_true (agl_peer_ledger_settle (ledger, 3));
  g_assert_true (agl_peer_ledger_may_begin (ledger));

  /* What is no call needs no answer. */
  for (guint32 i = 0; i < 100; i++)
    {
      make_header (header, G_DBUS_MESSAGE_TYPE_SIGNAL, 0, 3, 8, 0);
      assert_begins (ledger, header);
    }
  g_assert_true (agl_peer_ledger_may_begin (ledger));
}

static void
test_bytes_of_calls (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);

  begin_call (ledger, 1, 900);
  g_assert_true (agl_peer_ledger_may_begin (ledger));
  begin_call (ledger, 2, 900);
  g_assert_false (agl_peer_ledger_may_begin (ledger));
  agl_peer_ledger_settle (ledger, 1);
  g_assert_true (agl_peer_ledger_may_begin (ledger));
}

static void
test_same_serial (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  guint8 header[AGL_HEADER_BYTES];

  begin_call (ledger, 7, 0);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0, 7, 8, 0);
  assert_refused (ledger, header);
  agl_peer_ledger_settle (ledger, 7);
  assert_begins (ledger, header);
}

static void
test_no_reply (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  guint8 header[AGL_HEADER_BYTES];

  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0x7, 1, 8, 0);
  assert_begins (ledger, header);
  g_assert_cmpint (header[2], ==, 0x6);
  make_header (header, G_DBUS_MESSAGE_TYPE_METHOD_CALL, 0x6, 2, 8, 0);
  assert_begins (ledger, header);
  g_assert_cmpint (header[2], ==, 0x6);
  g_assert_false (agl_peer_ledger_settle (ledger, 1));
  g_assert_true (agl_peer_ledger_settle (ledger, 2));
}

static GUnixFDList *
make_fds (gsize n)
{
  GUnixFDList *fds = g_unix_fd_list_new ();

  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (g_unix_fd_list_append (fds, STDOUT_FILENO, NULL), >=, 0);
  return fds;
}

static GDBusMessage *
make_message (guint32 serial, guint32 n_fds)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, "/", "a.b", "C");

  g_dbus_message_set_serial (message, serial);
  if (n_fds > 0)
    g_dbus_message_set_num_unix_fds (message, n_fds);
  return message;
}

static void
test_descriptors (void)
{
  g_autoptr (AglPeerLedger) ledger = agl_peer_ledger_new (&limits);
  g_autoptr (GDBusMessage) without = make_message (1, 0);
  g_autoptr (GDBusMessage) with = make_message (2, 3);
  g_autoptr (GDBusMessage) wrong = make_message (3, 1);
  g_autoptr (GDBusMessage) missing = make_message (4, 1);
  g_autoptr (GUnixFDList) first = NULL, second = NULL, third = NULL, fourth = NULL;

  begin_call (ledger, 1, 0);
  agl_peer_ledger_end (ledger, NULL);
  begin_call (ledger, 2, 0);
  agl_peer_ledger_end (ledger, make_fds (3));
  g_assert_true (agl_peer_ledger_may_begin (ledger));
  begin_call (ledger, 3, 0);
  agl_peer_ledger_end (ledger, make_fds (2));
  /* Five descriptors, where four calls are allowed. */
  g_assert_false (agl_peer_ledger_may_begin (ledger));

  g_assert_true (agl_peer_ledger_claim_fds (ledger, without, &first));
  g_assert_null (first);
  g_assert_true (agl_peer_ledger_claim_fds (ledger, with, &second));
  g_assert_cmpint (g_unix_fd_list_get_length (second), ==, 3);
  g_assert_false (agl_peer_ledger_claim_fds (ledger, wrong, &third));
  g_assert_false (agl_peer_ledger_claim_fds (ledger, missing, &fourth));
  agl_peer_ledger_settle (ledger, 2);
  g_assert_true (agl_peer_ledger_may_begin (ledger));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/peer-ledger/size", test_size);
  g_test_add_func ("/peer-ledger/malformed", test_malformed);
  g_test_add_func ("/peer-ledger/number-of-calls", test_number_of_calls);
  g_test_add_func ("/peer-ledger/bytes-of-calls", test_bytes_of_calls);
  g_test_add_func ("/peer-ledger/same-serial", test_same_serial);
  g_test_add_func ("/peer-ledger/no-reply", test_no_reply);
  g_test_add_func ("/peer-ledger/descriptors", test_descriptors);
  return g_test_run ();
}
