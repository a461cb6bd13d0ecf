/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

/* How long things took, counted in ranges, as Prometheus wants it. */
#define AGL_HISTOGRAM_BOUNDS 9

/* Upper bounds, included, in seconds, growing: from a command's length to a working day's and beyond. What is
 * longer than the last is in the sum and the count alone. */
extern const guint64 agl_histogram_bounds_sec[AGL_HISTOGRAM_BOUNDS];

typedef struct
{
  guint64 at_most[AGL_HISTOGRAM_BOUNDS]; /* how many took at most that long: each includes those before */
  guint64 count;
  guint64 sum_usec;
} AglHistogram;

/* @usec: less than nothing, as after a step of the wall clock, counts as nothing. */
void agl_histogram_add (AglHistogram *self, gint64 usec);
