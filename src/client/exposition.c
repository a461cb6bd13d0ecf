/* SPDX-License-Identifier: MIT */
#include "client/exposition.h"

#include <string.h>

#include "client/lock-columns.h"

#define PREFIX         "agentctl_locks_"
#define RELEASE_PREFIX "released-"
#define N_MODES        4

static void
add_head (GString *out, const char *name, const char *type, const char *help)
{
  g_string_append_printf (out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void
add_number (GString *out, const char *name, const char *labels, guint64 value)
{
  g_string_append_printf (out, PREFIX "%s%s %" G_GUINT64_FORMAT "\n", name, labels, value);
}

/* As the format wants label values. Caller frees. */
static char *
escape_label (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p++)
    if (*p == '\n')
      g_string_append (out, "\\n");
    else if (*p == '"' || *p == '\\')
      g_string_append_printf (out, "\\%c", *p);
    else
      g_string_append_c (out, *p);
  return g_string_free (out, FALSE);
}

static void
add_info (GString *out, GVariant *properties)
{
  const char *version, *scope;
  g_autofree char *shown_version = NULL;
  g_autofree char *shown_scope = NULL;
  g_autofree char *labels = NULL;

  if (!g_variant_lookup (properties, "Version", "&s", &version)
      || !g_variant_lookup (properties, "Scope", "&s", &scope))
    return;
  shown_version = escape_label (version);
  shown_scope = escape_label (scope);
  labels = g_strdup_printf ("{version=\"%s\",scope=\"%s\"}", shown_version, shown_scope);
  add_head (out, "build_info", "gauge", "Which service this is; always 1.");
  add_number (out, "build_info", labels, 1);
}

/* agentctl's name and labels: dashboards read them. */
static void
add_active (GString *out, const guint64 n_process, const guint64 n_manual)
{
  add_head (out, "active", "gauge", "Number of active locks.");
  add_number (out, "active", "{type=\"auto\"}", n_process);
  add_number (out, "active", "{type=\"manual\"}", n_manual);
}

static void
add_locks (GString *out, GVariant *locks)
{
  static const char *const modes[N_MODES] = { "exclusive", "shared", "exclusive-subtree", "shared-subtree" };
  static const char *const kinds[] = { "process", "manual" };
  guint64 n[2][N_MODES] = { 0 };
  guint64 sum[2] = { 0 };
  GVariantIter iter;
  GVariant *lock;

  g_variant_iter_init (&iter, locks);
  while (g_variant_iter_loop (&iter, "@a{sv}", &lock))
    {
      const char *kind = "";
      guint mode = (agl_row_flag (lock, "shared") ? 1 : 0) + (agl_row_flag (lock, "subtree") ? 2 : 0);

      g_variant_lookup (lock, "kind", "&s", &kind);
      n[g_str_equal (kind, "manual") ? 1 : 0][mode]++;
      sum[g_str_equal (kind, "manual") ? 1 : 0]++;
    }
  add_active (out, sum[0], sum[1]);
  add_head (out, "held", "gauge", "Locks that are held, by kind and mode.");
  for (gsize kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
    for (gsize mode = 0; mode < N_MODES; mode++)
      {
        g_autofree char *labels = g_strdup_printf ("{kind=\"%s\",mode=\"%s\"}", kinds[kind], modes[mode]);

        add_number (out, "held", labels, n[kind][mode]);
      }
}

static void
add_waiters (GString *out, GVariant *properties)
{
  guint32 n_waiters;

  if (!g_variant_lookup (properties, "WaiterCount", "u", &n_waiters))
    return;
  add_head (out, "waiters", "gauge", "Requests that wait for a lock.");
  add_number (out, "waiters", "", n_waiters);
}

static void
add_counter (GString *out, GVariant *counters, const char *key, const char *name, const char *help)
{
  guint64 value;

  if (!g_variant_lookup (counters, key, "t", &value))
    return;
  add_head (out, name, "counter", help);
  add_number (out, name, "", value);
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *)a, *(const char *const *)b);
}

/* The keys of @counters that begin with @prefix, without it, sorted. Borrowed strings. */
static GPtrArray *
keys_with (GVariant *counters, const char *prefix)
{
  GPtrArray *keys = g_ptr_array_new ();
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, counters);
  while (g_variant_iter_next (&iter, "{&st}", &key, NULL))
    if (g_str_has_prefix (key, prefix))
      g_ptr_array_add (keys, (gpointer)(key + strlen (prefix)));
  g_ptr_array_sort (keys, compare_keys);
  return keys;
}

