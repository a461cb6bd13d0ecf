/* SPDX-License-Identifier: MIT */

/* bench BIN DAEMON CLIENT JSON [PAGE]: runs all rows in order of how many processes and locks they need. With
 * PAGE the tables replace those in that file of Markdown. bench BIN DAEMON CLIENT JSON growth: those about
 * growth. */
#include "bench.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#define IDLE_SEC 30
/* A call of GDBus that was answered in time leaves its time limit, 25 s, as a wake-up of the main loop: those
 * of the start are let pass. */
#define SETTLE_SEC 28
#define ROUNDS_SEC 20
#define MANY       10000

/* A second service that nobody calls, for how it is when nothing is held. */
typedef struct
{
  AglScene *scene;
  GHashTable *switches;
  double since;
} Idle;

static void
begin_idle (Idle *idle)
{
  double elapsed = (agl_bench_now () - idle->since) / 1e6;

  if (elapsed < SETTLE_SEC)
    g_usleep ((gulong)((SETTLE_SEC - elapsed) * 1e6));
  idle->switches = agl_bench_switches (idle->scene->daemon_pid);
  idle->since = agl_bench_now ();
}

static void
report_idle (Idle *idle)
{
  double elapsed = (agl_bench_now () - idle->since) / 1e6;
  g_autoptr (GHashTable) now = NULL;

  if (elapsed < IDLE_SEC)
    g_usleep ((gulong)((IDLE_SEC - elapsed) * 1e6));
  now = agl_bench_switches (idle->scene->daemon_pid);
  agl_report_begin ("idle without locks");
  agl_report_add ("idle without locks, context switches in 30 s or more",
                  agl_bench_since (idle->switches, now), NAN, "", NAN, AGL_GOAL_AT_MOST, 0);
}

static void
report_empty_size (AglScene *scene)
{
  g_autofree char *program = g_build_filename (scene->bin, "bench-empty", NULL);
  const char *const environment[] = { "DBUS_SESSION_BUS_ADDRESS", scene->bus, NULL };
  GPid pid = agl_bench_spawn ((const char *const[]){ program, NULL }, environment, NULL, NULL);
  double ours, reference;

  agl_report_begin ("memory");
  agl_scene_await_name (scene, "org.agentctl.Empty");
  /* Both have owned their name; whatever they do after that is over by now. */
  g_usleep (300000);
  ours = agl_bench_resident_kib (scene->daemon_pid);
  reference = agl_bench_resident_kib (pid);
  agl_report_add ("resident memory, empty, against one empty object", ours, reference, "KiB",
                  ours / reference, AGL_GOAL_AT_MOST, 1.3);
  agl_bench_end (&pid, SIGTERM);
}

static void
run_small (AglScene *scene)
{
  agl_scene_connect (scene);
  agl_scene_start_alone (scene);
  agl_rows_calls (scene);
  agl_rows_fresh (scene);
  agl_rows_whole_process (scene);
  agl_rows_throughput (scene);
  agl_rows_death (scene, 1);
}

static void
run_scans (AglScene *scene)
{
  {
    g_autoptr (AglFleet) G_GNUC_UNUSED fleet = agl_fleet_new (scene, "fleet-500", 500);

    agl_rows_detection (scene);
  }
  {
    g_autoptr (AglFleet) fleet = agl_fleet_new (scene, "fleet-2000", 2000);

    agl_rows_occupants (scene, fleet);
  }
}

/* The scene with most locks is @scene itself; the others are there for this alone. */
static void
run_growth (AglScene *scene, AglFleet *fleet)
{
  AglScene *scenes[AGL_GROWTH_POINTS];
  double before, after;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      gboolean is_last = i == AGL_GROWTH_POINTS - 1;

      scenes[i] = is_last ? scene : agl_scene_new (scene->bin, scene->daemon, scene->cli, scene->here);
      if (!is_last)
        agl_scene_start_daemon (scenes[i]);
      if (!is_last)
        agl_scene_connect (scenes[i]);
      if (!is_last)
        agl_fleet_lock (fleet, scenes[i]->on_direct, 0, agl_growth_locks[i]);
    }
  agl_report_begin ("memory with 10 000 locks");
  before = agl_bench_resident_kib (scene->daemon_pid);
  agl_fleet_lock (fleet, scene->on_direct, 0, MANY);
  after = agl_bench_resident_kib (scene->daemon_pid);
  agl_report_add ("resident memory per lock at 10 000", (after - before) * 1024 / MANY, NAN, "B", NAN,
                  AGL_GOAL_AT_MOST, 700);
  agl_rows_growth (scenes, fleet);
  for (guint i = 0; i < AGL_GROWTH_POINTS - 1; i++)
    agl_scene_free (scenes[i]);
}

static void
run_large (AglScene *scene, const char *product, gboolean growth_only)
{
  g_autoptr (AglFleet) fleet = agl_fleet_new (scene, "fleet-10000", MANY);

  /* A service that has done nothing yet: what earlier rows left in its heap would hide what locks take. */
  agl_scene_stop_daemon (scene);
  agl_scene_start_daemon (scene);
  agl_scene_connect (scene);
  run_growth (scene, fleet);
  if (growth_only)
    return;
  agl_rows_death (scene, MANY);
  agl_rows_list (scene);
  agl_rows_rounds (scene, fleet, ROUNDS_SEC);
  g_free (scene->daemon);
  scene->daemon = g_strdup (product);
  agl_rows_start (scene);
}

static void
run_all (AglScene *scene, const char *product)
{
  g_autoptr (AglScene) quiet = agl_scene_new (scene->bin, product, scene->cli, scene->here);
  Idle idle = { 0 };

  agl_scene_start_daemon (quiet);
  /* What a start does late is over by now. */
  g_usleep (1000000);
  report_empty_size (quiet);
  idle.scene = quiet;
  idle.since = agl_bench_now ();
  run_small (scene);
  begin_idle (&idle);
  run_scans (scene);
  report_idle (&idle);
  g_clear_pointer (&idle.switches, g_hash_table_unref);
  run_large (scene, product, FALSE);
}

int
main (int argc, char **argv)
{
  g_autoptr (AglScene) scene = NULL;
  g_autofree char *beside = NULL;
  gboolean growth_only = argc == 6 && strcmp (argv[5], "growth") == 0;

  if (argc == 5 && strcmp (argv[1], "client") == 0)
    return agl_rows_throughput_client (argv[2], argv[3], argv[4]);
  if (argc < 5)
    return 64;
  beside = g_build_filename (argv[1], "bench-daemon", NULL);
  scene = agl_scene_new (argv[1], beside, argv[3], NULL);
  agl_scene_start_daemon (scene);
  if (growth_only)
    run_large (scene, argv[2], TRUE);
  else
    run_all (scene, argv[2]);
  agl_report_print (argv[4], growth_only ? NULL : argv[5]);
  return 0;
}
