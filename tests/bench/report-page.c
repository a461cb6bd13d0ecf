/* SPDX-License-Identifier: MIT */

/* The report for a page of Markdown: its two tables, in the places that are marked for them. */
#include "report-private.h"

#include <string.h>

/* What begins with two spaces is a part of the row above it. */
static void
append_name (GString *table, const AglReportRow *row)
{
  g_string_append_printf (table, "| %s%s ", g_str_has_prefix (row->what, "  ") ? "· " : "",
                          row->what + strspn (row->what, " "));
}

static void
append_number (GString *table, double value, const char *unit)
{
  g_autofree char *text = agl_report_format (value, unit);

  g_string_append_printf (table, "| %s ", text);
}

static void
append_verdict (GString *table, const AglReportRow *row)
{
  g_autofree char *goal = agl_report_row_goal (row), *met = agl_report_row_met (row);

  g_string_append_printf (table, "| %s | %s |\n", goal, met);
}

static char *
make_figures (GPtrArray *rows)
{
  GString *table = g_string_new ("| row | ours | reference | ratio | goal | met |\n"
                                 "| --- | ---: | ---: | ---: | ---: | --- |\n");
  g_autofree char *remark = NULL;

  for (guint i = 0; i < rows->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (rows, i);

      if (row->curve != NULL)
        continue;
      append_name (table, row);
      append_number (table, row->ours, row->unit);
      append_number (table, row->reference, row->unit);
      append_number (table, row->ratio, "");
      append_verdict (table, row);
    }
  remark = agl_report_remark (rows);
  if (remark != NULL)
    g_string_append_printf (table, "\n%s\n", remark);
  return g_string_free (table, FALSE);
}

static char *
make_growth (GPtrArray *rows)
{
  GString *table = g_string_new ("| with so many locks ");

  for (guint point = 0; point < AGL_GROWTH_POINTS; point++)
    g_string_append_printf (table, "| %u ", agl_growth_locks[point]);
  g_string_append (table, "| ratio | exponent | goal | met |\n| --- ");
  for (guint point = 0; point < AGL_GROWTH_POINTS; point++)
    g_string_append (table, "| ---: ");
  g_string_append (table, "| ---: | ---: | ---: | --- |\n");
  for (guint i = 0; i < rows->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (rows, i);

      if (row->curve == NULL)
        continue;
      append_name (table, row);
      for (guint point = 0; point < AGL_GROWTH_POINTS; point++)
        append_number (table, row->curve->points[point], row->unit);
      append_number (table, row->ratio, "");
      append_number (table, row->curve->exponent, "");
      append_verdict (table, row);
    }
  return g_string_free (table, FALSE);
}

static char *
put_between (const char *page, const char *begin, const char *end, const char *table)
{
  const char *begins = strstr (page, begin);
  const char *ends = begins != NULL ? strstr (begins, end) : NULL;
  g_autofree char *before = NULL;

  if (ends == NULL)
    agl_bench_fail ("the page has no place for a table: %s", begin);
  before = g_strndup (page, begins - page + strlen (begin));
  return g_strconcat (before, table, ends, NULL);
}

void
agl_report_write_page (GPtrArray *rows, const char *path)
{
  g_autofree char *page = NULL, *figures = make_figures (rows), *growth = make_growth (rows);
  g_autofree char *with_figures = NULL, *written = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_get_contents (path, &page, NULL, &error))
    agl_bench_fail ("%s", error->message);
  with_figures =
      put_between (page, "<!-- figures: sh tests/bench.sh --page -->\n", "<!-- end of figures -->", figures);
  written = put_between (with_figures, "<!-- growth: sh tests/bench.sh --page -->\n",
                         "<!-- end of growth -->", growth);
  if (!g_file_set_contents (path, written, -1, &error))
    agl_bench_fail ("%s", error->message);
}
