/* SPDX-License-Identifier: MIT */
#include "core/strict-json.h"

#include <string.h>

static gboolean
complain (GError **error, gsize at, const char *what)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "byte %" G_GSIZE_FORMAT ": %s", at, what);
  return FALSE;
}

/* The four hexadecimal digits of an escape; -1 when they are not. */
static int
read_hex (const char *data, gsize n_bytes, gsize at)
{
  int value = 0;

  if (n_bytes < 4 || at > n_bytes - 4)
    return -1;
  for (gsize i = at; i < at + 4; i++)
    {
      int digit = g_ascii_xdigit_value (data[i]);

      if (digit < 0)
        return -1;
      value = value * 16 + digit;
    }
  return value;
}

/* @at: of the backslash; moved behind the escape, a surrogate pair as one. */
static gboolean
skip_escape (const char *data, gsize n_bytes, gsize *at, GError **error)
{
  int high, low;

  if (*at + 1 >= n_bytes || data[*at + 1] == '\0' || strchr ("\"\\/bfnrtu", data[*at + 1]) == NULL)
    return complain (error, *at, "no such escape");
  if (data[*at + 1] != 'u')
    {
      *at += 2;
      return TRUE;
    }

  high = read_hex (data, n_bytes, *at + 2);
  if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
    return complain (error, *at, "no character");
  if (high < 0xd800 || high > 0xdbff)
    {
      *at += 6;
      return TRUE;
    }

  low = *at + 7 < n_bytes && data[*at + 6] == '\\' && data[*at + 7] == 'u' ? read_hex (data, n_bytes, *at + 8)
                                                                           : -1;
  if (low < 0xdc00 || low > 0xdfff)
    return complain (error, *at, "half a surrogate pair");
  *at += 12;
  return TRUE;
}

/* @at: of the opening quote; moved behind the closing one. */
static gboolean
skip_string (const char *data, gsize n_bytes, gsize *at, GError **error)
{
  (*at)++;
  while (*at < n_bytes)
    {
      char c = data[*at];

      if (c == '"')
        {
          (*at)++;
          return TRUE;
        }
      if (c == '\\')
        {
          if (!skip_escape (data, n_bytes, at, error))
            return FALSE;
          continue;
        }
      if (!g_ascii_isprint (c))
        return complain (error, *at, "not printable ASCII");
      (*at)++;
    }
  return complain (error, *at, "ends within a string");
}

static gboolean
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

gboolean
agl_strict_json_check (const char *data, gsize n_bytes, GError **error)
{
  gsize at = 0;
  guint depth = 0;
  gboolean is_over = FALSE;

  while (at < n_bytes)
    {
      char c = data[at];

      if (depth == 0 && !is_blank (c) && (is_over || c != '{'))
        return complain (error, at, "not one object");
      if (c == '"')
        {
          if (!skip_string (data, n_bytes, &at, error))
            return FALSE;
          continue;
        }
      if (c == '{' || c == '[')
        depth++;
      else if (c == '}' || c == ']')
        depth--;
      else if (c == '\0' || strchr (":,-+.0123456789truefalsn \t\r\n", c) == NULL)
        return complain (error, at, "not JSON");
      if (depth > AGL_STRICT_JSON_MAX_DEPTH)
        return complain (error, at, "too deep");
      is_over = depth == 0 && (is_over || c == '}' || c == ']');
      at++;
    }
  if (depth != 0)
    return complain (error, at, "cut short");
  return TRUE;
}

static gboolean
is_printable_ascii (const char *text)
{
  while (*text >= 0x20 && *text < 0x7f)
    text++;
  return *text == '\0';
}

char *
agl_strict_json_to_string (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, FALSE);
  GString *out;

  if (is_printable_ascii (text))
    return g_strconcat (text, "\n", NULL);
  out = g_string_sized_new (strlen (text) + 1);
  /* json-glib escapes what RFC 8259 asks for; the rest beyond ASCII can only stand within strings. */
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c >= 0x20 && c < 0x7f)
        g_string_append_c (out, (char)c);
      else if (c < 0x10000)
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_printf (out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + ((c - 0x10000) & 0x3ff));
    }
  g_string_append_c (out, '\n');
  return g_string_free (out, FALSE);
}

static JsonNode *
get_member (JsonObject *object, const char *key, JsonNodeType type, GType value_type, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is missing", key);
      return NULL;
    }
  if (json_node_get_node_type (node) != type
      || (type == JSON_NODE_VALUE && json_node_get_value_type (node) != value_type))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is of the wrong type", key);
      return NULL;
    }
  return node;
}

gboolean
agl_strict_json_get_int (
    JsonObject *object, const char *key, gint64 min, gint64 max, gint64 *value, GError **error)
{
  JsonNode *node = get_member (object, key, JSON_NODE_VALUE, G_TYPE_INT64, error);

  if (node == NULL)
    return FALSE;
  *value = json_node_get_int (node);
  if (*value < min || *value > max)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is out of range", key);
      return FALSE;
    }
  return TRUE;
}

gboolean
agl_strict_json_get_boolean (JsonObject *object, const char *key, gboolean *value, GError **error)
{
  JsonNode *node = get_member (object, key, JSON_NODE_VALUE, G_TYPE_BOOLEAN, error);

  if (node == NULL)
    return FALSE;
  *value = json_node_get_boolean (node);
  return TRUE;
}

const char *
agl_strict_json_get_string (JsonObject *object, const char *key, GError **error)
{
  JsonNode *node = get_member (object, key, JSON_NODE_VALUE, G_TYPE_STRING, error);

  return node != NULL ? json_node_get_string (node) : NULL;
}

JsonArray *
agl_strict_json_get_array (JsonObject *object, const char *key, guint max_length, GError **error)
{
  JsonNode *node = get_member (object, key, JSON_NODE_ARRAY, G_TYPE_INVALID, error);

  if (node == NULL)
    return NULL;
  if (json_array_get_length (json_node_get_array (node)) > max_length)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is too long", key);
      return NULL;
    }
  return json_node_get_array (node);
}

JsonObject *
agl_strict_json_get_object (JsonObject *object, const char *key, GError **error)
{
  JsonNode *node = get_member (object, key, JSON_NODE_OBJECT, G_TYPE_INVALID, error);

  return node != NULL ? json_node_get_object (node) : NULL;
}
