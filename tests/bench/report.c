/* SPDX-License-Identifier: MIT */

/* What was measured, and whether it is what was wanted. */
#include "report-private.h"

#include <math.h>
#include <stdio.h>

/* With most locks, by that without. */
#define STRICT_RATIO 1.10

static GPtrArray *rows;

void
agl_report_begin (const char *topic)
{
  fprintf (stderr, "[%6.1f s] %s\n", agl_bench_now () / 1e6, topic);
  agl_load_begin ();
}

static AglReportRow *
add_row (const char *what, const char *unit)
{
  AglReportRow *row = g_new0 (AglReportRow, 1);

  row->what = g_strdup (what);
  row->unit = g_strdup (unit);
  row->load = agl_load_since ();
  if (rows == NULL)
    rows = g_ptr_array_new ();
  g_ptr_array_add (rows, row);
  return row;
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
  AglReportRow *row = add_row (what, unit);

  row->ours = ours;
  row->reference = reference;
  row->ratio = ratio;
  row->kind = kind;
  row->goal = goal;
}

void
agl_report_pair (const char *what, const AglPair *pair, AglGoal kind, double goal)
{
  agl_report_add (what, agl_bench_median (pair->ours), agl_bench_median (pair->reference), "µs",
                  agl_bench_median (pair->ratios), kind, goal);
}

void
agl_report_curve (const char *what, const AglCurve *curve, const char *unit, AglGrowthGoal goal)
{
  AglReportRow *row = add_row (what, unit);

  row->ours = curve->points[AGL_GROWTH_POINTS - 1];
  row->reference = curve->points[0];
  row->ratio = curve->ratio;
  row->kind = goal == AGL_GROWTH_FREE ? AGL_GOAL_NONE : AGL_GOAL_AT_MOST;
  row->goal = goal == AGL_GROWTH_STRICT ? STRICT_RATIO : NAN;
  row->curve = g_memdup2 (curve, sizeof *curve);
}

/* As it is shown: what reads as the goal meets it. */
static double
round_to_shown (double value)
{
  return round (value * 100) / 100;
}

gboolean
agl_report_row_is_met (const AglReportRow *row)
{
  double value = round_to_shown (isnan (row->ratio) ? row->ours : row->ratio);

  if (row->curve != NULL && round_to_shown (row->curve->exponent) > AGL_REPORT_EXPONENT)
    return FALSE;
  if (isnan (row->goal))
    return TRUE;
  return row->kind == AGL_GOAL_AT_MOST ? value <= row->goal : value >= row->goal;
}

char *
agl_report_format (double value, const char *unit)
{
  if (isnan (value))
    return g_strdup ("–");
  if (fabs (value) < 0.005)
    value = 0; /* and not "-0.00" */
  return g_strchomp (g_strdup_printf (fabs (value) >= 100 ? "%.0f %s" : "%.2f %s", value, unit));
}

char *
agl_report_row_goal (const AglReportRow *row)
{
  if (row->kind == AGL_GOAL_NONE)
    return g_strdup ("");
  if (row->curve != NULL && isnan (row->goal))
    return g_strdup_printf ("≤ %g", AGL_REPORT_EXPONENT);
  if (row->curve != NULL)
    return g_strdup_printf ("≤ %g, ≤ %g", row->goal, AGL_REPORT_EXPONENT);
  return g_strdup_printf ("%s %g", row->kind == AGL_GOAL_AT_MOST ? "≤" : "≥", row->goal);
}

char *
agl_report_row_met (const AglReportRow *row)
{
  const char *met = row->kind == AGL_GOAL_NONE ? "" : agl_report_row_is_met (row) ? "yes" : "NO";

  if (row->load.others <= AGL_REPORT_LOADED)
    return g_strdup (met);
  return g_strchug (g_strdup_printf ("%s (under load: others took %.0f %%)", met, row->load.others * 100));
}

char *
agl_report_remark (GPtrArray *all)
{
  const AglReportRow *most = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (all, i);

      if (most == NULL || row->load.kernel > most->load.kernel)
        most = row;
    }
  if (most == NULL || most->load.kernel <= AGL_REPORT_LOADED)
    return NULL;
  return g_strdup_printf (
      "Meanwhile threads of the kernel itself, %s before all, took up to %.0f %% of all processors.",
      most->load.busiest, most->load.kernel * 100);
}

/* printf counts bytes. */
static void
print_right (int width, const char *text)
{
  printf ("%*s%s", width - (int)g_utf8_strlen (text, -1), "", text);
}

static void
print_left (int width, const char *text)
{
  printf ("%s%*s", text, width - (int)g_utf8_strlen (text, -1), "");
}

static void
print_number (int width, double value, const char *unit)
{
  g_autofree char *text = agl_report_format (value, unit);

  print_right (width, text);
}

static void
print_verdict (int width, const AglReportRow *row)
{
  g_autofree char *goal = agl_report_row_goal (row), *met = agl_report_row_met (row);

  print_right (width, goal);
  printf ("  %s\n", met);
}

static void
print_figures (void)
{
  printf ("%-58s %14s %14s %8s %9s  %s\n", "what", "ours", "reference", "ratio", "goal", "met");
  for (guint i = 0; i < rows->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (rows, i);

      if (row->curve != NULL)
        continue;
      print_left (58, row->what);
      print_number (15, row->ours, row->unit);
      print_number (15, row->reference, row->unit);
      print_number (9, row->ratio, "");
      print_verdict (10, row);
    }
}

static void
print_growth (void)
{
  printf ("\n%-58s", "with so many locks");
  for (guint point = 0; point < AGL_GROWTH_POINTS; point++)
    printf (" %12u", agl_growth_locks[point]);
  printf (" %8s %9s %15s  %s\n", "ratio", "exponent", "goal", "met");
  for (guint i = 0; i < rows->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (rows, i);

      if (row->curve == NULL)
        continue;
      print_left (58, row->what);
      for (guint point = 0; point < AGL_GROWTH_POINTS; point++)
        print_number (13, row->curve->points[point], row->unit);
      print_number (9, row->ratio, "");
      print_number (10, row->curve->exponent, "");
      print_verdict (16, row);
    }
}

void
agl_report_print (const char *json, const char *page)
{
  g_autofree char *remark = agl_report_remark (rows);
  guint n_goals = 0, n_met = 0;

  for (guint i = 0; i < rows->len; i++)
    {
      const AglReportRow *row = g_ptr_array_index (rows, i);

      n_goals += row->kind != AGL_GOAL_NONE;
      n_met += row->kind != AGL_GOAL_NONE && agl_report_row_is_met (row);
    }
  print_figures ();
  print_growth ();
  printf ("%u of %u goals met\n", n_met, n_goals);
  if (remark != NULL)
    printf ("%s\n", remark);
  agl_report_write_json (rows, json);
  if (page != NULL)
    agl_report_write_page (rows, page);
}
