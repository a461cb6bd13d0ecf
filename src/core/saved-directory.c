/* SPDX-License-Identifier: MIT */
#include "core/saved-directory.h"

#include <limits.h>
#include <string.h>

#include "common/text.h"
#include "core/strict-json.h"

/* name_to_handle_at(2): MAX_HANDLE_SZ is 128; the kernel's header and a mount id beside it. */
#define MAX_HANDLE_BYTES 256
/* "/a/a/…": each level takes two bytes of a path. */
#define MAX_ANCESTORS (PATH_MAX / 2)

static gboolean
invalid (GError **error, const char *what)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, what);
  return FALSE;
}

static char *
hex_encode (const guint8 *bytes, gsize n_bytes)
{
  static const char digits[] = "0123456789abcdef";
  char *text = g_malloc (n_bytes * 2 + 1);

  for (gsize i = 0; i < n_bytes; i++)
    {
      text[i * 2] = digits[bytes[i] >> 4];
      text[i * 2 + 1] = digits[bytes[i] & 0xf];
    }
  text[n_bytes * 2] = '\0';
  return text;
}

static GBytes *
hex_decode (const char *text, gsize max_bytes)
{
  gsize length = strlen (text);
  g_autofree guint8 *bytes = NULL;

  if (length == 0 || length % 2 != 0 || length / 2 > max_bytes)
    return NULL;
  bytes = g_malloc (length / 2);
  for (gsize i = 0; i < length; i += 2)
    {
      int high = g_ascii_xdigit_value (text[i]);
      int low = g_ascii_xdigit_value (text[i + 1]);

      if (high < 0 || low < 0)
        return NULL;
      bytes[i / 2] = high << 4 | low;
    }
  return g_bytes_new_take (g_steal_pointer (&bytes), length / 2);
}

static gboolean
is_path (const char *path, gsize length)
{
  return length > 0 && length < PATH_MAX && path[0] == '/' && strlen (path) == length;
}

const char *
agl_saved_directory_find_fault (const AglDirectory *directory)
{
  const char *path = agl_directory_get_path (directory);
  g_autoptr (GBytes) handle = agl_directory_dup_handle (directory);
  gsize n_ancestors = 0;

  agl_directory_get_ancestors (directory, &n_ancestors);
  if (!is_path (path, strlen (path)))
    return "its path is too long or not absolute";
  if (handle != NULL && (g_bytes_get_size (handle) == 0 || g_bytes_get_size (handle) > MAX_HANDLE_BYTES))
    return "its file handle is too long";
  if (n_ancestors > MAX_ANCESTORS)
    return "it lies too deep";
  return NULL;
}

static void
add_uint64 (JsonObject *object, const char *key, guint64 value)
{
  char digits[24];

  g_snprintf (digits, sizeof digits, "%" G_GUINT64_FORMAT, value);
  json_object_set_string_member (object, key, digits);
}

JsonObject *
agl_saved_directory_to_json (const AglDirectory *directory)
{
  JsonObject *object = json_object_new ();
  const AglDirectoryId *id = agl_directory_get_id (directory);
  const char *path = agl_directory_get_path (directory);
  g_autoptr (GBytes) handle = agl_directory_dup_handle (directory);
  gsize n_ancestors = 0;
  const AglDirectoryId *ancestors = agl_directory_get_ancestors (directory, &n_ancestors);
  JsonArray *chain = json_array_sized_new (n_ancestors);

  if (g_utf8_validate (path, -1, NULL))
    json_object_set_string_member (object, "path", path);
  else
    {
      g_autofree char *shown = agl_text_escape (path, -1);
      g_autofree char *hex = hex_encode ((const guint8 *)path, strlen (path));

      json_object_set_string_member (object, "path", shown);
      json_object_set_string_member (object, "path-bytes", hex);
    }
  add_uint64 (object, "dev", id->dev);
  add_uint64 (object, "ino", id->ino);
  if (handle != NULL)
    {
      g_autofree char *hex = hex_encode (g_bytes_get_data (handle, NULL), g_bytes_get_size (handle));

      json_object_set_string_member (object, "handle", hex);
    }
  json_object_set_boolean_member (object, "foreign", agl_directory_is_foreign (directory));

  for (gsize i = 0; i < n_ancestors; i++)
    {
      char pair[48];

      g_snprintf (pair, sizeof pair, "%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, ancestors[i].dev,
                  ancestors[i].ino);
      json_array_add_string_element (chain, pair);
    }
  json_object_set_array_member (object, "ancestors", chain);
  return object;
}

static gboolean
parse_uint64 (const char *text, guint64 *value)
{
  return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, value, NULL);
}

static gboolean
read_uint64 (JsonObject *object, const char *key, guint64 *value, GError **error)
{
  const char *text = agl_strict_json_get_string (object, key, error);

  if (text == NULL)
    return FALSE;
  if (!parse_uint64 (text, value))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "\"%s\" is no number", key);
      return FALSE;
    }
  return TRUE;
}

static char *
read_path (JsonObject *object, GError **error)
{
  const char *shown = agl_strict_json_get_string (object, "path", error);
  const char *hex;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *path = NULL;
  gsize length;

  if (shown == NULL)
    return NULL;
  if (!json_object_has_member (object, "path-bytes"))
    {
      path = g_strdup (shown);
      length = strlen (shown);
    }
  else
    {
      hex = agl_strict_json_get_string (object, "path-bytes", error);
      if (hex == NULL)
        return NULL;
      bytes = hex_decode (hex, PATH_MAX);
      length = bytes != NULL ? g_bytes_get_size (bytes) : 0;
      path = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), length) : g_strdup ("");
    }
  if (!is_path (path, length))
    {
      invalid (error, "no absolute path");
      return NULL;
    }
  return g_steal_pointer (&path);
}

static gboolean
read_ancestors (JsonObject *object, GArray *ids, GError **error)
{
  JsonArray *array = agl_strict_json_get_array (object, "ancestors", MAX_ANCESTORS, error);

  if (array == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      AglDirectoryId id;
      g_auto (GStrv) pair = NULL;

      if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
        return invalid (error, "\"ancestors\" are not all texts");
      pair = g_strsplit (json_node_get_string (node), ":", 3);
      if (g_strv_length (pair) != 2 || !parse_uint64 (pair[0], &id.dev) || !parse_uint64 (pair[1], &id.ino))
        return invalid (error, "\"ancestors\" are not all of the form DEV:INO");
      g_array_append_val (ids, id);
    }
  return TRUE;
}

AglDirectory *
agl_saved_directory_from_json (JsonObject *object, GError **error)
{
  AglDirectoryId id;
  g_autofree char *path = read_path (object, error);
  g_autoptr (GBytes) handle = NULL;
  g_autoptr (GArray) ancestors = g_array_new (FALSE, FALSE, sizeof (AglDirectoryId));
  gboolean foreign;

  if (path == NULL || !read_uint64 (object, "dev", &id.dev, error)
      || !read_uint64 (object, "ino", &id.ino, error)
      || !agl_strict_json_get_boolean (object, "foreign", &foreign, error)
      || !read_ancestors (object, ancestors, error))
    return NULL;
  if (json_object_has_member (object, "handle"))
    {
      const char *hex = agl_strict_json_get_string (object, "handle", error);

      if (hex == NULL)
        return NULL;
      handle = hex_decode (hex, MAX_HANDLE_BYTES);
      if (handle == NULL)
        {
          invalid (error, "\"handle\" is not of the form of one");
          return NULL;
        }
    }
  return agl_directory_new_saved (&id, handle, path, foreign, (const AglDirectoryId *)ancestors->data,
                                  ancestors->len);
}
