/* SPDX-License-Identifier: MIT */
#include "common/text.h"

#include <string.h>

#include "common/names.h"

static gboolean
is_harmless (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* the bidirectional marks and zero-width characters */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_UNASSIGNED:
      return FALSE;
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_SPACING_MARK:
    case G_UNICODE_ENCLOSING_MARK:
    case G_UNICODE_NON_SPACING_MARK:
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
    case G_UNICODE_CURRENCY_SYMBOL:
    case G_UNICODE_MODIFIER_SYMBOL:
    case G_UNICODE_MATH_SYMBOL:
    case G_UNICODE_OTHER_SYMBOL:
    case G_UNICODE_SPACE_SEPARATOR:
      return c != '\\';
    }
  return FALSE;
}

static void
append_escaped (GString *out, gunichar c)
{
  if (c == '\n')
    g_string_append (out, "\\n");
  else if (c == '\t')
    g_string_append (out, "\\t");
  else if (c == '\\')
    g_string_append (out, "\\\\");
  else if (c < 0x80)
    g_string_append_printf (out, "\\x%02x", (guint)c);
  else
    g_string_append_printf (out, "\\u{%x}", (guint)c);
}

/* Most names and paths are nothing else, and a copy of just their size is all that they need. */
static gboolean
is_plain (const char *bytes, const char *end)
{
  for (; bytes < end; bytes++)
    if (*bytes < ' ' || *bytes > '~' || *bytes == '\\')
      return FALSE;
  return TRUE;
}

char *
agl_text_escape (const char *bytes, gssize n_bytes)
{
  GString *out;
  const char *end;

  g_return_val_if_fail (bytes != NULL, NULL);

  end = bytes + (n_bytes < 0 ? strlen (bytes) : (gsize)n_bytes);
  if (is_plain (bytes, end))
    return g_strndup (bytes, end - bytes);
  out = g_string_sized_new (end - bytes);
  while (bytes < end)
    {
      gunichar c = g_utf8_get_char_validated (bytes, end - bytes);

      if (c == (gunichar)-1 || c == (gunichar)-2)
        {
          g_string_append_printf (out, "\\x%02x", (guint)(guchar)*bytes);
          bytes++;
          continue;
        }
      if (is_harmless (c))
        g_string_append_unichar (out, c);
      else
        append_escaped (out, c);
      bytes = g_utf8_next_char (bytes);
    }
  return g_string_free (out, FALSE);
}

char *
agl_text_shell_word (const char *text)
{
  g_autofree char *shown = agl_text_escape (text, -1);

  /* What means something between a shell's double quotes; "!" to those that know history. */
  if (strcmp (shown, text) != 0 || strpbrk (text, "$`\"\\!") != NULL)
    return NULL;
  return g_strdup_printf ("\"%s\"", text);
}

gboolean
agl_text_is_acceptable (const char *text)
{
  gsize length = strlen (text);

  return length <= AGL_MAX_TEXT_BYTES && g_utf8_validate (text, length, NULL);
}
