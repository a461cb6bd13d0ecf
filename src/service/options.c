/* SPDX-License-Identifier: MIT */
#include "service/options.h"

#include "common/error.h"
#include "common/names.h"
#include "common/text.h"

#include <string.h>

static const AglOptionSpec *
find_spec (const AglOptionSpec *specs, const char *key)
{
  for (; specs->key != NULL; specs++)
    if (g_str_equal (specs->key, key))
      return specs;
  return NULL;
}

static gboolean
check (const AglOptionSpec *specs, AglOptions *seen, const char *key, GVariant *value, GError **error)
{
  const AglOptionSpec *spec = find_spec (specs, key);

  if (spec == NULL)
    {
      g_autofree char *start = g_utf8_substring (key, 0, MIN (g_utf8_strlen (key, -1), 64));
      g_autofree char *shown = agl_text_escape (start, -1);

      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "There is no option '%s'", shown);
      return FALSE;
    }
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (spec->type)))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "Option '%s' is of type '%s', not '%.16s'",
                   spec->key, spec->type, g_variant_get_type_string (value));
      return FALSE;
    }
  if (g_hash_table_contains (seen, key))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "Option '%s' is given twice", spec->key);
      return FALSE;
    }
  /* Unsigned on the wire (D-Bus specification, UNIX_FD), signed in a GVariant. Negative it must not pass for
   * one that was not given: the caller would hold what another was to hold. */
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_HANDLE) && g_variant_get_handle (value) < 0)
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION,
                   "Option '%s' names a descriptor that was not passed", spec->key);
      return FALSE;
    }
  return TRUE;
}

AglOptions *
agl_options_parse (GVariant *options, const AglOptionSpec *specs, GError **error)
{
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      if (!check (specs, seen, key, value, error))
        {
          g_variant_unref (value);
          return NULL;
        }
      g_hash_table_insert (seen, g_strdup (key), value);
    }
  return g_steal_pointer (&seen);
}

gboolean
agl_options_has (AglOptions *self, const char *key)
{
  return g_hash_table_contains (self, key);
}

gboolean
agl_options_get_boolean (AglOptions *self, const char *key, gboolean fallback)
{
  GVariant *value = g_hash_table_lookup (self, key);

  return value != NULL ? g_variant_get_boolean (value) : fallback;
}

guint32
agl_options_get_uint32 (AglOptions *self, const char *key, guint32 fallback)
{
  GVariant *value = g_hash_table_lookup (self, key);

  return value != NULL ? g_variant_get_uint32 (value) : fallback;
}

guint64
agl_options_get_uint64 (AglOptions *self, const char *key, guint64 fallback)
{
  GVariant *value = g_hash_table_lookup (self, key);

  return value != NULL ? g_variant_get_uint64 (value) : fallback;
}

const char *
agl_options_get_string (AglOptions *self, const char *key)
{
  GVariant *value = g_hash_table_lookup (self, key);

  return value != NULL ? g_variant_get_string (value, NULL) : NULL;
}

gint32
agl_options_get_handle (AglOptions *self, const char *key)
{
  GVariant *value = g_hash_table_lookup (self, key);

  return value != NULL ? g_variant_get_handle (value) : -1;
}

gboolean
agl_options_get_pid (AglOptions *self, const char *key, guint32 *pid, GError **error)
{
  *pid = agl_options_get_uint32 (self, key, 0);
  if (!agl_options_has (self, key) || (*pid > 0 && *pid <= G_MAXINT32))
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "Option '%s' is %u, which is no process id", key,
               *pid);
  return FALSE;
}

gboolean
agl_options_get_text (AglOptions *self, const char *key, char **text, GError **error)
{
  const char *given = agl_options_get_string (self, key);

  if (given != NULL && !agl_text_is_acceptable (given))
    {
      g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION,
                   "Option '%s' is %" G_GSIZE_FORMAT " bytes long; at most %d are kept", key, strlen (given),
                   AGL_MAX_TEXT_BYTES);
      return FALSE;
    }
  *text = g_strdup (given);
  return TRUE;
}

gboolean
agl_options_exclude (AglOptions *self, const char *one, const char *other, GError **error)
{
  if (!agl_options_has (self, one) || !agl_options_has (self, other))
    return TRUE;
  g_set_error (error, AGL_ERROR, AGL_ERROR_INVALID_OPTION, "Options '%s' and '%s' exclude each other", one,
               other);
  return FALSE;
}
