/* SPDX-License-Identifier: MIT */

/* How a cost grows with the number of locks. One service for each number, all at once, and their batches in
 * turns: what makes the machine slower for a second makes every point slower, and a round's ratios show none
 * of it. */
#include "bench.h"

#include <math.h>

const guint agl_growth_locks[AGL_GROWTH_POINTS] = { 0, 100, 1000, 10000 };

static AglSeries *
new_series (void)
{
  AglSeries *self = g_new0 (AglSeries, 1);

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    self->of[i] = g_array_new (FALSE, FALSE, sizeof (double));
  return self;
}

static void
series_free (AglSeries *self)
{
  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    g_array_unref (self->of[i]);
  g_free (self);
}

AglGrowth *
agl_growth_measure (
    AglScene *const *scenes, AglTimed timed, gconstpointer data, gsize size, guint batch, guint rounds)
{
  AglGrowth *self = g_new0 (AglGrowth, 1);

  self->samples = new_series ();
  self->times = new_series ();
  self->processor = new_series ();
  for (guint round = 0; round <= rounds; round++)
    /* There and back, so that nobody always runs in the caches that the same neighbour left. */
    for (guint step = 0; step < AGL_GROWTH_POINTS; step++)
      {
        guint i = round % 2 == 0 ? step : AGL_GROWTH_POINTS - 1 - step;
        double before = agl_bench_processor_time (scenes[i]->daemon_pid);
        g_autoptr (GArray) samples = agl_bench_batch (timed, (char *)data + i * size, batch);
        double used = (agl_bench_processor_time (scenes[i]->daemon_pid) - before) / batch;
        double median = agl_bench_median (samples);

        if (round == 0)
          continue;
        g_array_append_vals (self->samples->of[i], samples->data, samples->len);
        g_array_append_val (self->times->of[i], median);
        g_array_append_val (self->processor->of[i], used);
      }
  return self;
}

void
agl_growth_free (AglGrowth *self)
{
  series_free (self->samples);
  series_free (self->times);
  series_free (self->processor);
  g_free (self);
}

static double
slope (const double *points)
{
  double numbers[AGL_GROWTH_POINTS - 1];

  for (guint i = 1; i < AGL_GROWTH_POINTS; i++)
    numbers[i - 1] = agl_growth_locks[i];
  return agl_bench_exponent (numbers, points + 1, AGL_GROWTH_POINTS - 1);
}

AglCurve
agl_series_curve (const AglSeries *self)
{
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) slopes = g_array_new (FALSE, FALSE, sizeof (double));
  AglCurve curve;

  for (guint round = 0; round < self->of[0]->len; round++)
    {
      double points[AGL_GROWTH_POINTS], ratio, exponent;

      for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
        points[i] = g_array_index (self->of[i], double, round);
      ratio = points[AGL_GROWTH_POINTS - 1] / points[0];
      exponent = slope (points);
      g_array_append_val (ratios, ratio);
      g_array_append_val (slopes, exponent);
    }
  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    curve.points[i] = agl_bench_median (self->of[i]);
  curve.ratio = agl_bench_median (ratios);
  curve.exponent = agl_bench_median (slopes);
  return curve;
}

AglCurve
agl_series_quantile_curve (const AglSeries *self, double quantile)
{
  AglCurve curve;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    curve.points[i] = agl_bench_quantile (self->of[i], quantile);
  curve.ratio = curve.points[AGL_GROWTH_POINTS - 1] / curve.points[0];
  curve.exponent = slope (curve.points);
  return curve;
}
