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

#define NAME "org.agentctl.Locks"

double
agl_bench_resident_kib (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", (int)pid);
  FILE *file = fopen (path, "re");
  char line[256];
  double kib = NAN;

  while (file != NULL && fgets (line, sizeof line, file) != NULL)
    sscanf (line, "VmRSS: %lf", &kib);
  if (file == NULL || isnan (kib))
    agl_bench_fail ("%s cannot be read", path);
  fclose (file);
  return kib;
}

/* One figure of every thread. */
static GHashTable *
read_threads (GPid pid, const char *name, const char *format)
{
  GHashTable *figures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *folder = g_strdup_printf ("/proc/%d/task", (int)pid);
  g_autoptr (GDir) tasks = g_dir_open (folder, 0, NULL);
  const char *task;

  if (tasks == NULL)
    agl_bench_fail ("%s cannot be read", folder);
  while ((task = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, task, name, NULL);
      FILE *file = fopen (path, "re");
      char line[256];
      double value;

      while (file != NULL && fgets (line, sizeof line, file) != NULL)
        if (sscanf (line, format, &value) == 1)
          {
            g_hash_table_insert (figures, g_strdup (task), g_memdup2 (&value, sizeof value));
            break;
          }
      if (file != NULL)
        fclose (file);
    }
  return figures;
}

GHashTable *
agl_bench_switches (GPid pid)
{
  return read_threads (pid, "status", "voluntary_ctxt_switches: %lf");
}

GHashTable *
agl_bench_cpu (GPid pid)
{
  return read_threads (pid, "schedstat", "%lf");
}

double
agl_bench_since (GHashTable *before, GHashTable *after)
{
  GHashTableIter iter;
  gpointer thread, value;
  double sum = 0;

  g_hash_table_iter_init (&iter, after);
  while (g_hash_table_iter_next (&iter, &thread, &value))
    {
      const double *then = g_hash_table_lookup (before, thread);

      sum += *(const double *)value - (then != NULL ? *then : 0);
    }
  return sum;
}

typedef struct
{
  AglScene *scene;
  const char *method;
  gboolean detects;
  double extra;
} Look;

static double
acquire_with_look (gpointer data)
{
  const Look *look = data;
  GVariantBuilder options;
  double start, took;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "detect-agents", g_variant_new_boolean (look->detects));
  start = agl_bench_now ();
  g_variant_unref (agl_bench_call (look->scene->on_direct, NULL, AGL_LOCKS_PATH, "Acquire",
                                   g_variant_new ("(sa{sv})", look->scene->here, &options)));
  took = agl_bench_now () - start;
  g_variant_unref (agl_bench_call (look->scene->on_direct, NULL, AGL_LOCKS_PATH, "Release",
                                   agl_bench_acquire_arguments (look->scene->here, 0)));
  return took;
}

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
  double took = acquire_with_look (data), start = agl_bench_now ();

  bare_pass ();
  return took + agl_bench_now () - start;
}

void
agl_rows_detection (AglScene *scene)
{
  Look with = { scene, NULL, TRUE }, without = { scene, NULL, FALSE };
  g_autoptr (AglPair) pair = NULL;

  agl_report_begin ("the look for unregistered agents");
  pair = agl_pair_measure (acquire_with_look, &with, acquire_and_bare_pass, &without, 10, 20);
  agl_report_pair ("Acquire that looks for agents, 500 processes", pair, AGL_GOAL_AT_MOST, 1.3);
}

typedef struct
{
  AglScene *scene;
  const char *directory;
  gboolean is_fuser;
} Who;

static double
occupants (gpointer data)
{
  const Who *who = data;
  double start = agl_bench_now ();

  g_variant_unref (agl_bench_call (who->scene->on_direct, NULL, AGL_LOCKS_PATH, "Occupants",
                                   g_variant_new ("(s)", who->directory)));
  return agl_bench_now () - start;
}

static double
other_program (gpointer data)
{
  const Who *who = data;

  if (who->is_fuser)
    return agl_bench_run (
        (const char *const[]){ "sh", "-c", "fuser \"$1\" 2>&1", "sh", who->directory, NULL });
  return agl_bench_run ((const char *const[]){ "lsof", "-w", "-a", "-d", "cwd", NULL });
}

void
agl_rows_occupants (AglScene *scene, const AglFleet *fleet)
{
  g_autofree char *all = g_path_get_dirname (g_ptr_array_index (fleet->directories, 0));
  Who who = { scene, g_ptr_array_index (fleet->directories, 0), FALSE };
  Who who_all = { scene, all, FALSE };

  agl_report_begin ("Occupants");
  {
    g_autoptr (AglPair) pair = agl_pair_measure (other_program, &who_all, occupants, &who_all, 3, 3);

    agl_report_add ("Occupants, all 2 000 processes in it: times faster than lsof",
                    agl_bench_median (pair->reference), agl_bench_median (pair->ours), "µs",
                    agl_bench_median (pair->ratios), AGL_GOAL_AT_LEAST, 20);
  }
  for (guint i = 0; i < 2; i++)
    {
      const char *const names[] = { "lsof", "fuser" };
      g_autofree char *program = g_find_program_in_path (names[i]);
      g_autofree char *what =
          g_strdup_printf ("Occupants, one of 2 000 in it: times faster than %s", names[i]);
      g_autoptr (AglPair) pair = NULL;

      if (program == NULL)
        agl_bench_fail ("%s is not installed", names[i]);
      who.is_fuser = i == 1;
      pair = agl_pair_measure (other_program, &who, occupants, &who, 3, 3);
      agl_report_add (what, agl_bench_median (pair->reference), agl_bench_median (pair->ours), "µs",
                      agl_bench_median (pair->ratios), AGL_GOAL_AT_LEAST, 20);
    }
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

/* The reference loop runs once in each interval, between the rounds as often as not: the machine is the
 * same. */
void
agl_rows_rounds (AglScene *scene, const AglFleet *fleet, guint seconds)
{
  g_autoptr (GArray) bare = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GHashTable) cpu = NULL, switches = NULL, cpu_then = NULL, switches_then = NULL;
  double reference, ours, n_rounds = seconds / 2.0;
  g_autofree char *what = g_strdup_printf ("idle with 10 000 locks, switches per round, over %u s", seconds);

  agl_report_begin ("rounds with 10 000 locks");
  cpu = agl_bench_cpu (scene->daemon_pid);
  switches = agl_bench_switches (scene->daemon_pid);
  for (guint i = 0; i < seconds; i += 2)
    {
      double took = bare_readlinks (fleet);

      g_array_append_val (bare, took);
      g_usleep (2000000);
    }
  cpu_then = agl_bench_cpu (scene->daemon_pid);
  switches_then = agl_bench_switches (scene->daemon_pid);
  reference = agl_bench_median (bare);
  ours = agl_bench_since (cpu, cpu_then) / 1e3 / n_rounds / fleet->pids->len;
  agl_report_add ("CWD check, CPU per lock and round, 10 000 locks", ours, reference, "µs", ours / reference,
                  AGL_GOAL_AT_MOST, 1.5);
  /* A round is one wake-up from the wait for the timer; the pieces that it is cut into do not sleep. */
  agl_report_add (what, agl_bench_since (switches, switches_then) / n_rounds, NAN, "", NAN, AGL_GOAL_AT_MOST,
                  2);
}
