/* SPDX-License-Identifier: MIT */

/* What a call costs beside one that does nothing, and beside the other door. */
#include "bench.h"

#define BATCH  20
#define ROUNDS 25

static void
report_halves (const char *door, AglTarget *ours, AglTarget *reference)
{
  g_autofree char *first = g_strdup_printf ("  of it Acquire, %s", door);
  g_autofree char *second = g_strdup_printf ("  of it Release, %s", door);

  agl_report_add (first, agl_bench_median (ours->acquire), agl_bench_median (reference->acquire), "µs",
                  agl_bench_median (ours->acquire) / agl_bench_median (reference->acquire), AGL_GOAL_NONE, 0);
  agl_report_add (second, agl_bench_median (ours->release), agl_bench_median (reference->release), "µs",
                  agl_bench_median (ours->release) / agl_bench_median (reference->release), AGL_GOAL_NONE, 0);
}

static GArray *
new_samples (void)
{
  return g_array_new (FALSE, FALSE, sizeof (double));
}

static void
measure_door (const char *door, AglTarget ours, AglGoal goal)
{
  g_autoptr (GArray) our_acquire = new_samples (), our_release = new_samples ();
  g_autoptr (GArray) noop_acquire = new_samples (), noop_release = new_samples ();
  g_autofree char *what = g_strdup_printf ("Acquire and Release, %s, against a no-op", door);
  g_autoptr (AglPair) pair = NULL;
  AglTarget noop = ours;

  noop.path = AGL_NOOP_PATH;
  ours.acquire = our_acquire;
  ours.release = our_release;
  noop.acquire = noop_acquire;
  noop.release = noop_release;
  pair = agl_pair_measure (agl_timed_acquire_and_release, &ours, agl_timed_acquire_and_release, &noop, BATCH,
                           ROUNDS);
  agl_report_pair (what, pair, goal, 1.15);
  report_halves (door, &ours, &noop);
}

void
agl_rows_calls (AglScene *scene)
{
  AglTarget bus = agl_target_on_bus (scene), alone = agl_target_direct (scene);
  g_autoptr (AglPair) doors = NULL;

  agl_report_begin ("calls");
  alone.connection = scene->on_alone;
  /* Nobody but the caller is there who would have to be told. */
  agl_scene_disconnect (scene);
  measure_door ("bus", bus, AGL_GOAL_AT_MOST);
  measure_door ("direct", alone, AGL_GOAL_AT_MOST);
  doors = agl_pair_measure (agl_timed_acquire_and_release, &alone, agl_timed_acquire_and_release, &bus, BATCH,
                            ROUNDS);
  agl_report_pair ("Acquire and Release, direct against bus", doors, AGL_GOAL_AT_MOST, 0.75);
  agl_scene_connect (scene);
  measure_door ("direct, a bus told too", agl_target_direct (scene), AGL_GOAL_NONE);
}

void
agl_rows_fresh (AglScene *scene)
{
  AglTarget direct = agl_target_direct (scene), bus = agl_target_on_bus (scene);
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("fresh connections");
  pair =
      agl_pair_measure (agl_timed_connect_and_acquire, &direct, agl_timed_connect_and_acquire, &bus, 10, 20);
  agl_report_pair ("connect and first Acquire, direct against bus", pair, AGL_GOAL_AT_MOST, 0.6);
}
