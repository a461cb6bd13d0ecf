/* SPDX-License-Identifier: MIT */

/* bench BIN DAEMON CLIENT JSON [PAGE]: runs all rows in order of how many processes and locks they need. With
 * PAGE the table replaces the one in that file of Markdown. */
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
  agl_rows_calls (scene, 0);
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

static void
run_large (AglScene *scene, const char *product)
{
  g_autoptr (AglFleet) fleet = agl_fleet_new (scene, "fleet-10000", MANY);
  double before, after;

  /* A service that has done nothing yet: what earlier rows left in its heap would hide what locks take. */
  agl_scene_stop_daemon (scene);
  agl_scene_start_daemon (scene);
  agl_scene_connect (scene);
  agl_report_begin ("locks");
  before = agl_bench_resident_kib (scene->daemon_pid);
  agl_rows_calls_begin_curve ();
  agl_rows_calls (scene, 0);
  agl_fleet_lock (fleet, scene->on_direct, 0, 100);
  agl_rows_calls (scene, 100);
  agl_fleet_lock (fleet, scene->on_direct, 100, 1000);
  agl_rows_calls (scene, 1000);
  agl_fleet_lock (fleet, scene->on_direct, 1000, MANY);
  after = agl_bench_resident_kib (scene->daemon_pid);
  agl_report_add ("resident memory per lock at 10 000", (after - before) * 1024 / MANY, NAN, "B", NAN,
                  AGL_GOAL_AT_MOST, 700);
  agl_rows_calls (scene, MANY);
  agl_rows_calls_growth ();
  agl_rows_death (scene, MANY);
  agl_rows_rounds (scene, fleet, ROUNDS_SEC);
  agl_rows_list (scene);
  g_free (scene->daemon);
  scene->daemon = g_strdup (product);
  agl_rows_start (scene);
}

int
main (int argc, char **argv)
{
  g_autoptr (AglScene) scene = NULL, quiet = NULL;
  g_autofree char *beside = NULL;
  Idle idle = { 0 };

  if (argc == 5 && strcmp (argv[1], "client") == 0)
    return agl_rows_throughput_client (argv[2], argv[3], argv[4]);
  if (argc < 5)
    return 64;
  beside = g_build_filename (argv[1], "bench-daemon", NULL);
  quiet = agl_scene_new (argv[1], argv[2], argv[3]);
  agl_scene_start_daemon (quiet);
  scene = agl_scene_new (argv[1], beside, argv[3]);
  agl_scene_start_daemon (scene);
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
  run_large (scene, argv[2]);
  agl_report_print (argv[4], argc > 5 ? argv[5] : NULL);
  return 0;
}
