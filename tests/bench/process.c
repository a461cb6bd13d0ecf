/* SPDX-License-Identifier: MIT */

/* The processes that the benchmark starts, and what they use. */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* Those that were not waited for yet. */
static GArray *running; /* GPid */

void
agl_bench_fail (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  fputs ("bench: ", stderr);
  vfprintf (stderr, format, arguments);
  fputc ('\n', stderr);
  va_end (arguments);
  exit (1);
}

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

GPid
agl_bench_spawn (const char *const *argv, const char *const *extra_environment, int *in, int *out)
{
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;
  GPid pid;

  for (; extra_environment != NULL && *extra_environment != NULL; extra_environment += 2)
    environment = g_environ_setenv (environment, extra_environment[0], extra_environment[1], TRUE);
  if (!g_spawn_async_with_pipes (NULL, (char **)argv, environment,
                                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, die_with_parent, NULL, &pid,
                                 in, out, NULL, &error))
    agl_bench_fail ("%s", error->message);
  if (running == NULL)
    running = g_array_new (FALSE, FALSE, sizeof (GPid));
  g_array_append_val (running, pid);
  return pid;
}

void
agl_bench_end (GPid *pid, int signal_number)
{
  if (*pid <= 0)
    return;
  kill (*pid, signal_number);
  agl_bench_await_end (pid);
}

void
agl_bench_await_end (GPid *pid)
{
  waitpid (*pid, NULL, 0);
  for (guint i = 0; i < running->len; i++)
    if (g_array_index (running, GPid, i) == *pid)
      {
        g_array_remove_index_fast (running, i);
        break;
      }
  *pid = 0;
}

double
agl_bench_run (const char *const *argv)
{
  double start = agl_bench_now ();
  g_autoptr (GError) error = NULL;
  int status;
  GPid pid;

  /* Without a hook in the child GLib uses posix_spawn(3), which does not copy our page tables. */
  if (!g_spawn_async (NULL, (char **)argv, NULL,
                      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_LEAVE_DESCRIPTORS_OPEN
                          | G_SPAWN_STDOUT_TO_DEV_NULL,
                      NULL, NULL, &pid, &error))
    agl_bench_fail ("%s", error->message);
  if (waitpid (pid, &status, 0) != pid || !WIFEXITED (status) || WEXITSTATUS (status) != 0)
    agl_bench_fail ("%s %s … failed", argv[0], argv[1]);
  return agl_bench_now () - start;
}

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

double
agl_bench_processor_time (GPid pid)
{
  struct timespec used;
  clockid_t clock;

  if (clock_getcpuclockid (pid, &clock) != 0 || clock_gettime (clock, &used) < 0)
    agl_bench_fail ("the processor time of %d cannot be read", (int)pid);
  return used.tv_sec * 1e6 + used.tv_nsec / 1e3;
}

static double
add_usage (int who)
{
  struct rusage usage;

  if (getrusage (who, &usage) < 0)
    agl_bench_fail ("our own processor time cannot be read");
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec
         + usage.ru_stime.tv_usec;
}

/* A process that is waited for moves from the one sum to the other, so the whole never jumps. */
double
agl_bench_own_processor_time (void)
{
  double sum = add_usage (RUSAGE_SELF) + add_usage (RUSAGE_CHILDREN);

  for (guint i = 0; running != NULL && i < running->len; i++)
    sum += agl_bench_processor_time (g_array_index (running, GPid, i));
  return sum;
}
