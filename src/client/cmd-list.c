/* SPDX-License-Identifier: MIT */
#include <glib/gi18n.h>
#include <string.h>

#include "client/command.h"
#include "client/json.h"
#include "client/lock-columns.h"
#include "client/place.h"
#include "client/service.h"

/* A directory of --directory or --under whose name is not UTF-8. List cannot be asked for it, but tells it of
 * each lock. */
typedef struct
{
  char *path; /* NULL: none */
  gboolean below_too;
} Bytes;

static gboolean
add_directory (GVariantBuilder *builder, const char *key, const char *argument, Bytes *bytes, GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *spelling = NULL;

  if (argument == NULL)
    return TRUE;
  path = agl_place_absolute (argument, error);
  if (path == NULL)
    return FALSE;
  spelling = agl_place_spell (path);
  if (g_utf8_validate (spelling, -1, NULL))
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (spelling));
  else
    *bytes = (Bytes){ g_steal_pointer (&spelling), g_str_equal (key, "under") };
  return TRUE;
}

/* NULL with @error. */
static GVariant *
make_filter (const AglOptions *options, Bytes *bytes, GError **error)
{
  GVariantBuilder builder;

  if (options->kind != NULL && !g_str_equal (options->kind, "process")
      && !g_str_equal (options->kind, "manual"))
    {
      g_set_error_literal (error, AGL_EXIT_ERROR, AGL_EXIT_USAGE, _ ("--kind is process or manual"));
      return NULL;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (!add_directory (&builder, "directory", options->directory, bytes, error)
      || !add_directory (&builder, "under", options->under, bytes, error))
    {
      g_variant_builder_clear (&builder);
      return NULL;
    }
  if (options->pid != 0)
    g_variant_builder_add (&builder, "{sv}", "pid", g_variant_new_uint32 ((guint32)options->pid));
  if (options->uid >= 0)
    g_variant_builder_add (&builder, "{sv}", "uid", g_variant_new_uint32 ((guint32)options->uid));
  if (options->kind != NULL)
    g_variant_builder_add (&builder, "{sv}", "kind", g_variant_new_string (options->kind));
  return g_variant_new ("(a{sv})", &builder);
}

static gboolean
is_at (GVariant *lock, const Bytes *bytes)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (lock, "directory-bytes", G_VARIANT_TYPE_BYTESTRING);
  gsize length = strlen (bytes->path);
  const char *path;
  gsize n;

  if (value == NULL)
    return FALSE; /* it is UTF-8 */
  path = g_variant_get_fixed_array (value, &n, 1);
  while (length > 1 && bytes->path[length - 1] == '/')
    length--;
  if (n < length || memcmp (path, bytes->path, length) != 0)
    return FALSE;
  return n == length || (bytes->below_too && path[length] == '/');
}

/* @locks is consumed. */
static GVariant *
narrow (GVariant *locks, const Bytes *bytes)
{
  g_autoptr (GVariant) all = locks;
  GVariantBuilder builder;

  if (bytes->path == NULL)
    return g_steal_pointer (&all);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) lock = g_variant_get_child_value (all, i);

      if (is_at (lock, bytes))
        g_variant_builder_add_value (&builder, lock);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
print_table (const AglOptions *options, GPtrArray *columns, GVariant *locks)
{
  AglScreen screen = agl_screen_of_options (options);
  g_autofree char *table = agl_table_format (columns, locks, !options->no_legend, &screen);
  gsize n = g_variant_n_children (locks);

  g_print ("%s", table);
  if (options->no_legend || !screen.is_terminal)
    return;
  if (n == 0)
    g_print (_ ("No locks.\n"));
  else
    g_print (ngettext ("\n%u lock listed.\n", "\n%u locks listed.\n", n), (guint)n);
}

static int
list (const AglOptions *options, GError **error)
{
  g_autoptr (GPtrArray) columns = NULL;
  g_autoptr (AglService) service = NULL;
  g_autoptr (GVariant) filter = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) locks = NULL;
  g_autofree char *path = NULL;
  Bytes bytes = { NULL, FALSE };

  columns = agl_columns_of_options (agl_lock_columns, options, error);
  filter = columns == NULL ? NULL : make_filter (options, &bytes, error);
  path = bytes.path;
  if (filter == NULL)
    return AGL_EXIT_OK;
  g_variant_ref_sink (filter);
  service = agl_service_find (&options->where, TRUE, error);
  reply = service == NULL ? NULL : agl_service_call (service, "List", filter, NULL, error);
  if (reply == NULL)
    return 0;
  g_variant_get (reply, "(@aa{sv})", &locks);
  locks = narrow (locks, &bytes);
  if (options->json)
    agl_json_print (locks, TRUE);
  else if (!options->quiet)
    print_table (options, columns, locks);
  return AGL_EXIT_OK;
}

const AglCommand agl_command_list = {
  .usage = {
    .name = "list",
    .synopsis = NULL,
    .summary = N_ ("List the locks; the same without a command"),
    .description = N_ (
      "On a terminal the table is fitted to it; elsewhere nothing is cut and times are exact. --output=help lists\n"
      "the columns.\n"
      "\n"
      "  agentctl-locks\n"
      "  agentctl-locks list --under=~/src --output=+session\n"
      "  agentctl-locks list --json | jq '.[].directory'\n"
      "\n"
      "Exits 0, also when there are no locks, 64 wrong usage, 69 no service, 70 anything else."),
    .groups = AGL_OPTIONS_FILTER | AGL_OPTIONS_PID | AGL_OPTIONS_JSON | AGL_OPTIONS_TABLE | AGL_OPTIONS_QUIET | AGL_OPTIONS_WHERE,
  },
  .run = list,
};
