/* SPDX-License-Identifier: MIT */
#include "service/handshake.h"

#include <string.h>

/* The longest sensible line is AUTH EXTERNAL and a number in hexadecimal, under 40 bytes. */
#define MAX_LINE_BYTES 256
/* Clients of all kinds need four; one that probes mechanisms a few more. */
#define MAX_LINES 32

typedef enum
{
  EXPECTS_NUL,   /* the byte that once carried credentials */
  EXPECTS_AUTH,  /* nothing agreed on */
  EXPECTS_DATA,  /* EXTERNAL chosen, its identity to come */
  EXPECTS_BEGIN, /* authenticated */
} State;

struct _AglHandshake
{
  char *guid;
  AglHandshakeJudge judge;
  gpointer user_data;
  State state;
  GString *line;
  guint n_lines;
};

AglHandshake *
agl_handshake_new (const char *guid, AglHandshakeJudge judge, gpointer user_data)
{
  AglHandshake *self = g_new0 (AglHandshake, 1);

  self->guid = g_strdup (guid);
  self->judge = judge;
  self->user_data = user_data;
  self->line = g_string_sized_new (MAX_LINE_BYTES);
  return self;
}

void
agl_handshake_free (AglHandshake *self)
{
  if (self == NULL)
    return;
  g_string_free (self->line, TRUE);
  g_free (self->guid);
  g_free (self);
}

/* "31303030" is "1000" is 1000. */
static gboolean
decode_uid (const char *hex, uid_t *uid)
{
  char decimal[16];
  gsize n_digits = strlen (hex) / 2;
  guint64 number;

  if (strlen (hex) % 2 != 0 || n_digits >= sizeof decimal)
    return FALSE;
  for (gsize i = 0; i < n_digits; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]);
      int low = g_ascii_xdigit_value (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      decimal[i] = (char)(high << 4 | low);
      if (decimal[i] == '\0')
        return FALSE;
    }
  decimal[n_digits] = '\0';
  if (!g_ascii_string_to_unsigned (decimal, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  *uid = (uid_t)number;
  return TRUE;
}

static void
reject (AglHandshake *self, GString *answer)
{
  self->state = EXPECTS_AUTH;
  g_string_append (answer, "REJECTED EXTERNAL\r\n");
}

/* @identity: "" when the peer leaves it to the kernel to say who it is, as sd-bus does. */
static void
judge_identity (AglHandshake *self, const char *identity, GString *answer)
{
  uid_t claimed;

  if (*identity != '\0' && (!decode_uid (identity, &claimed) || !self->judge (claimed, self->user_data)))
    {
      reject (self, answer);
      return;
    }
  self->state = EXPECTS_BEGIN;
  g_string_append_printf (answer, "OK %s\r\n", self->guid);
}

static void
take_auth (AglHandshake *self, const char *arguments, GString *answer)
{
  if (strcmp (arguments, "EXTERNAL") == 0)
    {
      self->state = EXPECTS_DATA;
      g_string_append (answer, "DATA\r\n");
    }
  else if (g_str_has_prefix (arguments, "EXTERNAL "))
    judge_identity (self, arguments + strlen ("EXTERNAL "), answer);
  else
    reject (self, answer);
}

static AglHandshakeState
take_line (AglHandshake *self, GString *answer)
{
  g_auto (GStrv) words = g_strsplit (self->line->str, " ", 2);
  const char *command = words[0] != NULL ? words[0] : "";
  const char *arguments = words[0] != NULL && words[1] != NULL ? words[1] : "";

  if (++self->n_lines > MAX_LINES)
    return AGL_HANDSHAKE_FAILED;

  if (strcmp (command, "BEGIN") == 0)
    return self->state == EXPECTS_BEGIN ? AGL_HANDSHAKE_DONE : AGL_HANDSHAKE_FAILED;

  if (strcmp (command, "AUTH") == 0 && self->state == EXPECTS_AUTH)
    take_auth (self, arguments, answer);
  else if (strcmp (command, "DATA") == 0 && self->state == EXPECTS_DATA)
    judge_identity (self, arguments, answer);
  else if (strcmp (command, "NEGOTIATE_UNIX_FD") == 0 && self->state == EXPECTS_BEGIN)
    g_string_append (answer, "AGREE_UNIX_FD\r\n");
  else if (strcmp (command, "CANCEL") == 0 || strcmp (command, "ERROR") == 0)
    reject (self, answer);
  else
    g_string_append (answer, "ERROR\r\n");
  return AGL_HANDSHAKE_MORE;
}

static AglHandshakeState
take_byte (AglHandshake *self, char byte, GString *answer)
{
  AglHandshakeState state;

  if (self->state == EXPECTS_NUL)
    {
      self->state = EXPECTS_AUTH;
      return byte == '\0' ? AGL_HANDSHAKE_MORE : AGL_HANDSHAKE_FAILED;
    }
  if (byte != '\n')
    {
      /* Lines are ASCII (same place of the specification). */
      if (byte == '\0' || (guchar)byte > 0x7f || self->line->len == MAX_LINE_BYTES)
        return AGL_HANDSHAKE_FAILED;
      g_string_append_c (self->line, byte);
      return AGL_HANDSHAKE_MORE;
    }
  if (self->line->len == 0 || self->line->str[self->line->len - 1] != '\r')
    return AGL_HANDSHAKE_FAILED;

  g_string_truncate (self->line, self->line->len - 1);
  state = take_line (self, answer);
  g_string_truncate (self->line, 0);
  return state;
}

AglHandshakeState
agl_handshake_feed (AglHandshake *self, const char *bytes, gsize n_bytes, gsize *n_used, GString *answer)
{
  for (gsize i = 0; i < n_bytes; i++)
    {
      AglHandshakeState state = take_byte (self, bytes[i], answer);

      *n_used = i + 1;
      if (state != AGL_HANDSHAKE_MORE)
        return state;
    }
  *n_used = n_bytes;
  return AGL_HANDSHAKE_MORE;
}
