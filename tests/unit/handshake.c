/* SPDX-License-Identifier: MIT */
#include "service/handshake.h"

#include <string.h>

#define GUID    "0123456789abcdef0123456789abcdef"
#define OK_GUID "OK " GUID "\r\n"

/* Peers here are user 1000. */
static gboolean
is_1000 (uid_t claimed, gpointer user_data)
{
  return claimed == 1000;
}

typedef struct
{
  const char *name;
  const char *said; /* after the NUL */
  const char *answered;
  AglHandshakeState state;
} Conversation;

static const Conversation conversations[] = {
  { "GDBus", "AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", OK_GUID "AGREE_UNIX_FD\r\n",
    AGL_HANDSHAKE_DONE },
  { "libdbus", "AUTH\r\nAUTH EXTERNAL 31303030\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n" OK_GUID,
    AGL_HANDSHAKE_DONE },
  { "sd-bus", "AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
    "DATA\r\n" OK_GUID "AGREE_UNIX_FD\r\n", AGL_HANDSHAKE_DONE },
  { "data later", "AUTH EXTERNAL\r\nDATA 31303030\r\nBEGIN\r\n", "DATA\r\n" OK_GUID, AGL_HANDSHAKE_DONE },
  { "not begun", "AUTH EXTERNAL 31303030\r\n", OK_GUID, AGL_HANDSHAKE_MORE },
  { "another's uid", "AUTH EXTERNAL 30\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_FAILED },
  { "another's uid, as data", "AUTH EXTERNAL\r\nDATA 30\r\nBEGIN\r\n", "DATA\r\nREJECTED EXTERNAL\r\n",
    AGL_HANDSHAKE_FAILED },
  { "rejected, then right", "AUTH EXTERNAL 30\r\nAUTH EXTERNAL 31303030\r\nBEGIN\r\n",
    "REJECTED EXTERNAL\r\n" OK_GUID, AGL_HANDSHAKE_DONE },
  { "no number", "AUTH EXTERNAL 726f6f74\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "negative", "AUTH EXTERNAL 2d31\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "no hexadecimal", "AUTH EXTERNAL 3130303x\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "half a digit", "AUTH EXTERNAL 3130303\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "1000 modulo 2^32", "AUTH EXTERNAL 34323934393638323936\r\n", "REJECTED EXTERNAL\r\n",
    AGL_HANDSHAKE_MORE },
  { "zero at the end", "AUTH EXTERNAL 3130303000\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "very long number", "AUTH EXTERNAL 3030303030303030303030303030303030303030313030300d0a\r\n",
    "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "anonymous", "AUTH ANONYMOUS 6162\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_FAILED },
  { "cookie", "AUTH DBUS_COOKIE_SHA1 31303030\r\n", "REJECTED EXTERNAL\r\n", AGL_HANDSHAKE_MORE },
  { "begin at once", "BEGIN\r\n", "", AGL_HANDSHAKE_FAILED },
  { "begin before data", "AUTH EXTERNAL\r\nBEGIN\r\n", "DATA\r\n", AGL_HANDSHAKE_FAILED },
  { "data before auth", "DATA 31303030\r\n", "ERROR\r\n", AGL_HANDSHAKE_MORE },
  { "descriptors before auth", "NEGOTIATE_UNIX_FD\r\n", "ERROR\r\n", AGL_HANDSHAKE_MORE },
  { "auth twice", "AUTH EXTERNAL 31303030\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", OK_GUID "ERROR\r\n",
    AGL_HANDSHAKE_DONE },
  { "cancelled", "AUTH EXTERNAL 31303030\r\nCANCEL\r\nBEGIN\r\n", OK_GUID "REJECTED EXTERNAL\r\n",
    AGL_HANDSHAKE_FAILED },
  { "unknown word", "HELO\r\n", "ERROR\r\n", AGL_HANDSHAKE_MORE },
  { "empty line", "\r\n", "ERROR\r\n", AGL_HANDSHAKE_MORE },
  { "no carriage return", "AUTH\n", "", AGL_HANDSHAKE_FAILED },
  { "only a line feed", "\n", "", AGL_HANDSHAKE_FAILED },
  { "not ASCII", "AUTH \xc3\xa4\r\n", "", AGL_HANDSHAKE_FAILED },
};

static AglHandshakeState
feed (AglHandshake *handshake, const char *bytes, gsize n_bytes, gsize step, gsize *n_used, GString *answer)
{
  AglHandshakeState state = AGL_HANDSHAKE_MORE;

  *n_used = 0;
  for (gsize i = 0; i < n_bytes && state == AGL_HANDSHAKE_MORE; i += step)
    {
      gsize n;

      state = agl_handshake_feed (handshake, bytes + i, MIN (step, n_bytes - i), &n, answer);
      *n_used += n;
    }
  return state;
}

static void
test_conversations (void)
{
  static const gsize steps[] = { 1, 3, 4096 };

  for (gsize i = 0; i < G_N_ELEMENTS (conversations); i++)
    {
      const Conversation *it = &conversations[i];
      g_autoptr (GString) said = g_string_new_len ("", 1);

      g_string_append (said, it->said);
      for (gsize j = 0; j < G_N_ELEMENTS (steps); j++)
        {
          g_autoptr (AglHandshake) handshake = agl_handshake_new (GUID, is_1000, NULL);
          g_autoptr (GString) answer = g_string_new (NULL);
          gsize n_used;

          g_test_message ("%s, %" G_GSIZE_FORMAT " bytes at a time", it->name, steps[j]);
          g_assert_cmpint (feed (handshake, said->str, said->len, steps[j], &n_used, answer), ==, it->state);
          g_assert_cmpstr (answer->str, ==, it->answered);
        }
    }
}

/* What follows BEGIN in the same write is a message already. */
static void
test_not_a_byte_too_many (void)
{
  static const char said[] = "\0AUTH EXTERNAL 31303030\r\nBEGIN\r\nl\1\0\1";
  g_autoptr (AglHandshake) handshake = agl_handshake_new (GUID, is_1000, NULL);
  g_autoptr (GString) answer = g_string_new (NULL);
  gsize n_used;

  g_assert_cmpint (agl_handshake_feed (handshake, said, sizeof said - 1, &n_used, answer), ==,
                   AGL_HANDSHAKE_DONE);
  g_assert_cmpuint (n_used, ==, sizeof said - 1 - 4);
}

static void
test_first_byte (void)
{
  g_autoptr (AglHandshake) handshake = agl_handshake_new (GUID, is_1000, NULL);
  g_autoptr (GString) answer = g_string_new (NULL);
  gsize n_used;

  g_assert_cmpint (agl_handshake_feed (handshake, "A", 1, &n_used, answer), ==, AGL_HANDSHAKE_FAILED);
}

static void
test_bounds (void)
{
  g_autoptr (AglHandshake) chatty = agl_handshake_new (GUID, is_1000, NULL);
  g_autoptr (AglHandshake) endless = agl_handshake_new (GUID, is_1000, NULL);
  g_autoptr (GString) answer = g_string_new (NULL);
  g_autoptr (GString) lines = g_string_new_len ("", 1);
  g_autoptr (GString) line = g_string_new_len ("", 1);
  gsize n_used;

  for (guint i = 0; i < 1000; i++)
    {
      g_string_append (lines, "AUTH\r\n");
      g_string_append_c (line, 'A');
    }
  g_assert_cmpint (agl_handshake_feed (chatty, lines->str, lines->len, &n_used, answer), ==,
                   AGL_HANDSHAKE_FAILED);
  g_assert_cmpuint (answer->len, <, 1000);
  g_assert_cmpint (agl_handshake_feed (endless, line->str, line->len, &n_used, answer), ==,
                   AGL_HANDSHAKE_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/handshake/conversations", test_conversations);
  g_test_add_func ("/handshake/not-a-byte-too-many", test_not_a_byte_too_many);
  g_test_add_func ("/handshake/first-byte", test_first_byte);
  g_test_add_func ("/handshake/bounds", test_bounds);
  return g_test_run ();
}
