/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of all processors' time, taken by others before a row begins: more than this and a row is marked. */
#define LOADED 0.10

#define LOOK_USEC 150000

typedef struct
{
  char *what, *unit;
  double ours, reference, ratio, goal;
  AglGoal kind;
  gboolean loaded;
} Row;

static GPtrArray *rows;
static gboolean is_loaded;

static void
read_stat (double *busy, double *all)
{
  unsigned long long user, nice, sys, idle, wait, irq, soft, steal;
  FILE *file = fopen ("/proc/stat", "re");

  if (file == NULL
      || fscanf (file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &wait, &irq,
                 &soft, &steal)
             != 8)
    agl_bench_fail ("/proc/stat cannot be read");
  fclose (file);
  *busy = user + nice + sys + irq + soft + steal;
  *all = *busy + idle + wait;
}

void
agl_report_begin (const char *topic)
{
  double busy, all, busy_then, all_then;

  read_stat (&busy, &all);
  g_usleep (LOOK_USEC);
  read_stat (&busy_then, &all_then);
  is_loaded = all_then > all && (busy_then - busy) / (all_then - all) > LOADED;
  fprintf (stderr, "[%6.1f s] %s%s\n", agl_bench_now () / 1e6, topic,
           is_loaded ? " (others use this machine)" : "");
}

void
agl_report_add (const char *what,
                double ours,
                double reference,
                const char *unit,
                double ratio,
                AglGoal kind,
                double goal)
{
  Row *row = g_new0 (Row, 1);

  row->what = g_strdup (what);
  row->unit = g_strdup (unit);
  row->ours = ours;
  row->reference = reference;
  row->ratio = ratio;
  row->kind = kind;
  row->goal = goal;
  row->loaded = is_loaded;
  if (rows == NULL)
    rows = g_ptr_array_new ();
  g_ptr_array_add (rows, row);
}

void
agl_report_pair (const char *what, const AglPair *pair, AglGoal kind, double goal)
{
  agl_report_add (what, agl_bench_median (pair->ours), agl_bench_median (pair->reference), "µs",
                  agl_bench_median (pair->ratios), kind, goal);
}

static gboolean
is_met (const Row *row)
{
  double value = isnan (row->ratio) ? row->ours : row->ratio;

  return row->kind == AGL_GOAL_AT_MOST ? value <= row->goal : value >= row->goal;
}

static char *
format_number (double value, const char *unit)
{
  char *text;

  if (isnan (value))
    text = g_strdup ("–");
  else if (fabs (value) >= 100)
    text = g_strdup_printf ("%.0f %s", value, unit);
  else
    text = g_strdup_printf ("%.2f %s", value, unit);
  return g_strchomp (text);
}

static char *
format_goal (const Row *row)
{
  if (row->kind == AGL_GOAL_NONE)
    return g_strdup ("");
  return g_strdup_printf ("%s %g", row->kind == AGL_GOAL_AT_MOST ? "≤" : "≥", row->goal);
}

static const char *
format_met (const Row *row)
{
  if (row->kind == AGL_GOAL_NONE)
    return "";
  return is_met (row) ? "yes" : "NO";
}

static void
print_number (double value, int width, const char *unit)
{
  g_autofree char *text = format_number (value, unit);

  printf ("%*s%s", width - (int)g_utf8_strlen (text, -1), "", text);
}

static void
write_json (const char *path)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) error = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = g_ptr_array_index (rows, i);
      const struct
      {
        const char *key;
        double value;
      } numbers[] = { { "ours", row->ours }, { "reference", row->reference }, { "ratio", row->ratio } };

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "what");
      json_builder_add_string_value (builder, row->what);
      json_builder_set_member_name (builder, "unit");
      json_builder_add_string_value (builder, row->unit);
      for (guint n = 0; n < G_N_ELEMENTS (numbers); n++)
        {
          json_builder_set_member_name (builder, numbers[n].key);
          if (isnan (numbers[n].value))
            json_builder_add_null_value (builder);
          else
            json_builder_add_double_value (builder, numbers[n].value);
        }
      if (row->kind != AGL_GOAL_NONE)
        {
          json_builder_set_member_name (builder, row->kind == AGL_GOAL_AT_MOST ? "at-most" : "at-least");
          json_builder_add_double_value (builder, row->goal);
          json_builder_set_member_name (builder, "met");
          json_builder_add_boolean_value (builder, is_met (row));
        }
      json_builder_set_member_name (builder, "under-load");
      json_builder_add_boolean_value (builder, row->loaded);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  if (!json_generator_to_file (generator, path, &error))
    agl_bench_fail ("%s", error->message);
}

static char *
make_table (void)
{
  GString *table = g_string_new ("| row | ours | reference | ratio | goal | met |\n"
                                 "| --- | ---: | ---: | ---: | ---: | --- |\n");

  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = g_ptr_array_index (rows, i);
      g_autofree char *ours = format_number (row->ours, row->unit);
      g_autofree char *reference = format_number (row->reference, row->unit);
      g_autofree char *ratio = format_number (row->ratio, "");
      g_autofree char *goal = format_goal (row);

      g_string_append_printf (table, "| %s%s | %s | %s | %s | %s | %s%s |\n",
                              g_str_has_prefix (row->what, "  ") ? "· " : "",
                              row->what + strspn (row->what, " "), ours, reference, ratio, goal,
                              format_met (row), row->loaded ? " (under load)" : "");
    }
  return g_string_free (table, FALSE);
}

#define TABLE_BEGINS "<!-- figures: sh tests/bench.sh --page -->\n"
#define TABLE_ENDS   "<!-- end of figures -->"

static void
write_page (const char *path)
{
  g_autofree char *page = NULL, *table = make_table ();
  g_autoptr (GString) written = NULL;
  g_autoptr (GError) error = NULL;
  const char *begins, *ends;

  if (!g_file_get_contents (path, &page, NULL, &error))
    agl_bench_fail ("%s", error->message);
  begins = strstr (page, TABLE_BEGINS);
  ends = begins != NULL ? strstr (begins, TABLE_ENDS) : NULL;
  if (ends == NULL)
    agl_bench_fail ("%s has no place for the table", path);
  written = g_string_new_len (page, begins - page + strlen (TABLE_BEGINS));
  g_string_append_printf (written, "%s%s", table, ends);
  if (!g_file_set_contents (path, written->str, (gssize)written->len, &error))
    agl_bench_fail ("%s", error->message);
}

void
agl_report_print (const char *json, const char *page)
{
  guint n_goals = 0, n_met = 0;

  printf ("%-58s %14s %14s %8s %9s  %s\n", "what", "ours", "reference", "ratio", "goal", "met");
  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = g_ptr_array_index (rows, i);
      g_autofree char *goal = NULL;

      printf ("%s%*s", row->what, 58 - (int)g_utf8_strlen (row->what, -1), "");
      print_number (row->ours, 15, row->unit);
      print_number (row->reference, 15, row->unit);
      print_number (row->ratio, 9, "");
      goal = format_goal (row);
      n_goals += row->kind != AGL_GOAL_NONE;
      n_met += row->kind != AGL_GOAL_NONE && is_met (row);
      printf ("%*s%s  %s", 10 - (int)g_utf8_strlen (goal, -1), "", goal, format_met (row));
      printf ("%s\n", row->loaded ? " (under load)" : "");
    }
  printf ("%u of %u goals met\n", n_met, n_goals);
  write_json (json);
  if (page != NULL)
    write_page (page);
}
