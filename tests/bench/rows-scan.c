/* SPDX-License-Identifier: MIT */

/* What looks at processes: Occupants, the look for unregistered agents, the rounds. */
#include "bench.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What no look can do without: who is there, and where each works. */
static void
bare_pass (void)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;
  char path[64], text[PATH_MAX];
  int n = 0;

  while (proc != NULL && (entry = readdir (proc)) != NULL)
    if (isdigit ((unsigned char)entry->d_name[0]))
      {
        snprintf (path, sizeof path, "/proc/%.20s/cwd", entry->d_name);
        n += readlink (path, text, sizeof text) > 0;
      }
  if (proc == NULL || n == 0)
    agl_bench_fail ("/proc cannot be read");
  closedir (proc);
}

static double
acquire_and_bare_pass (gpointer data)
{
  double took = agl_timed_look (data), start = agl_bench_now ();

  bare_pass ();
  return took + agl_bench_now () - start;
}

void
agl_rows_detection (AglScene *scene)
{
  AglTarget with = agl_target_direct (scene), without = with;
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("the look for unregistered agents");
  with.looks = TRUE;
  pair = agl_pair_measure (agl_timed_look, &with, acquire_and_bare_pass, &without, 10, 20);
  agl_report_pair ("Acquire that looks for agents, 500 processes", pair, AGL_GOAL_AT_MOST, 1.3);
}

static double
run_lsof (gpointer data)
{
  return agl_bench_run ((const char *const[]){ "lsof", "-w", "-a", "-d", "cwd", NULL });
}

static double
run_fuser (gpointer data)
{
  const AglTarget *target = data;

  return agl_bench_run (
      (const char *const[]){ "sh", "-c", "fuser \"$1\" 2>&1", "sh", target->directory, NULL });
}

static void
report_times_faster (const char *what, AglTimed other, AglTarget *target)
{
  g_autoptr (AglPair) pair = agl_pair_measure (other, target, agl_timed_occupants, target, 3, 3);

  agl_report_add (what, agl_bench_median (pair->reference), agl_bench_median (pair->ours), "µs",
                  agl_bench_median (pair->ratios), AGL_GOAL_AT_LEAST, 20);
}

void
agl_rows_occupants (AglScene *scene, const AglFleet *fleet)
{
  g_autofree char *all = g_path_get_dirname (g_ptr_array_index (fleet->directories, 0));
  AglTarget target = agl_target_direct (scene);

  agl_report_begin ("Occupants");
  target.directory = all;
  report_times_faster ("Occupants, all 2 000 processes in it: times faster than lsof", run_lsof, &target);
  target.directory = g_ptr_array_index (fleet->directories, 0);
  report_times_faster ("Occupants, one of 2 000 in it: times faster than lsof", run_lsof, &target);
  report_times_faster ("Occupants, one of 2 000 in it: times faster than fuser", run_fuser, &target);
}

static double
bare_readlinks (const AglFleet *fleet)
{
  struct timespec before, after;
  char path[64], text[PATH_MAX];

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &before);
  for (guint i = 0; i < fleet->pids->len; i++)
    {
      snprintf (path, sizeof path, "/proc/%d/cwd", (int)g_array_index (fleet->pids, pid_t, i));
      if (readlink (path, text, sizeof text) < 0)
        agl_bench_fail ("%s cannot be read", path);
    }
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &after);
  return ((after.tv_sec - before.tv_sec) * 1e6 + (after.tv_nsec - before.tv_nsec) / 1e3) / fleet->pids->len;
}

/* The reference loop takes a quarter less soon after a round than later, since the round has touched the same
 * in the kernel. So it does not come once an interval (2 s, and the time of the round), but at another moment
 * of each: ten go around once. */
#define REFERENCE_USEC 2280000
#define ROUND_USEC     2000000

void
agl_rows_rounds (AglScene *scene, const AglFleet *fleet, guint seconds)
{
  g_autoptr (GArray) bare = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GHashTable) cpu = NULL, switches = NULL, cpu_then = NULL, switches_then = NULL;
  double reference, ours, worked_usec, n_rounds, start;
  g_autofree char *what = g_strdup_printf ("idle with 10 000 locks, switches per round, over %u s", seconds);

  agl_report_begin ("rounds with 10 000 locks");
  cpu = agl_bench_cpu (scene->daemon_pid);
  switches = agl_bench_switches (scene->daemon_pid);
  start = agl_bench_now ();
  while (agl_bench_now () - start < seconds * 1e6)
    {
      double took = bare_readlinks (fleet);

      g_array_append_val (bare, took);
      g_usleep (REFERENCE_USEC);
    }
  cpu_then = agl_bench_cpu (scene->daemon_pid);
  switches_then = agl_bench_switches (scene->daemon_pid);
  worked_usec = agl_bench_since (cpu, cpu_then) / 1e3;
  n_rounds = (agl_bench_now () - start - worked_usec) / ROUND_USEC;
  reference = agl_bench_median (bare);
  ours = worked_usec / n_rounds / fleet->pids->len;
  agl_report_add ("CWD check, CPU per lock and round, 10 000 locks", ours, reference, "µs", ours / reference,
                  AGL_GOAL_AT_MOST, 1.5);
  /* A round is one wake-up from the wait for the timer; the pieces that it is cut into do not sleep. */
  agl_report_add (what, agl_bench_since (switches, switches_then) / n_rounds, NAN, "", NAN, AGL_GOAL_AT_MOST,
                  2);
}
