/* SPDX-License-Identifier: MIT */
#include "client/options.h"

static const GOptionEntry *
find_letter (const GOptionEntry *entries, char letter)
{
  for (; entries->long_name != NULL; entries++)
    if (entries->short_name == letter && entries->long_name[0] != '\0')
      return entries;
  return NULL;
}

static const GOptionEntry *
find_name (const GOptionEntry *entries, const char *name)
{
  for (; entries->long_name != NULL; entries++)
    if (g_str_equal (entries->long_name, name) && name[0] != '\0')
      return entries;
  return NULL;
}

static gboolean
has_value (const GOptionEntry *entry)
{
  return entry->arg != G_OPTION_ARG_NONE;
}

static gboolean
value_is_optional (const GOptionEntry *entry)
{
  return (entry->flags & G_OPTION_FLAG_OPTIONAL_ARG) != 0;
}

/* "-qE3" → "-q" "-E" "3"; "-w5" → "--wait=5"; "-w" → "--wait=". TRUE when the next word is a value. */
static gboolean
expand_cluster (const char *letters, const GOptionEntry *entries, GPtrArray *out)
{
  for (; *letters != '\0'; letters++)
    {
      const GOptionEntry *entry = find_letter (entries, *letters);
      const char *rest = letters + 1;

      if (entry != NULL && has_value (entry) && value_is_optional (entry))
        {
          g_ptr_array_add (out,
                           g_strconcat ("--", entry->long_name, "=", rest + (*rest == '=' ? 1 : 0), NULL));
          return FALSE;
        }
      g_ptr_array_add (out, g_strdup_printf ("-%c", *letters));
      if (entry != NULL && has_value (entry))
        {
          if (*rest == '\0')
            return TRUE;
          g_ptr_array_add (out, g_strdup (rest));
          return FALSE;
        }
      if (entry == NULL && *letters != 'h')
        {
          /* Unknown: left for GOption to name, in one piece. */
          g_free (g_ptr_array_steal_index (out, out->len - 1));
          g_ptr_array_add (out, g_strconcat ("-", letters, NULL));
          return FALSE;
        }
    }
  return FALSE;
}

static gboolean
expand_long (const char *arg, const GOptionEntry *entries, GPtrArray *out)
{
  const GOptionEntry *entry = find_name (entries, arg + 2);

  if (entry != NULL && has_value (entry) && value_is_optional (entry))
    {
      g_ptr_array_add (out, g_strconcat (arg, "=", NULL));
      return FALSE;
    }
  g_ptr_array_add (out, g_strdup (arg));
  return entry != NULL && has_value (entry);
}

char **
agl_options_expand (const char *const *args, const GOptionEntry *entries)
{
  GPtrArray *out = g_ptr_array_new_with_free_func (g_free);
  gboolean is_value = FALSE;

  for (; *args != NULL && !g_str_equal (*args, "--"); args++)
    {
      if (is_value || (*args)[0] != '-' || (*args)[1] == '\0')
        {
          g_ptr_array_add (out, g_strdup (*args));
          is_value = FALSE;
        }
      else if ((*args)[1] == '-')
        is_value = expand_long (*args, entries, out);
      else
        is_value = expand_cluster (*args + 1, entries, out);
    }
  for (; *args != NULL; args++)
    g_ptr_array_add (out, g_strdup (*args));
  g_ptr_array_add (out, NULL);
  return (char **)g_ptr_array_free (out, FALSE);
}