static void
add_released (GString *out, GVariant *counters)
{
  g_autoptr (GPtrArray) reasons = keys_with (counters, RELEASE_PREFIX);

  if (reasons->len == 0)
    return;
  add_head (out, "released_total", "counter",
            "Locks that ended since the service started, by what proved it.");
  for (guint i = 0; i < reasons->len; i++)
    {
      const char *reason = g_ptr_array_index (reasons, i);
      g_autofree char *key = g_strconcat (RELEASE_PREFIX, reason, NULL);
      g_autofree char *escaped = escape_label (reason);
      g_autofree char *labels = g_strdup_printf ("{reason=\"%s\"}", escaped);
      guint64 value = 0;

      g_variant_lookup (counters, key, "t", &value);
      add_number (out, "released_total", labels, value);
    }
}

static int
compare_bounds (gconstpointer a, gconstpointer b)
{
  guint64 first = *(const guint64 *)a;
  guint64 second = *(const guint64 *)b;

  return (first > second) - (first < second);
}

/* @what: "hold", "wait". The service says which bounds there are. */
static void
add_histogram (GString *out, GVariant *counters, const char *what, const char *help)
{
  g_autofree char *name = g_strconcat (what, "_seconds", NULL);
  g_autofree char *bucket = g_strconcat (name, "_bucket", NULL);
  g_autofree char *count_key = g_strconcat (what, "-count", NULL);
  g_autofree char *sum_key = g_strconcat (what, "-usec-sum", NULL);
  g_autofree char *prefix = g_strconcat (what, "-seconds-le-", NULL);
  g_autoptr (GPtrArray) keys = keys_with (counters, prefix);
  g_autoptr (GArray) bounds = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint64 bound, count, sum_usec;

  if (!g_variant_lookup (counters, count_key, "t", &count)
      || !g_variant_lookup (counters, sum_key, "t", &sum_usec))
    return;
  for (guint i = 0; i < keys->len; i++)
    if (g_ascii_string_to_unsigned (g_ptr_array_index (keys, i), 10, 0, G_MAXUINT64, &bound, NULL))
      g_array_append_val (bounds, bound);
  g_array_sort (bounds, compare_bounds);
  add_head (out, name, "histogram", help);
  for (guint i = 0; i < bounds->len; i++)
    {
      g_autofree char *key =
          g_strdup_printf ("%s%" G_GUINT64_FORMAT, prefix, g_array_index (bounds, guint64, i));
      g_autofree char *labels =
          g_strdup_printf ("{le=\"%" G_GUINT64_FORMAT "\"}", g_array_index (bounds, guint64, i));
      guint64 value = 0;

      g_variant_lookup (counters, key, "t", &value);
      add_number (out, bucket, labels, value);
    }
  add_number (out, bucket, "{le=\"+Inf\"}", count);
  g_string_append_printf (out, PREFIX "%s_sum %" G_GUINT64_FORMAT ".%06" G_GUINT64_FORMAT "\n", name,
                          sum_usec / G_USEC_PER_SEC, sum_usec % G_USEC_PER_SEC);
  g_string_append_printf (out, PREFIX "%s_count %" G_GUINT64_FORMAT "\n", name, count);
}

char *
agl_exposition_format (GVariant *properties, GVariant *locks)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GVariant) counters = g_variant_lookup_value (properties, "Counters", G_VARIANT_TYPE ("a{st}"));
  g_autoptr (GVariant) histograms =
      g_variant_lookup_value (properties, "Histograms", G_VARIANT_TYPE ("a{st}"));

  add_info (out, properties);
  add_locks (out, locks);
  add_waiters (out, properties);
  if (counters == NULL)
    return g_string_free (out, FALSE);
  add_counter (out, counters, "acquired", "acquired_total",
               "Locks that were granted since the service started.");
  add_counter (out, counters, "refused", "refused_total", "Calls of Acquire that ended in an error.");
  add_counter (out, counters, "waited", "waited_total", "Requests that had to wait.");
  add_counter (out, counters, "restored", "restored_total",
               "Locks taken up from before the service started.");
  add_released (out, counters);
  if (histograms == NULL)
    return g_string_free (out, FALSE);
  add_histogram (out, histograms, "hold", "How long locks were held that have ended.");
  add_histogram (out, histograms, "wait", "How long requests waited that had to, however that ended.");
  return g_string_free (out, FALSE);
}
