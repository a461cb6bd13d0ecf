/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

static void
test_ranges (void)
{
  AglHistogram histogram = { 0 };

  agl_histogram_add (&histogram, 0);
  agl_histogram_add (&histogram, G_USEC_PER_SEC);     /* a bound is included */
  agl_histogram_add (&histogram, G_USEC_PER_SEC + 1); /* and ends there */
  agl_histogram_add (&histogram, G_GINT64_CONSTANT (86401) * G_USEC_PER_SEC);
  g_assert_cmpuint (histogram.at_most[0], ==, 2);
  g_assert_cmpuint (histogram.at_most[1], ==, 3);
  g_assert_cmpuint (histogram.at_most[AGL_HISTOGRAM_BOUNDS - 1], ==, 3);
  g_assert_cmpuint (histogram.count, ==, 4);
  g_assert_cmpuint (histogram.sum_usec, ==, G_GUINT64_CONSTANT (86403) * G_USEC_PER_SEC + 1);
}

static void
test_clock_step (void)
{
  AglHistogram histogram = { 0 };

  agl_histogram_add (&histogram, -5);
  g_assert_cmpuint (histogram.at_most[0], ==, 1);
  g_assert_cmpuint (histogram.count, ==, 1);
  g_assert_cmpuint (histogram.sum_usec, ==, 0);
}

static void
test_bounds_grow (void)
{
  for (gsize i = 1; i < AGL_HISTOGRAM_BOUNDS; i++)
    g_assert_cmpuint (agl_histogram_bounds_sec[i - 1], <, agl_histogram_bounds_sec[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/histogram/ranges", test_ranges);
  g_test_add_func ("/histogram/clock-step", test_clock_step);
  g_test_add_func ("/histogram/bounds-grow", test_bounds_grow);
  return g_test_run ();
}
