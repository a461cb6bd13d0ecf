/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

const guint64 agl_histogram_bounds_sec[AGL_HISTOGRAM_BOUNDS] = { 1, 5, 15, 60, 300, 900, 3600, 14400, 86400 };

void
agl_histogram_add (AglHistogram *self, gint64 usec)
{
  guint64 took_usec = (guint64)MAX (usec, 0);

  for (gsize i = 0; i < AGL_HISTOGRAM_BOUNDS; i++)
    if (took_usec <= agl_histogram_bounds_sec[i] * G_USEC_PER_SEC)
      self->at_most[i]++;
  self->count++;
  self->sum_usec += took_usec;
}
