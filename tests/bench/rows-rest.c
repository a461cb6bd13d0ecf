/* SPDX-License-Identifier: MIT */

/* List, whole processes, the start. */
#include "bench.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

void
agl_rows_list (AglScene *scene)
{
  g_autofree char *file = g_build_filename (scene->root, "reply", NULL);
  g_autoptr (GVariant) reply = NULL;
  GVariantBuilder filter;

  agl_report_begin ("List");
  reply = agl_bench_call (scene->on_direct, NULL, AGL_LOCKS_PATH, "List", g_variant_new ("(a{sv})", NULL));
  if (!g_file_set_contents (file, g_variant_get_data (reply), g_variant_get_size (reply), NULL))
    agl_bench_fail ("%s cannot be written", file);
  g_variant_builder_init (&filter, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&filter, "{sv}", "directory", g_variant_new_string (file));
  g_variant_unref (
      agl_bench_call (scene->on_direct, NULL, AGL_NOOP_PATH, "List", g_variant_new ("(a{sv})", &filter)));
  for (guint is_bus = 0; is_bus < 2; is_bus++)
    {
      AglTarget ours = is_bus ? agl_target_on_bus (scene) : agl_target_direct (scene), noop = ours;
      g_autoptr (AglPair) pair = NULL;

      noop.path = AGL_NOOP_PATH;
      pair = agl_pair_measure (agl_timed_list, &ours, agl_timed_list, &noop, 1, 5);
      agl_report_pair (is_bus ? "List of 10 000, bus" : "List of 10 000, direct", pair, AGL_GOAL_AT_MOST, 2);
    }
}

void
agl_rows_whole_process (AglScene *scene)
{
  g_autofree char *address = g_strdup_printf ("--address=%s", scene->bus);
  const char *run[] = { scene->cli, "run", address, scene->here, "--", "true", NULL };
  const char *check[] = { "busctl",       address, "call", AGL_LOCKS_NAME, AGL_LOCKS_PATH,
                          AGL_LOCKS_NAME, "Check", "s",    scene->here,    NULL };
  const char *list_locks[] = { scene->cli, "list", address, NULL };
  const char *call_list[] = {
    "busctl", address, "call", AGL_LOCKS_NAME, AGL_LOCKS_PATH, AGL_LOCKS_NAME, "List", "a{sv}", "0", NULL
  };
  g_autoptr (AglPair) of_run = NULL, of_list = NULL;

  agl_report_begin ("whole processes");
  of_run = agl_pair_measure (agl_timed_program, run, agl_timed_program, check, 5, 12);
  agl_report_pair ("agentctl-locks run -- true, against busctl call", of_run, AGL_GOAL_AT_MOST, 1.3);
  of_list = agl_pair_measure (agl_timed_program, list_locks, agl_timed_program, call_list, 5, 12);
  agl_report_pair ("agentctl-locks list, against busctl call", of_list, AGL_GOAL_AT_MOST, 1.3);
}

/* From exec to the name on the bus. */
static double
start_daemon (gpointer data)
{
  AglScene *scene = data;
  double start = agl_bench_now (), took;

  agl_scene_start_daemon (scene);
  took = agl_bench_now () - start;
  agl_scene_stop_daemon (scene);
  return took;
}

void
agl_rows_start (AglScene *scene)
{
  g_autofree char *parse = g_build_filename (scene->bin, "bench-parse-reference", NULL);
  g_autofree char *folder = g_build_filename (scene->fast, "run", "locks", NULL);
  const char *argv[] = { parse, folder, NULL };
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("start");
  agl_scene_stop_daemon (scene);
  pair = agl_pair_measure (start_daemon, scene, agl_timed_program, argv, 1, 5);
  agl_report_pair ("start with 10 000 saved locks until the name is owned", pair, AGL_GOAL_AT_MOST, 2);
}
