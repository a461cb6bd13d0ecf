/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <math.h>
#include <time.h>

double
agl_bench_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double first = *(const double *)a, second = *(const double *)b;

  return (first > second) - (first < second);
}

double
agl_bench_quantile (GArray *samples, double quantile)
{
  g_autoptr (GArray) sorted = g_array_copy (samples);

  if (sorted->len == 0)
    return NAN;
  g_array_sort (sorted, compare);
  return g_array_index (sorted, double, (guint)(quantile * (sorted->len - 1) + 0.5));
}

double
agl_bench_median (GArray *samples)
{
  return agl_bench_quantile (samples, 0.5);
}

double
agl_bench_exponent (const double *x, const double *y, guint n)
{
  double sx = 0, sy = 0, sxx = 0, sxy = 0;

  for (guint i = 0; i < n; i++)
    {
      double lx = log (x[i]), ly = log (y[i]);

      sx += lx;
      sy += ly;
      sxx += lx * lx;
      sxy += lx * ly;
    }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

GArray *
agl_bench_batch (AglTimed timed, gpointer data, guint batch)
{
  GArray *samples = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < batch; i++)
    {
      double took = timed (data);

      g_array_append_val (samples, took);
    }
  return samples;
}

AglPair *
agl_pair_measure (
    AglTimed ours, gpointer our_data, AglTimed reference, gpointer reference_data, guint batch, guint rounds)
{
  AglPair *self = g_new0 (AglPair, 1);

  self->ours = g_array_new (FALSE, FALSE, sizeof (double));
  self->reference = g_array_new (FALSE, FALSE, sizeof (double));
  self->ratios = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint round = 0; round <= rounds; round++)
    {
      g_autoptr (GArray) first = agl_bench_batch (ours, our_data, batch);
      g_autoptr (GArray) second = agl_bench_batch (reference, reference_data, batch);
      double ratio = agl_bench_median (first) / agl_bench_median (second);

      if (round == 0)
        continue;
      g_array_append_vals (self->ours, first->data, first->len);
      g_array_append_vals (self->reference, second->data, second->len);
      g_array_append_val (self->ratios, ratio);
    }
  return self;
}

void
agl_pair_free (AglPair *self)
{
  g_array_unref (self->ours);
  g_array_unref (self->reference);
  g_array_unref (self->ratios);
  g_free (self);
}
