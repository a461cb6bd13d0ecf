/* SPDX-License-Identifier: MIT */

/* The report for programs: an array of rows. */
#include "report-private.h"

#include <json-glib/json-glib.h>
#include <math.h>

static void
add_number (JsonBuilder *builder, const char *key, double value)
{
  json_builder_set_member_name (builder, key);
  if (isnan (value))
    json_builder_add_null_value (builder);
  else
    json_builder_add_double_value (builder, value);
}

static void
add_text (JsonBuilder *builder, const char *key, const char *text)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, text);
}

static void
add_truth (JsonBuilder *builder, const char *key, gboolean is_so)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_boolean_value (builder, is_so);
}

static void
add_curve (JsonBuilder *builder, const AglReportRow *row)
{
  json_builder_set_member_name (builder, "points");
  json_builder_begin_array (builder);
  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "locks");
      json_builder_add_int_value (builder, agl_growth_locks[i]);
      add_number (builder, "ours", row->curve->points[i]);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  add_number (builder, "exponent", row->curve->exponent);
  if (row->kind != AGL_GOAL_NONE)
    add_number (builder, "exponent-at-most", AGL_REPORT_EXPONENT);
}

static void
add_row (JsonBuilder *builder, const AglReportRow *row)
{
  g_autofree char *what = g_strconcat (row->what, row->curve != NULL ? ": growth" : "", NULL);

  json_builder_begin_object (builder);
  add_text (builder, "what", what);
  add_text (builder, "unit", row->unit);
  add_number (builder, "ours", row->ours);
  add_number (builder, "reference", row->reference);
  add_number (builder, "ratio", row->ratio);
  if (row->curve != NULL)
    add_curve (builder, row);
  if (row->kind != AGL_GOAL_NONE && !isnan (row->goal))
    add_number (builder, row->kind == AGL_GOAL_AT_MOST ? "at-most" : "at-least", row->goal);
  if (row->kind != AGL_GOAL_NONE)
    add_truth (builder, "met", agl_report_row_is_met (row));
  add_number (builder, "others", row->load.others);
  add_number (builder, "kernel-threads", row->load.kernel);
  add_truth (builder, "under-load", row->load.others > AGL_REPORT_LOADED);
  json_builder_end_object (builder);
}

void
agl_report_write_json (GPtrArray *rows, const char *path)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) error = NULL;

  json_builder_begin_array (builder);
  for (guint i = 0; i < rows->len; i++)
    add_row (builder, g_ptr_array_index (rows, i));
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  if (!json_generator_to_file (generator, path, &error))
    agl_bench_fail ("%s", error->message);
}
